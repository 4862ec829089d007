"""Define the plugin class: what the SDK requires of a target, and how a run begins and ends."""

from __future__ import annotations

import contextlib
import typing as t
from functools import cached_property, partial

from singer_sdk import Target
from singer_sdk.helpers.capabilities import PluginCapabilities, TargetCapabilities
from singer_sdk.mapper import MAPPER_ELSE_OPTION, PluginMapper

from marketo_opps import CallCounts, MarketoClient
from marketo_opps.plugin.base import MarketoPlugin
from marketo_opps.plugin.process import SHUTDOWN
from target_marketo_opps.errors import InputError, RejectLimitError, UnwritableStreamError
from target_marketo_opps.input.message_reader import MessageReader
from target_marketo_opps.input_report import InputReport
from target_marketo_opps.mapping.delete_mark import DELETED_AT
from target_marketo_opps.messages import MessageHandlers
from target_marketo_opps.run import TargetRun
from target_marketo_opps.sample import Sample
from target_marketo_opps.settings import CONFIG_SCHEMA, TargetSettings, combination_errors
from target_marketo_opps.sinks import ObjectSink
from target_marketo_opps.stream_routes import StreamRoutes

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from singer_sdk.helpers.capabilities import CapabilitiesEnum

    from marketo_opps.plugin.run_report import StreamCounts

_DELIVER_REST_AFTER = (InputError, UnwritableStreamError, RejectLimitError)
"""Errors after which the records that arrived before the error are still delivered."""


PURPOSE = "Write opportunities and their roles, given as Singer messages, to Adobe Marketo Engage."
EXAMPLES = """\
Examples:
  tap-of-your-crm --config crm.json | target-marketo-opps --config target.json
  target-marketo-opps --config target.json --input messages.jsonl
  target-marketo-opps --config=ENV < messages.jsonl
  target-marketo-opps --about --format=markdown"""


class TargetMarketoOpps(MarketoPlugin, Target):
    """Singer target for the opportunities of Adobe Marketo Engage.

    Args:
        options: see `MarketoPlugin`.
    """

    name = "target-marketo-opps"
    purpose = PURPOSE
    examples = EXAMPLES
    config_jsonschema = CONFIG_SCHEMA
    default_sink_class = ObjectSink
    output_files = (*MarketoPlugin.output_files, "rejects_path", "receipts_path", "diff_path")
    message_reader_class = MessageReader
    capabilities: t.ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
        TargetCapabilities.HARD_DELETE,
    ]
    shutdown = SHUTDOWN
    message_reader: MessageReader

    def __init__(self, **options: t.Any) -> None:
        super().__init__(**options)
        self.settings = TargetSettings.from_config(self.config)
        self._report = InputReport(self.mapper, self.settings)
        self._sample = Sample(self.settings.max_records)
        self._routes = StreamRoutes(
            reader=self.message_reader,
            mapper=self.mapper,
            make_sink=t.cast("Callable[..., ObjectSink]", self.add_sink),
            run=lambda: self.run,
            report=self._report,
            sample=self._sample,
        )
        self.message_reader.handlers = MessageHandlers(
            reader=self.message_reader,
            mapper=self.mapper,
            run=lambda: self.run,
            report=self._report,
            routes=self._routes,
        ).by_type()
        self.message_reader.before_read = self._before_read
        self.message_reader.guard = self._ending_run

    @cached_property
    def run(self) -> TargetRun:
        """Return the `TargetRun` of this process; create it when the property is first used."""
        return TargetRun(
            self.config,
            self.settings,
            shutdown=self.shutdown,
            make_client=partial(
                MarketoClient, writes=True, pacing_window_seconds=self.pacing_window_seconds
            ),
        )

    # Settings

    @classmethod
    def settings_errors(cls, settings: dict[str, t.Any]) -> list[str]:
        """Return an error message for each invalid setting and combination of settings."""
        return super().settings_errors(settings) + combination_errors(settings)

    def setup_mapper(self) -> None:
        """Read `stream_maps`, and keep `_sdc_deleted_at` where `__else__` would remove it."""
        maps = self.config.get("stream_maps") or {}
        keeping = {stream: _keeping_deletes(definition) for stream, definition in maps.items()}
        self.mapper = PluginMapper({**self.config, "stream_maps": keeping}, self.logger)

    # How a run begins and ends

    @classmethod
    def invoke(cls, *, file_input: t.IO[str] | None = None, **options: t.Any) -> None:
        """Run the target, unless a setting names the file of `--input` as one to write to."""
        if file_input is not None:
            cls.refuse_to_write_to("--input", file_input.name, options["config"])
        super().invoke(file_input=file_input, **options)

    def measure(self) -> tuple[StreamCounts, CallCounts]:
        """Return the numbers of records by stream and outcome, and of calls, in the run so far."""
        # The run does not exist if an error occurred before the first message was read.
        if "run" not in vars(self):
            return {}, CallCounts()
        return self.run.counters.by_stream(), self.run.marketo.client.counts

    def _before_read(self, descriptor: int | None) -> None:
        self.run.dispatcher.before_read(descriptor)

    @contextlib.contextmanager
    def _ending_run(self) -> Iterator[None]:
        """Run the `with` block; if it fails, log the summary, end the run, and re-raise the error.

        Records that arrived before the error are still delivered after some errors, such as an
        invalid line.
        """
        try:
            yield
        except BaseException as error:
            self._report.log_not_written()
            self.run.end(deliver_rest=isinstance(error, _DELIVER_REST_AFTER))
            raise

    def process_endofpipe(self) -> None:
        """Deliver the remaining records at the end of the input, and log the summary.

        The SDK's method is not called: it drains the sinks, which are empty, and writes a STATE
        itself.
        """
        with self._ending_run():
            self.run.complete()
            self._report.log_unmatched_settings()
            self._routes.clean_up()
        self._report.log_not_written()
        self._sample.log_skipped()
        self.run.end(deliver_rest=False)


def _keeping_deletes(definition: t.Any) -> t.Any:
    """Return a definition of `stream_maps` that also keeps the delete mark `_sdc_deleted_at`.

    Only a definition with `__else__` is changed, because that may remove the mark.
    """
    if not isinstance(definition, dict) or MAPPER_ELSE_OPTION not in definition:
        return definition
    return {DELETED_AT: f"record.get('{DELETED_AT}')", **definition}


def main() -> t.NoReturn:
    """Run `target-marketo-opps`; called by `console.main`, which handles signals until then."""
    TargetMarketoOpps.run_console_script()
