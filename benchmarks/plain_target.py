"""What the SDK does by itself: a target that throws its lines away, all its defaults kept."""

from __future__ import annotations

import typing as t

from singer_sdk import Target
from singer_sdk.sinks import BatchSink


class PlainSink(BatchSink):
    """Forgets every batch."""

    def process_batch(self, context: dict[str, t.Any]) -> None:
        """Do nothing with it."""


class PlainTarget(Target):
    """Forgets everything."""

    name = "plain-target"
    package_name = "marketo-opps"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = {"type": "object", "properties": {}}
    default_sink_class = PlainSink


if __name__ == "__main__":
    PlainTarget.cli()
