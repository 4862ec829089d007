"""What the SDK does by itself: a tap of the same records from memory, all its defaults kept.

`plain_tap.py --config FILE` with `lines` (a Singer file, whose schema and records are taken) and
`count` (how many records to emit; those of the file come round again).
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
    """One stream."""

    name = "plain-tap"
    package_name = "marketo-opps"
    config_jsonschema = th.PropertiesList(
        th.Property("lines", th.StringType, required=True),
        th.Property("count", th.IntegerType, required=True),
    ).to_dict()

    def discover_streams(self) -> list[Stream]:
        """The stream of the file."""
        with Path(self.config["lines"]).open(encoding="utf-8") as file:
            # As the SDK's own REST streams read numbers.
            messages = [json.loads(line, parse_float=decimal.Decimal) for line in file]
        schema = next(each for each in messages if each["type"] == "SCHEMA")
        records = [each["record"] for each in messages if each["type"] == "RECORD"]
        return [PlainStream(self, schema["schema"], records)]


class PlainStream(Stream):
    """Records from memory, incremental as those of the real tap."""

    name = "opportunities"
    primary_keys = ("marketoGUID",)
    replication_key = "updatedAt"

    def __init__(self, tap: Tap, schema: dict[str, t.Any], records: list[dict[str, t.Any]]) -> None:
        super().__init__(tap, schema=schema)
        self._records = records

    def get_records(self, context: t.Any) -> Iterable[dict[str, t.Any]]:  # noqa: ARG002 - SDK's
        """As many as were asked for."""
        return islice(cycle(self._records), self.config["count"])


if __name__ == "__main__":
    PlainTap.cli()
