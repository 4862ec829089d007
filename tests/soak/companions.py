"""Taps that run beside the pair against the source, share its limits, and load for themselves."""

from __future__ import annotations

import random
import typing as t
from dataclasses import dataclass

from tests.fuzz.tap_model import read_messages
from tests.pipeline.processes import Plugin
from tests.soak.plan import FILTER
from tests.soak.tables import data_records
from tests.soak.world import KEY, LIST, World, role_key
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline.sandbox_process import SandboxProcess

VALUES = 150


@dataclass
class Companion:
    """A tap that looks up some opportunities, or those of a static list.

    Attributes:
        find_by: `filter` or `lead_list`.
        agent: user agent of its calls.
        plugin: the process.
        asked: values to look up, or members of the list before.
        due: opportunities that it has to find, each with the value or role that leads to it.
    """

    find_by: str
    agent: str
    plugin: Plugin
    messages_path: Path
    asked: set[t.Any]
    due: set[tuple[str, t.Any]]

    def lost(self, source: SandboxProcess, world: World) -> list[str]:
        """Return one line for each opportunity that was there all the time but was not found."""
        is_filter = self.find_by == FILTER
        asked = self.asked if is_filter else self.asked & world.members()
        still = _ways(source, asked, by_value=is_filter)
        found = {
            record[KEY]
            for stream, record in data_records(read_messages(self.messages_path.read_text()))
            if stream == OPPORTUNITIES
        }
        self.messages_path.unlink()
        lost = {key for key, _ in self.due & still} - found
        return [f"{self.agent} by {self.find_by} has not found {key}" for key in sorted(lost)]


def start_companion(
    find_by: str,
    settings: dict[str, t.Any],
    directory: Path,
    source: SandboxProcess,
    world: World,
) -> Companion:
    """Start a tap without a state.

    Args:
        find_by: `filter` or `lead_list`.
        settings: other settings; the user agent is the seed of what it looks up, too.
        directory: directory for its files.
        source: the instance that it reads.
        world: who is on the list.
    """
    directory.mkdir()
    agent, is_filter = settings["user_agent"], find_by == FILTER
    asked: set[t.Any] = world.members()
    way: dict[str, t.Any] = {"find_by": find_by, "lead_list_id": LIST}
    if is_filter:
        ids = source.ask("opportunities/ids")["ids"]
        asked = {*random.Random(agent).sample(ids, min(VALUES, len(ids)))}
        way = {"find_by": find_by, "filter_values": sorted(asked)}
    due = _ways(source, asked, by_value=is_filter)
    path = directory / "messages.singer"
    with path.open("wb") as stdout:
        plugin = Plugin("tap-marketo-opps", {**settings, **way}, directory, stdout=stdout)
    return Companion(find_by, agent, plugin, path, asked, due)


def _ways(source: SandboxProcess, asked: set[t.Any], *, by_value: bool) -> set[tuple[str, t.Any]]:
    """Return the opportunities that values or leads lead to, each with its value or role."""
    if by_value:
        return {(each, each) for each in source.ask("opportunities/ids")["ids"] if each in asked}
    roles = source.ask("roles")["records"]
    return {(role[KEY], role_key(role)) for role in roles if role["leadId"] in asked}
