"""A case of the tap: the streams of the activity log, with faults, kills and restarts."""

from __future__ import annotations

import json
import random
import typing as t
from functools import partial

from marketo_sandbox.instance.describe import OPPORTUNITY, ROLE
from tests.fuzz.runs import FoundError, Runner, Tally
from tests.fuzz.tap_case import change_deal, draw_options
from tests.fuzz.tap_runs import TapRuns
from tests.tap_marketo_opps.histories.people import People

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.fuzz.tap_model import Messages

Key = tuple[t.Any, ...]
Rows = dict[Key, Key]

ENTRIES = "opportunity_activities"
CHANGES, ROLE_CHANGES = "opportunity_changes", "opportunity_role_changes"
PAIR = ("opportunities", "opportunity_roles")
ADDED, REMOVED, UPDATED = 34, 35, 36
WAY = {"find_by": "activities", "start_date": "2020-01-01T00:00:00Z"}


class LogCase:
    """An instance, the people who change it, and the runs that copy its log.

    Args:
        dice: random source of the whole case.
        directory: directory for all files.
        tally: counts to add to.

    Attributes:
        settings: settings of the tap.
    """

    def __init__(self, dice: random.Random, directory: Path, tally: Tally) -> None:
        self._dice, self._directory, self._tally = dice, directory, tally
        self._runner = Runner(draw_options(dice), tally, directory)
        self._sandbox = self._runner.sandbox
        people = People(self._sandbox, random.Random(dice.randrange(10**9)))
        # No merges and no deletes of leads: they change the entries that the log already has.
        own_dice = random.Random(dice.randrange(10**9))
        self._act = partial(change_deal, people, self._sandbox, own_dice)
        self._runs = TapRuns(dice, directory, self._runner, self._load)
        self.settings = self._runs.settings
        self._rows: dict[str, Rows] = {ENTRIES: {}, CHANGES: {}, ROLE_CHANGES: {}}

    def play(self) -> None:
        """Copy the log in several runs, the last of them undisturbed; compare the copy with it."""
        streams = self._dice.sample([*self._rows], self._dice.randint(1, 3))
        self._runs.catalog = self._write_catalog(streams)
        for _ in range(self._dice.randrange(4)):
            for _ in range(self._dice.randrange(10)):
                self._act()
            self._runs.until_done(WAY, act=self._act)
        self._runs.until_done(WAY)
        due = _rows_of(self._entries())
        for stream in streams:
            self._check(stream, due[stream])

    def close(self) -> None:
        """Stop the instance."""
        self._runner.close()

    def _write_catalog(self, streams: list[str]) -> Path:
        """Write a catalog that selects streams of the log, and sometimes those found by it."""
        found = self._runner.run("tap-marketo-opps", WAY, "--discover")
        catalog = json.loads(found.stdout)
        chosen = {*streams, *(PAIR if self._dice.random() < 0.4 else ())}
        for entry in catalog["streams"]:
            (of_stream,) = (each for each in entry["metadata"] if not each["breadcrumb"])
            of_stream["metadata"]["selected"] = entry["tap_stream_id"] in chosen
        path = self._directory / "catalog.json"
        path.write_text(json.dumps(catalog))
        return path

    def _load(self, messages: Messages) -> None:
        for message in messages:
            if message["type"] == "RECORD" and message["stream"] in self._rows:
                key, row = _loaded(message["stream"], message["record"])
                self._rows[message["stream"]][key] = row

    def _check(self, stream: str, due: Rows) -> None:
        rows = self._rows[stream]
        wrong = {key: (row, rows.get(key)) for key, row in due.items() if rows.get(key) != row}
        self._tally.records += len(due)
        self._tally.lost += len(wrong)
        if wrong:
            some = [*wrong.items()][:3]
            raise FoundError(f"{len(wrong)} {stream} missing or different (due, found): {some}")

    def _entries(self) -> list[dict[str, t.Any]]:
        """Return all entries about opportunities that the log has now."""
        instance = self._sandbox.instance
        since = instance.paging_token({"sinceDatetime": WAY["start_date"]})
        found: list[dict[str, t.Any]] = []
        has_more = True
        while has_more:
            page = instance.activities(since | {"activityTypeIds": "34,35,36"})
            found += page.get("result", [])
            since, has_more = {"nextPageToken": page["nextPageToken"]}, page["moreResult"]
        return found


def _rows_of(entries: list[dict[str, t.Any]]) -> dict[str, Rows]:
    """Return what each stream has to have of the log, by its keys."""
    rows: dict[str, Rows] = {ENTRIES: {}, CHANGES: {}, ROLE_CHANGES: {}}
    for entry in entries:
        guid, kind = entry["marketoGUID"], entry["activityTypeId"]
        rows[ENTRIES][guid,] = (kind, *_common(entry))
        attributes = {each["name"]: each["value"] for each in entry["attributes"]}
        told = (*_common(entry), attributes["Role"], attributes["Is Primary"])
        if kind in {ADDED, REMOVED}:
            rows[ROLE_CHANGES][guid,] = ("added" if kind == ADDED else "removed", *told)
        else:
            for field, old, new in _changes(attributes["Data Value Changes"]):
                rows[CHANGES][guid, field] = (old, new, *told)
    return rows


def _common(entry: dict[str, t.Any]) -> Key:
    asset, label = entry["primaryAttributeValueId"], entry["primaryAttributeValue"]
    # Dates end in "Z", or in "+0000" in one of the dialects.
    return entry["leadId"], entry["activityDate"][:19], asset, label


def _changes(logged: str) -> list[Key]:
    shown = {each.display_name: each.name for each in (*ROLE.fields, *OPPORTUNITY.fields)}
    return [
        (shown[each["attributeName"]], _text(each["oldValue"]), _text(each["newValue"]))
        for each in json.loads(logged)
    ]


def _text(value: t.Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _loaded(stream: str, record: dict[str, t.Any]) -> tuple[Key, Key]:
    """Return key and values of a record of the tap, in the form in which they are compared."""
    guid = record["marketoGUID"]
    if stream == ENTRIES:
        return (guid,), (record["activityTypeId"], *_common(record))
    names = ("leadId", "activityDate", "opportunityId", "opportunityName", "role", "isPrimary")
    told = {**record, "activityDate": record["activityDate"][:19]}
    common = [told[name] for name in names]
    if stream == ROLE_CHANGES:
        return (guid,), (record["change"], *common)
    return (guid, record["field"]), (record["oldValue"], record["newValue"], *common)
