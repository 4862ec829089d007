"""What a warehouse has of a stream: loaded as an SQL loader does, and exported as CSV."""

from __future__ import annotations

import csv
import io

PATHS = {
    "opportunities": "reconcile_opportunities_path",
    "opportunity_roles": "reconcile_roles_path",
}
OPPORTUNITIES, ROLES = PATHS


class Warehouse:
    """Rows by marketoGUID; what a record lacks is null afterwards."""

    def __init__(self, output=None, stream=OPPORTUNITIES):
        self.stream = stream
        self.rows = {}
        if output:
            self.load(output)

    def load(self, output):
        """Take a run's records, in their order."""
        columns = output.schema(self.stream)["properties"]
        for record in output.records(self.stream):
            self.rows[record["marketoGUID"]] = {name: record.get(name) for name in columns}

    @property
    def living(self):
        """The rows that are not marked, without the mark."""
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
        """Write the GUIDs alone, one a line."""
        return write(path, "".join(f"{guid}\n" for guid in self.rows))

    def settings(self, sandbox, path, **more):
        """Settings of a reconcile by such a file."""
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
