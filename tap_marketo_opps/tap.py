"""The plugin: settings, streams, and who finds what."""

from __future__ import annotations

import functools
import typing as t
import weakref

import click
from singer_sdk import Tap
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.tap_base import CliTestOptionValue

from marketo_opps import (
    ConnectionSettings,
    CrmManagedError,
    MarketoClient,
    MarketoObject,
    RequestRefusedError,
    SettingsError,
)
from marketo_opps.fields import object_schema
from marketo_opps.process import TERMINATION, run
from marketo_opps.settings import setting_errors
from tap_marketo_opps import checks, log_walk
from tap_marketo_opps.bookmarks import Bookmark, fingerprint, moment
from tap_marketo_opps.finders import (
    OPPORTUNITIES,
    ROLES,
    ActivityFinder,
    FilterFinder,
    LeadFinder,
    Wanted,
    searchable,
)
from tap_marketo_opps.plans import log_start, plan_run
from tap_marketo_opps.run import Run
from tap_marketo_opps.settings import (
    ACTIVITIES,
    CONFIG_SCHEMA,
    FILTER,
    filter_source,
    find_by,
    lead_source,
    setting_conflicts,
    start_date,
)
from tap_marketo_opps.streams import (
    FIELDS,
    FoundStream,
    OpportunityActivitiesStream,
    OpportunityFieldsStream,
    activities_schema,
    fields_schema,
    keys_schema,
)
from tap_marketo_opps.writer import MessageWriter, encode_state

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from marketo_opps import ObjectDescription
    from tap_marketo_opps.finders import Finder
    from tap_marketo_opps.streams import MarketoStream

_PAIR = (OPPORTUNITIES, ROLES)


class TapMarketoOpps(Tap):
    """Singer tap for the opportunities of Adobe Marketo Engage."""

    name = "tap-marketo-opps"
    package_name = "marketo-opps"
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

    # Settings

    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Tell every setting that cannot be right, never quoting a secret; set defaults."""
        self.append_builtin_config(self.config_jsonschema)
        properties = self.config_jsonschema["properties"]
        for name, schema in properties.items():
            if "default" in schema and self._config.get(name) is None:
                self._config[name] = schema["default"]
        errors = setting_errors(self._config, self.config_jsonschema)
        errors = errors or setting_conflicts(self._config)
        if errors and raise_errors:
            raise ConfigValidationError(
                "Config validation failed", errors=errors, schema=self.config_jsonschema
            )
        return errors

    @classmethod
    def append_builtin_config(cls, config_jsonschema: dict[str, t.Any]) -> None:
        """What the SDK adds, but for fake data in stream maps: Faker is not installed."""
        super().append_builtin_config(config_jsonschema)
        config_jsonschema["properties"].pop("faker_config", None)

    def _setup_signal_handlers(self) -> None:
        """Leave them to the process: the SDK's would write a STATE from within a handler."""

    @functools.cached_property
    def client(self) -> MarketoClient:
        """The one client of this tap."""
        client = MarketoClient(ConnectionSettings.from_config(self.config))
        TERMINATION.on_request(client.stop)
        weakref.finalize(self, client.close)
        return client

    @functools.cached_property
    def activity_types(self) -> dict[int, str]:
        """Ids and names of the activities that tell of opportunities."""
        return log_walk.activity_types(self.client)

    # Streams

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
            OpportunityActivitiesStream(self, log_walk.ACTIVITIES, activities_schema()),
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
        opportunities = self.client.describe(MarketoObject.OPPORTUNITIES)
        try:
            roles = self.client.describe(MarketoObject.OPPORTUNITY_ROLES)
        except (CrmManagedError, RequestRefusedError) as error:
            self.logger.warning("%s", checks.without_roles(error))
            return {OPPORTUNITIES: opportunities, ROLES: None}
        return {OPPORTUNITIES: opportunities, ROLES: roles}

    # Runs

    def run_led_by(self, stream: FoundStream) -> Run | None:
        """The run that finds this stream's records; None where an earlier stream has led it."""
        together = self._found_together_with(stream)
        leader = next(name for name in self.streams if name in together)
        return self._run(together) if leader == stream.name else None

    def _found_together_with(self, stream: FoundStream) -> dict[str, FoundStream]:
        """The streams that one finder serves: calls are made once for all of them."""
        if stream.ABORT_AT_RECORD_COUNT is not None:
            return {stream.name: stream}
        by_finder = {*_PAIR}
        if find_by(self.config) == ACTIVITIES:
            by_finder.add(log_walk.ACTIVITIES)
        if stream.name not in by_finder:
            return {stream.name: stream}
        return {
            name: t.cast("FoundStream", self.streams[name])
            for name in self.streams
            if name in by_finder and self.streams[name].selected
        }

    def _run(self, streams: Mapping[str, FoundStream]) -> Run:
        bookmarks = {name: self._bookmark(stream) for name, stream in streams.items()}
        finder = self._finder(bookmarks)
        fields = {name: stream.selected_fields for name, stream in streams.items()}
        log = (
            log_start(bookmarks, start_date(self.config), self.config["activity_overlap_seconds"])
            if isinstance(finder, ActivityFinder)
            else None
        )
        plan = plan_run(
            bookmarks,
            found_by=finder.found_by,
            fingerprint=fingerprint(
                {
                    "found_by": finder.found_by,
                    "fields": fields,
                    **{name: self.config.get(name) for name in ("endpoint", "batch_size")},
                    **{name: self.config.get(name) for name in ("start_date",)},
                    "overlap": log and self.config["activity_overlap_seconds"],
                }
            ),
            start_date=start_date(self.config),
            began=moment(self.client.server_now()),
            incremental={name: stream.is_incremental for name, stream in streams.items()},
            log=log,
        )
        resume = plan.any_resume
        wanted = Wanted(
            fields=fields,
            since={name: each.since for name, each in plan.resumes.items()},
            began=resume.began,
            cursor=resume.cursor,
            log_from=plan.log_from,
            at=resume.at,
        )
        return Run(
            client=self.client,
            writer=t.cast("MessageWriter", self.message_writer),
            streams=streams,
            bookmarks=bookmarks,
            finder=finder,
            plan=plan,
            stages=finder.stages(self.client, self.config["batch_size"], wanted),
            max_concurrent_calls=self.config["max_concurrent_calls"],
            state=t.cast("dict[str, t.Any]", self.state),
        )

    def _bookmark(self, stream: FoundStream) -> Bookmark:
        try:
            return Bookmark.from_state(stream.stream_state)
        except ValueError as error:
            raise SettingsError(
                f"The state of {stream.name} cannot be read: {error}. Correct it, or start without."
            ) from None

    def _finder(self, bookmarks: Mapping[str, Bookmark]) -> Finder:
        way = find_by(self.config)
        if way == ACTIVITIES or log_walk.ACTIVITIES in bookmarks:
            return ActivityFinder(self.activity_types)
        if way == FILTER:
            filter_type = self.config["filter_type"]
            self._check_searchable(filter_type)
            return FilterFinder(filter_type, filter_source(self.config))
        found_by = {bookmark.found_by for bookmark in bookmarks.values()}
        return LeadFinder(lead_source(self.config), found_by.pop() if len(found_by) == 1 else None)

    def _check_searchable(self, filter_type: str) -> None:
        """Without a catalog we know what is searchable; with one Marketo will tell."""
        description = self.__dict__.get("descriptions", {}).get(OPPORTUNITIES)
        if description and filter_type not in searchable(description):
            raise SettingsError(
                f"filter_type: {filter_type!r} is not searchable on this instance; these are: "
                f"{', '.join(searchable(description))}."
            )

    def write_page(self, lines: bytes) -> None:
        """Write a page of messages, and the state as it is after them."""
        t.cast("MessageWriter", self.message_writer).write(lines + encode_state(self.state))

    # Command line

    @classmethod
    def cb_test(
        cls,
        ctx: click.Context,
        param: click.Option,
        value: str,
    ) -> None:
        """`--test`: a line for credentials and for each permission; `--test=schema` as the SDK."""
        if value != CliTestOptionValue.All.value:
            super().cb_test(ctx, param, value)
            return
        given = ctx.params["config"]
        tap = cls(config=given.config, parse_env_config=given.parse_env, setup_mapper=False)
        ctx.exit(0 if tap.report_checks() else 1)

    def report_checks(self) -> bool:
        """Print what this user may do; whether it is all that a run needs."""
        way = find_by(self.config)
        wanted = checks.checks_for(
            self.client,
            streams={*_PAIR, FIELDS},
            by_leads=way != FILTER,
            by_log=way == ACTIVITIES,
        )
        return checks.report(wanted, click.echo)


def main() -> t.NoReturn:
    """The console script `tap-marketo-opps`."""
    run(TapMarketoOpps.cli, foreseeable=(ConfigValidationError,))
