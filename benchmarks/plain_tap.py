"""A tap with the SDK's defaults only, which emits the benchmark's records from memory.

`plain_tap.py --config FILE`: the settings are `lines`, a Singer file with schema and records, and
`count`, the number of records to emit; the file's records are repeated.
"""

from __future__ import annotations

import decimal
import json
import typing as t
from itertools import cycle, islice
from pathlib import Path

from singer_sdk import Stream, Tap
from singer_sdk import typing as th

if t.TYPE_CHECKING:
    from collections.abc import Iterable


class PlainTap(Tap):
    """Tap with one stream and nothing beyond the SDK's defaults."""

    name = "plain-tap"
    package_name = "marketo-opps"
    config_jsonschema = th.PropertiesList(
        th.Property("lines", th.StringType, required=True),
        th.Property("count", th.IntegerType, required=True),
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        """Return one stream with the schema and records of the Singer file in setting `lines`."""
        with Path(self.config["lines"]).open(encoding="utf-8") as file:
            # The SDK's REST streams read numbers in this way.
            messages = [json.loads(line, parse_float=decimal.Decimal) for line in file]
        schema = next(each for each in messages if each["type"] == "SCHEMA")
        records = [each["record"] for each in messages if each["type"] == "RECORD"]
        return [PlainStream(self, schema["schema"], records)]


class PlainStream(Stream):
    """Stream of records in memory, incremental like those of tap-marketo-opps."""

    name = "opportunities"
    primary_keys = ("marketoGUID",)
    replication_key = "updatedAt"

    def __init__(self, tap: Tap, schema: dict[str, t.Any], records: list[dict[str, t.Any]]) -> None:
        super().__init__(tap, schema=schema)
        self._records = records

    def get_records(self, context: t.Any) -> Iterable[dict[str, t.Any]]:  # noqa: ARG002 - SDK's
        """Yield as many records as the setting `count` says, repeating those of the file."""
        return islice(cycle(self._records), self.config["count"])


if __name__ == "__main__":
    PlainTap.cli()
