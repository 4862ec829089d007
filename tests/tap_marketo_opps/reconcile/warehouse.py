"""A warehouse table of a stream, loaded as by an SQL loader and exported as CSV."""

from __future__ import annotations

import csv
import io

PATHS = {
    "opportunities": "reconcile_opportunities_path",
    "opportunity_roles": "reconcile_roles_path",
}
OPPORTUNITIES, ROLES = PATHS


class Warehouse:
    """Rows by marketoGUID; a field that a record lacks becomes null."""

    def __init__(self, output=None, stream=OPPORTUNITIES):
        self.stream = stream
        self.rows = {}
        if output:
            self.load(output)

    def load(self, output):
        """Load the records of a run in their order."""
        columns = output.schema(self.stream)["properties"]
        for record in output.records(self.stream):
            self.rows[record["marketoGUID"]] = {name: record.get(name) for name in columns}

    @property
    def living(self):
        """Return the rows that are not marked as deleted, without `_sdc_deleted_at`."""
        return {
            guid: {name: value for name, value in row.items() if name != "_sdc_deleted_at"}
            for guid, row in self.rows.items()
            if not row["_sdc_deleted_at"]
        }

    @property
    def marked(self):
        return {guid for guid, row in self.rows.items() if row["_sdc_deleted_at"]}

    def export(self, path, *, columns=None, rename=lambda name: name, **form):
        """Write all rows, as PostgreSQL's `\\copy ... csv header` does."""
        columns = columns or [*next(iter(self.rows.values()))]
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(map(rename, columns))
        for row in self.rows.values():
            writer.writerow([_cell(row[name]) for name in columns])
        return write(path, text.getvalue(), **form)

    def export_guids(self, path):
        """Write only the GUIDs, one per line."""
        return write(path, "".join(f"{guid}\n" for guid in self.rows))

    def settings(self, sandbox, path, **more):
        """Return the settings of a reconcile with this file."""
        way = {"find_by": "reconcile", PATHS[self.stream]: str(path)}
        return {**sandbox.credentials, **way, **more}


def write(path, text, *, encoding="utf-8", newline="\n"):
    path.write_bytes(text.replace("\n", newline).encode(encoding))
    return path


def _cell(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "t" if value else "f"
    text = str(value)
    is_timestamp = text[10:11] == "T" and text.endswith("Z")
    return text.replace("T", " ").removesuffix("Z") if is_timestamp else text
