"""The instances of Marketo: what instances.json lists, and their credentials in the environment."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Without underscores, so that no variable of one instance looks like one of another's.
_NAME = re.compile(r"[a-z][a-z0-9]*")
_OF_ANY_INSTANCE = re.compile(r"(TAP|TARGET)_MARKETO_")


@dataclass(frozen=True)
class Instance:
    """One entry of instances.json.

    Attributes:
        name: in small letters; in capitals a part of its variables' names.
        schedule: when it runs, as cron has it.
        tap, target: settings of either plugin, without secrets.
        retries: how often a failed run is repeated.
        retry_seconds: how long after its failure.
    """

    name: str
    schedule: str = "17 * * * *"
    tap: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)
    retries: int = 2
    retry_seconds: int = 1800

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the variables for its plugins: its own renamed, no other instance's.

        `TAP_MARKETO_EMEA_CLIENT_SECRET` is `TAP_MARKETO_OPPS_CLIENT_SECRET` to the tap of emea.
        """
        own = re.compile(rf"(TAP|TARGET)_MARKETO_{self.name.upper()}_")
        common = {k: v for k, v in variables.items() if not _OF_ANY_INSTANCE.match(k)}
        return common | {
            own.sub(r"\1_MARKETO_OPPS_", k): v for k, v in variables.items() if own.match(k)
        }


def read_instances(path: Path) -> list[Instance]:
    """Return the instances of a file.

    Raises:
        ValueError: an entry is not one, or two have one name.
    """
    found = [_instance(path, entry) for entry in json.loads(path.read_text())]
    names = [each.name for each in found]
    if len(set(names)) < len(names):
        raise ValueError(f"{path} has a name twice: {', '.join(names)}")
    return found


def _instance(path: Path, entry: dict[str, Any]) -> Instance:
    known = Instance.__dataclass_fields__
    if not _NAME.fullmatch(entry.get("name", "")) or not entry.keys() <= known.keys():
        raise ValueError(
            f"{path} has an entry with {', '.join(entry) or 'nothing'}: give each a name of small "
            f"letters and digits, and of these what it needs: {', '.join(known)}"
        )
    return Instance(**entry)
