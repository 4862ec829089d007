"""A target with the SDK's defaults only, which discards all records."""

from __future__ import annotations

import typing as t

from singer_sdk import Target
from singer_sdk.sinks import BatchSink


class PlainSink(BatchSink):
    """Sink that discards every batch."""

    def process_batch(self, context: dict[str, t.Any]) -> None:
        """Do nothing with the batch."""


class PlainTarget(Target):
    """Target that discards all records."""

    name = "plain-target"
    package_name = "marketo-opps"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = {"type": "object", "properties": {}}
    default_sink_class = PlainSink


if __name__ == "__main__":
    PlainTarget.cli()
