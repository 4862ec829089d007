"""The tap's plugin class: settings, streams, runs and command line."""

from __future__ import annotations

import functools
import json
import sys
import time
import typing as t
import weakref
from dataclasses import asdict, replace

import click
from singer_sdk import Tap
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.singerlib import Catalog

from marketo_opps import CallCounts, ConnectionSettings, MarketoClient
from marketo_opps.fields import object_schema
from marketo_opps.plugin.base import MarketoPlugin
from marketo_opps.plugin.process import SHUTDOWN
from tap_marketo_opps import command_line, connection_test
from tap_marketo_opps.catalogs import STREAMS, ignored_streams, in_todays_form
from tap_marketo_opps.descriptions import Descriptions
from tap_marketo_opps.field_metadata import FIELDS
from tap_marketo_opps.finding import activity_log
from tap_marketo_opps.finding.stage_plan import OPPORTUNITIES, ROLES
from tap_marketo_opps.idle_settings import log_idle_settings
from tap_marketo_opps.log_streams import log_streams
from tap_marketo_opps.needs import needs_of
from tap_marketo_opps.runs import run_of
from tap_marketo_opps.schemas import keys_schema, with_deletion_mark
from tap_marketo_opps.settings import (
    CONFIG_SCHEMA,
    FILES_TO_READ,
    lead_columns,
    setting_conflicts,
    skip_reason,
)
from tap_marketo_opps.singer_writer import MessageWriter
from tap_marketo_opps.stream_maps import new_mapper, register
from tap_marketo_opps.streams import DeletableStream, LookupStream, OpportunityFieldsStream
from tap_marketo_opps.sync.progress import SECONDS_BETWEEN_LOGS
from tap_marketo_opps.sync.run_context import RunContext
from tap_marketo_opps.sync.state import with_bookmarks
from tap_marketo_opps.sync.time_box import TimeBox

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from marketo_opps import ObjectDescription
    from marketo_opps.plugin.run_report import StreamCounts
    from tap_marketo_opps.finding.activity_types import FollowedTypes
    from tap_marketo_opps.marketo_stream import MarketoStream
    from tap_marketo_opps.sync.run_context import StreamRun

_PAIR = (OPPORTUNITIES, ROLES)


class TapMarketoOpps(MarketoPlugin, Tap):
    """Singer tap for the opportunities of Adobe Marketo Engage.

    Args:
        catalog: Catalog in any format that Singer has had; discovered if None.
        options: Other arguments of the SDK's class.
    """

    name = "tap-marketo-opps"
    purpose = command_line.PURPOSE
    examples = command_line.EXAMPLES
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = CONFIG_SCHEMA
    input_files = FILES_TO_READ
    dynamic_catalog = True
    message_writer_class = MessageWriter
    capabilities: t.ClassVar[list[t.Any]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.TEST,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    discovered: Sequence[MarketoStream] = ()
    most_retry_seconds = float("inf")
    seconds_between_logs = SECONDS_BETWEEN_LOGS
    clock = staticmethod(time.monotonic)

    def __init__(self, *, catalog: t.Mapping[str, t.Any] | None = None, **options: t.Any) -> None:
        if isinstance(catalog, dict) and not isinstance(catalog, Catalog):
            catalog = in_todays_form(catalog)
        super().__init__(catalog=t.cast("t.Any", catalog), **options)

    @classmethod
    def settings_errors(cls, settings: dict[str, t.Any]) -> list[str]:
        """Return a sentence for each error in the settings; log settings without effect."""
        log_idle_settings(settings, cls.logger)
        return super().settings_errors(settings) or setting_conflicts(settings)

    @functools.cached_property
    def client(self) -> MarketoClient:
        """Return the client that makes all calls of the tap."""
        settings = ConnectionSettings.from_config(self.config)
        most = min(settings.max_retry_seconds, self.most_retry_seconds)
        client = MarketoClient(
            replace(settings, max_retry_seconds=most),
            pacing_window_seconds=self.pacing_window_seconds,
        )
        SHUTDOWN.on_request(client.stop)
        weakref.finalize(self, client.close)
        return client

    @functools.cached_property
    def time_box(self) -> TimeBox:
        """Return the object that enforces the time limit of a run."""
        return TimeBox(
            self.config.get("max_run_seconds"),
            selected=lambda: [n for n in self._selected() if not skip_reason(self.config, n)],
            stop_calls=self.client.stop,
            clock=self.clock,
        )

    @functools.cached_property
    def descriptions(self) -> Descriptions:
        """Return the describe results, each of which is fetched when first used."""
        return Descriptions(self.client, lead_columns(self.config))

    @functools.cached_property
    def activity_types(self) -> FollowedTypes:
        """Return the activity types of this instance that the tap reads, fetched only once."""
        return activity_log.read_followed_types(self.client)

    def measure(self) -> tuple[StreamCounts, CallCounts]:
        """Return the counts of the run so far: of each selected stream, and of calls."""
        counts = {one.message_name: asdict(one.counts) for one in self.discovered if one.selected}
        # A run that fails early has not created a client.
        return counts, self.client.counts if "client" in vars(self) else CallCounts()

    def load_state(self, state: dict[str, t.Any]) -> None:
        """Load a state, whose bookmarks may have the form that another tap writes."""
        super().load_state(with_bookmarks(state, STREAMS))

    # Streams

    def setup_mapper(self) -> None:
        """Compile the user's stream maps, after streams have added missing keys to the catalog."""
        for warning in ignored_streams(self.input_catalog or Catalog()):
            self.logger.warning("%s", warning)
        self.mapper = new_mapper(self.config, self.logger)
        register(self.mapper, [self.catalog[name] for name in self._selected()], self.logger)

    def discover_streams(self) -> Sequence[MarketoStream]:
        """Return all streams; makes describe calls only if there is no catalog."""
        streams: list[MarketoStream] = [
            DeletableStream(self, name, with_deletion_mark(schema), self.run_started_by)
            for name in _PAIR
            if (schema := self._pair_schema(name)) is not None
        ]
        self.discovered = [
            *streams,
            OpportunityFieldsStream(self, self.run_context),
            *log_streams(self, self.run_started_by, lambda: self.activity_types),
        ]
        return self.discovered

    def _pair_schema(self, name: str) -> dict[str, t.Any] | None:
        if self.input_catalog is None:
            described = self.descriptions
            is_roles = name == ROLES
            description = described.roles_if_any() if is_roles else described.opportunities
            return object_schema(description) if description else None
        entry = self.input_catalog.get_stream(name)
        return entry.schema.to_dict() if entry else keys_schema()

    # Runs

    def run_context(self) -> RunContext:
        """Return the objects that all runs of this tap share."""
        return RunContext(
            config=self.config,
            client=self.client,
            writer=t.cast("MessageWriter", self.message_writer),
            state=t.cast("dict[str, t.Any]", self.state),
            time_box=self.time_box,
            seconds_between_logs=self.seconds_between_logs,
        )

    def run_started_by(self, stream: LookupStream) -> StreamRun | None:
        """Return the run that finds a stream's records; None if an earlier stream started it."""
        described = self.descriptions.opportunities if self.input_catalog is None else None
        return self._run(stream, described, lambda: self.activity_types)

    def _run(
        self,
        stream: LookupStream,
        opportunities: ObjectDescription | None,
        activity_types: Callable[[], FollowedTypes],
    ) -> StreamRun | None:
        return run_of(stream, self.streams, self.run_context(), opportunities, activity_types)

    # Command line

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the SDK's command, changed to run `--test` after all options are read."""
        command = super().get_singer_command()
        (test,) = (each for each in command.params if each.name == "test")
        t.cast("click.Option", test).help = connection_test.HELP
        # The SDK runs the test in the option's callback, before later options are read.
        test.expose_value = True
        return command

    @classmethod
    def cb_test(  # type: ignore[override]
        cls,
        ctx: click.Context,  # noqa: ARG003 - the SDK's signature
        param: click.Option,  # noqa: ARG003
        value: str,
    ) -> str:
        """Return the value of `--test` if it is a kind of test that the tap has."""
        return connection_test.checked_kind(value)

    @classmethod
    def cb_discover(cls, ctx: click.Context, param: click.Option, value: bool) -> None:  # noqa: FBT001 - the SDK's
        """Discover the streams. Only a failure is reported: Meltano does this before each run."""
        if value and (given := ctx.params.get("config")):
            cls.begin_report(given, is_only_failure=True)
        super().cb_discover(ctx, param, value)

    @classmethod
    def invoke(
        cls,
        *,
        state: t.IO[str] | None = None,
        catalog: t.IO[str] | None = None,
        test: str = connection_test.DISABLED,
        **options: t.Any,
    ) -> None:
        """Run a sync or a test, after checking the files of `--state` and `--catalog`."""
        is_test = test != connection_test.DISABLED
        if not is_test and not options.get("about"):
            cls.begin_report(options["config"])
        state, catalog = command_line.checked_state(state), command_line.checked_catalog(catalog)
        if is_test and not options.get("about"):
            sys.exit(0 if cls._test(test, options["config"], catalog, state) else 1)
        super().invoke(state=state, catalog=catalog, **options)

    @classmethod
    def _test(
        cls, kind: str, config: t.Any, catalog: t.IO[str] | None, state: t.IO[str] | None
    ) -> bool:
        """Run a test of the given kind; return True if it succeeds."""
        tap = cls(
            config=config.config,
            parse_env_config=config.parse_env,
            catalog=json.load(catalog) if catalog else None,
            state=json.load(state) if state else None,
            setup_mapper=False,
        )
        tap.most_retry_seconds = connection_test.MOST_RETRY_SECONDS
        tap.time_box = TimeBox()
        if kind == connection_test.ALL:
            return tap.report_checks()
        tap.setup_mapper()
        command_line.try_streams(tap, kind)
        return True

    def report_checks(self) -> bool:
        """Print the result of each check of a connection test; return True if all succeed."""
        by_catalog = self.input_catalog is not None
        # Without a catalog, the streams selected by default: discovery would cost calls.
        streams = {*self._selected()} if by_catalog else {*_PAIR, FIELDS}
        needs = needs_of(self.config, streams, by_catalog=by_catalog)
        return connection_test.ConnectionTest(self, needs, click.echo).run()

    def begin_runs(
        self, opportunities: ObjectDescription | None, types: FollowedTypes | None
    ) -> list[str]:
        """Prepare all runs without making a call; return the warnings that they would log."""
        self.setup_mapper()
        selected = (self.streams[name] for name in self._selected())
        lookups = (each for each in selected if isinstance(each, LookupStream))
        runs = [
            self._run(each, opportunities, lambda: types or self.activity_types) for each in lookups
        ]
        return [warning for run in runs if run for warning in run.warnings]

    def _selected(self) -> list[str]:
        return [name for name, stream in self.streams.items() if stream.selected]


def main() -> t.NoReturn:
    """Run `tap-marketo-opps`, called by `console` after it has installed signal handlers."""
    TapMarketoOpps.run_console_script()
