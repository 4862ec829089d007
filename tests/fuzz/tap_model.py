"""The copy of an instance that README and manual promise, and the loader that holds it."""

from __future__ import annotations

import json
import typing as t
from datetime import UTC, datetime
from decimal import Decimal

from tests.fuzz.runs import FoundError
from tests.pipeline import compare
from tests.tap_marketo_opps.conftest import Output
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES, ROLES, Warehouse

if t.TYPE_CHECKING:
    from marketo_sandbox.server.server import SandboxServer
    from tests.fuzz.runs import Tally

Rows = dict[str, t.Any]
Messages = list[dict[str, t.Any]]

ROLE_FIELDS = (compare.KEY, "leadId", "role", "isPrimary")
STREAMS = (OPPORTUNITIES, ROLES)


def read_messages(stdout: str) -> Messages:
    """Return the complete messages of a run; a killed run may end within a line."""
    return [json.loads(line, parse_float=Decimal) for line in stdout.split("\n")[:-1]]


class Copy:
    """The tables of both streams as a loader holds them.

    Args:
        sandbox: the instance that they are a copy of.
        tally: counts to add to.
    """

    def __init__(self, sandbox: SandboxServer, tally: Tally) -> None:
        self._sandbox, self._tally = sandbox, tally
        self.tables = {stream: Warehouse(stream=stream) for stream in STREAMS}

    def load(self, messages: Messages) -> None:
        """Load the records of a run, or of its beginning."""
        output = Output(messages)
        for stream, table in self.tables.items():
            if output.records(stream):
                table.load(output)

    def stored(self, stream: str) -> Rows:
        """Return what the instance has, by GUID, in the form in which it is compared."""
        instance = self._sandbox.instance
        records = instance.roles() if stream == ROLES else instance.opportunities()
        return {each["marketoGUID"]: _compared(_dated(each), stream) for each in records}

    def loaded(self, stream: str) -> Rows:
        """Return the rows that are not marked as deleted, in the same form."""
        living = self.tables[stream].living
        return {guid: _compared(row, stream) for guid, row in living.items()}

    def guids_with_a_role(self) -> set[str]:
        """Return the GUIDs of the opportunities that have a role in the instance."""
        keys = compare.keys_with_a_role(self._sandbox)
        deals = self._sandbox.instance.opportunities()
        return {each["marketoGUID"] for each in deals if each[compare.KEY] in keys}

    def check_has(self, stream: str, due: Rows, *, after: str) -> None:
        """Raise an error if rows are missing or differ from what is due.

        Args:
            stream: the stream.
            due: rows by GUID.
            after: name of the run before, for the error.
        """
        rows = self.loaded(stream)
        wrong = [guid for guid, each in due.items() if rows.get(guid) != each]
        self._tally.records += len(due)
        self._tally.lost += len(wrong)
        if wrong:
            details = [(guid, _differing(due[guid], rows.get(guid))) for guid in wrong[:4]]
            raise FoundError(
                f"after {after}: {len(wrong)} {stream} missing or different: {details}"
            )

    def check_has_only(self, stream: str, most: set[str]) -> None:
        """Raise an error if there are rows of other GUIDs."""
        extra = self.loaded(stream).keys() - most
        if extra:
            raise FoundError(f"{len(extra)} {stream} are not in the instance: {[*extra][:4]}")


def _compared(record: dict[str, t.Any], stream: str) -> dict[str, t.Any]:
    if stream == ROLES:
        values = {name: record.get(name) or None for name in ROLE_FIELDS}
    else:
        values = compare.values(record)
    return {**values, "updatedAt": record["updatedAt"]}


def _dated(record: dict[str, t.Any]) -> dict[str, t.Any]:
    moment = datetime.fromtimestamp(record["updatedAt"], UTC)
    return record | {"updatedAt": f"{moment:%Y-%m-%dT%H:%M:%SZ}"}


def _differing(due: dict[str, t.Any], row: dict[str, t.Any] | None) -> t.Any:
    if row is None:
        return due.get(compare.KEY), "missing"
    names = {*due, *row}
    return {
        name: (due.get(name), row.get(name)) for name in names if due.get(name) != row.get(name)
    }
