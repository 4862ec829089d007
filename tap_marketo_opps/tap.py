"""The plugin: settings, streams, and who finds what."""

from __future__ import annotations

import functools
import json
import sys
import typing as t
import weakref
from dataclasses import replace

import click
from singer_sdk import Tap
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities

from marketo_opps import (
    ConnectionSettings,
    CrmManagedError,
    MarketoClient,
    MarketoObject,
    RequestRefusedError,
)
from marketo_opps.field_types import is_known_type
from marketo_opps.fields import object_schema
from marketo_opps.plugin.base import MarketoPlugin
from marketo_opps.plugin.process import SHUTDOWN
from tap_marketo_opps import command_line, connection_test
from tap_marketo_opps.field_metadata import FIELDS
from tap_marketo_opps.finding import activity_log
from tap_marketo_opps.finding.finders import OPPORTUNITIES, ROLES
from tap_marketo_opps.settings import (
    BY_ACTIVITIES,
    BY_FILTER,
    CONFIG_SCHEMA,
    find_by,
    idle_settings,
    setting_conflicts,
)
from tap_marketo_opps.singer_writer import MessageWriter, encode_state
from tap_marketo_opps.streams import (
    FoundStream,
    OpportunityActivitiesStream,
    OpportunityFieldsStream,
    activities_schema,
    dated,
    fields_schema,
    keys_schema,
)
from tap_marketo_opps.sync import error_advice
from tap_marketo_opps.sync.start_run import Planner, found_together

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.plugin_base import _ConfigInput

    from marketo_opps import ObjectDescription
    from tap_marketo_opps.streams import MarketoStream
    from tap_marketo_opps.sync.run import Run

_PAIR = (OPPORTUNITIES, ROLES)


class TapMarketoOpps(MarketoPlugin, Tap):
    """Singer tap for the opportunities of Adobe Marketo Engage."""

    name = "tap-marketo-opps"
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = CONFIG_SCHEMA
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

    most_retry_seconds = float("inf")

    @classmethod
    def settings_errors(cls, settings: dict[str, t.Any]) -> list[str]:
        """Return what is wrong with the settings; warn of those without effect."""
        if idle := idle_settings(settings):
            cls.logger.warning(
                "%s: no effect without find_by lead_ids; opportunities are found by %s.",
                ", ".join(idle),
                find_by(settings),
            )
        return super().settings_errors(settings) or setting_conflicts(settings)

    @functools.cached_property
    def client(self) -> MarketoClient:
        """The one client of this tap."""
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
    def activity_types(self) -> dict[int, str]:
        """Ids and names of the activities that tell of opportunities."""
        return activity_log.activity_types(self.client)

    # Streams

    def setup_mapper(self) -> None:
        """Map what the streams have made of the catalog, keys that it leaves out and all."""
        if self.input_catalog is not None:
            _ = self.streams
        super().setup_mapper()

    def discover_streams(self) -> Sequence[MarketoStream]:
        """All streams; with a catalog no call is made."""
        streams: list[MarketoStream] = [
            FoundStream(self, name, schema)
            for name in _PAIR
            if (schema := self._pair_schema(name)) is not None
        ]
        return [
            *streams,
            OpportunityFieldsStream(self, FIELDS, fields_schema()),
            OpportunityActivitiesStream(self, activity_log.ACTIVITIES, activities_schema()),
        ]

    def _pair_schema(self, name: str) -> dict[str, t.Any] | None:
        if self.input_catalog is None:
            description = self.descriptions[name]
            return object_schema(description) if description else None
        entry = self.input_catalog.get_stream(name)
        return entry.schema.to_dict() if entry else keys_schema(name)

    @functools.cached_property
    def descriptions(self) -> dict[str, ObjectDescription | None]:
        """What describe says; None for roles on an instance that has none."""
        opportunities = dated(self.client.describe(MarketoObject.OPPORTUNITIES))
        roles: ObjectDescription | None
        try:
            roles = dated(self.client.describe(MarketoObject.OPPORTUNITY_ROLES))
        except (CrmManagedError, RequestRefusedError) as error:
            self.logger.warning("%s", error_advice.without_roles(error))
            roles = None
        self._tell_unknown_types(opportunities)
        return {OPPORTUNITIES: opportunities, ROLES: roles}

    def _tell_unknown_types(self, description: ObjectDescription) -> None:
        unknown = {
            field.data_type: field.name
            for field in description.fields
            if not is_known_type(field.data_type)
        }
        for data_type, name in unknown.items():
            self.logger.info("Unknown data type %r, of %s: read as a string.", data_type, name)

    # Runs

    def run_led_by(self, stream: FoundStream) -> Run | None:
        """The run that finds this stream's records; None where an earlier stream has led it."""
        selected = {
            name: each
            for name, each in self.streams.items()
            if isinstance(each, FoundStream) and each.selected
        }
        together = found_together(stream, selected, find_by(self.config))
        return self._planner.run(together) if next(iter(together)) == stream.name else None

    @property
    def _planner(self) -> Planner:
        return Planner(
            config=self.config,
            client=self.client,
            writer=t.cast("MessageWriter", self.message_writer),
            state=t.cast("dict[str, t.Any]", self.state),
            opportunities=self.descriptions[OPPORTUNITIES] if self.input_catalog is None else None,
            activity_types=lambda: self.activity_types,
        )

    def write_page(self, lines: bytes) -> None:
        """Write a page of messages, and the state as it is after them."""
        t.cast("MessageWriter", self.message_writer).write(lines + encode_state(self.state))

    # Command line

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """The SDK's, but for what `--test` is, and for when it comes about."""
        command = super().get_singer_command()
        (test,) = (each for each in command.params if each.name == "test")
        t.cast("click.Option", test).help = connection_test.HELP
        # The SDK tests in the option's callback, which knows nothing of the options after it.
        test.expose_value = True
        return command

    @classmethod
    def cb_test(  # type: ignore[override]
        cls,
        ctx: click.Context,  # noqa: ARG003 - the SDK's signature
        param: click.Option,  # noqa: ARG003
        value: str,
    ) -> str:
        """The kind of test that `--test` asks for, with a plain sentence for what is none."""
        return connection_test.checked_kind(value)

    @classmethod
    def invoke(
        cls,
        *,
        state: t.IO[str] | None = None,
        catalog: t.IO[str] | None = None,
        test: str = connection_test.DISABLED,
        **options: t.Any,
    ) -> None:
        """A sync or a test, once the files that it is given are known to be readable."""
        state, catalog = command_line.checked_state(state), command_line.checked_catalog(catalog)
        if test == connection_test.DISABLED or options.get("about"):
            super().invoke(state=state, catalog=catalog, **options)
        else:
            sys.exit(0 if cls._test(test, options["config"], catalog) else 1)

    @classmethod
    def _test(cls, kind: str, config: _ConfigInput, catalog: t.IO[str] | None) -> bool:
        """Whether a test goes well."""
        tap = cls(
            config=config.config,
            parse_env_config=config.parse_env,
            catalog=json.load(catalog) if catalog else None,
            setup_mapper=False,
        )
        tap.most_retry_seconds = connection_test.MOST_RETRY_SECONDS
        if kind == connection_test.ALL:
            return tap.report_checks()
        tap.setup_mapper()
        if kind == connection_test.SCHEMA:
            tap.write_schemas()
        else:
            selected = [stream for stream in tap.streams.values() if stream.selected]
            tap.run_sync_dry_run(streams=selected)
        return True

    def report_checks(self) -> bool:
        """Print what this user may do; whether it is all that a run needs."""
        way = find_by(self.config)
        wanted = connection_test.checks_for(
            self.client,
            streams=self._streams_wanted(),
            by_leads=way != BY_FILTER,
            by_log=way == BY_ACTIVITIES,
            by_catalog=self.input_catalog is not None,
        )
        return connection_test.report(wanted, click.echo)

    def _streams_wanted(self) -> set[str]:
        """Those that are selected; without a catalog, and so without a call, by default."""
        if self.input_catalog is None:
            return {*_PAIR, FIELDS}
        return {name for name, stream in self.streams.items() if stream.selected}


def main() -> t.NoReturn:
    """Run the console script `tap-marketo-opps`."""
    TapMarketoOpps.run_console_script()
