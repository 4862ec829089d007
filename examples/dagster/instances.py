"""The Marketo instances in instances.json, with their credentials from the environment."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Without underscores, so that no variable name belongs to two instances.
_NAME = re.compile(r"[a-z][a-z0-9]*")
_OF_ANY_INSTANCE = re.compile(r"(TAP|TARGET)_MARKETO_")


@dataclass(frozen=True)
class Instance:
    """One Marketo instance, described by an entry of instances.json.

    Attributes:
        name: name in lower case; in upper case, part of the names of its environment variables.
        schedule: cron expression.
        tap, target: settings of the two plugins, without secrets.
        retries: number of retries of a failed run.
        retry_seconds: wait before each retry.
    """

    name: str
    schedule: str = "17 * * * *"
    tap: dict[str, Any] = field(default_factory=dict)
    target: dict[str, Any] = field(default_factory=dict)
    retries: int = 2
    retry_seconds: int = 1800

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """Return the environment variables with which to run this instance's tap and target.

        Variables of other instances are removed, and those of this one renamed:
        `TAP_MARKETO_EMEA_CLIENT_SECRET` of emea becomes `TAP_MARKETO_OPPS_CLIENT_SECRET`.
        """
        own = re.compile(rf"(TAP|TARGET)_MARKETO_{self.name.upper()}_")
        common = {k: v for k, v in variables.items() if not _OF_ANY_INSTANCE.match(k)}
        return common | {
            own.sub(r"\1_MARKETO_OPPS_", k): v for k, v in variables.items() if own.match(k)
        }


def read_instances(path: Path) -> list[Instance]:
    """Return the instances listed in a file.

    Raises:
        ValueError: an entry is invalid, or two have the same name.
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
