"""`--test`: checks everything that the selected streams need, and prints a line for each thing.

It also finds out how this instance behaves where Marketo's documentation is silent. All of it takes
at most 25 calls: three for describe, one for a static list, one for the activity types, six for
each of three types, one for the form of pages, one for field metadata; with daily_call_limit also
the calls that ask for usage.
"""

from __future__ import annotations

import functools
import typing as t
from dataclasses import dataclass, field

from marketo_opps import MAX_BATCH_RECORDS, MarketoError, MarketoObject, SettingsError
from marketo_opps.fields import MARKETO_GUID
from marketo_opps.plugin.base import EXPECTED_ERRORS
from tap_marketo_opps.descriptions import unknown_types
from tap_marketo_opps.errors import means_no_roles
from tap_marketo_opps.field_metadata import FIELDS, read_one_field
from tap_marketo_opps.finding.activity_log import LEAD_ID
from tap_marketo_opps.finding.activity_types import followed_types
from tap_marketo_opps.finding.queries import filterable_fields
from tap_marketo_opps.finding.stage_plan import ROLES
from tap_marketo_opps.list_probe import probe_list
from tap_marketo_opps.log_probe import PAGES, probe_log, since_kept

if t.TYPE_CHECKING:
    from collections.abc import Callable

    from marketo_opps import MarketoClient, ObjectDescription
    from tap_marketo_opps.descriptions import Descriptions
    from tap_marketo_opps.finding.activity_types import FollowedTypes
    from tap_marketo_opps.log_probe import LogProbe
    from tap_marketo_opps.needs import Needs


ALL, RECORDS, SCHEMA, DISABLED = "all", "records", "schema", "disabled"

MOST_RETRY_SECONDS = 10
"""Maximum seconds to retry one call of a test, because a user is waiting for the result."""

HELP = (
    "Check credentials, permissions, settings, state and the activity log, and print a line for "
    "each thing that the selected streams need. --test=records reads some records of each "
    "selected stream, --test=schema writes their SCHEMA messages."
)


def checked_kind(value: str) -> str:
    """Return the value of the option `--test` if it is a kind of test that the tap has.

    Raises:
        SettingsError: There is no such kind of test.
    """
    if value not in {ALL, RECORDS, SCHEMA, DISABLED}:
        raise SettingsError(f"--test: must be one of {ALL}, {RECORDS}, {SCHEMA} (got {value!r}).")
    return value


class TestedTap(t.Protocol):
    """The interface of the tap under test, with only the methods that a connection test calls."""

    @property
    def client(self) -> MarketoClient:
        """Return the client that makes the calls."""

    @property
    def descriptions(self) -> Descriptions:
        """Return the describe results of the instance."""

    def begin_runs(
        self, opportunities: ObjectDescription | None, types: FollowedTypes | None
    ) -> list[str]:
        """Prepare the tap's runs, without any call; return the warnings that they would log."""


@dataclass(slots=True)
class ConnectionTest:
    """Checks one by one the things that a run needs.

    Attributes:
        tap: The tap under test.
        needs: What a run with the tap's settings needs.
        print_line: Called with each line for the user.
        all_well: False once a check has failed.
        opportunities: Describe result of opportunities; None if Marketo refused it.
        types: Activity types that the tap reads; None if it does not read the activity log.
        leads: IDs of some leads that appear in the activity log.
    """

    tap: TestedTap
    needs: Needs
    print_line: Callable[[str], object]
    all_well: bool = True
    opportunities: ObjectDescription | None = None
    types: FollowedTypes | None = None
    leads: dict[str, None] = field(default_factory=dict)

    def run(self) -> bool:
        """Run all checks, or only the first if the credentials fail; return True if all succeed."""
        if not self._is_well("credentials", "everything", self.tap.client.server_now):
            return False
        if self.needs.pair:
            self._try_opportunities()
        if self.needs.roles:
            self._try_roles()
        if self.needs.log:
            self._try_log()
        self._try_configuration()
        if self.types:
            self._probe_types(self.types)
        if self.needs.pair:
            self._try_paging()
        if FIELDS in self.needs.streams:
            read = functools.partial(read_one_field, self.tap.client)
            self._is_well("reading field metadata", FIELDS, read)
        return self.all_well

    def _is_well(self, name: str, needed_by: str, attempt: Callable[[], object]) -> bool:
        try:
            attempt()
        except (MarketoError, *EXPECTED_ERRORS) as error:
            self._fail(name, needed_by, error)
            return False
        self._print_ok(name)
        return True

    def _fail(self, name: str, needed_by: str, error: Exception) -> None:
        self.all_well = False
        self.print_line(f"FAILED  {name} (for {needed_by}): {error}")

    def _print_ok(self, what: str) -> None:
        self.print_line(f"ok      {what}")

    def _note(self, what: str) -> None:
        self.print_line(f"note    {what}")

    # Objects

    def _try_opportunities(self) -> None:
        def describe() -> None:
            self.opportunities = self.tap.descriptions.opportunities

        needed_by = " and ".join(self.needs.pair)
        if self._is_well("reading opportunities", needed_by, describe) and self.opportunities:
            searchable = ", ".join(filterable_fields(self.opportunities))
            self._print_ok(f"searchable fields for filter_type: {searchable}")
            self._note_unknown_types(self.opportunities)

    def _note_unknown_types(self, description: ObjectDescription) -> None:
        for name, data_type in unknown_types(description).items():
            self._note(
                f"unknown data type {data_type!r} of field {name}: its values are read as strings. "
                "Check for a newer version that supports it."
            )

    def _try_roles(self) -> None:
        needed_by = ROLES if ROLES in self.needs.streams else "finding opportunities by leads"
        try:
            self._note_unknown_types(self.tap.descriptions.roles)
        except MarketoError as error:
            if means_no_roles(error) and not (self.needs.by_leads or self.needs.by_catalog):
                self._print_ok("reading roles: this instance has none, so a run skips them")
            else:
                self._fail("reading roles", needed_by, error)
        else:
            self._print_ok("reading roles")
            self._try_leads()

    def _try_leads(self) -> None:
        if self.needs.lead_fields:
            describe = functools.partial(getattr, self.tap.descriptions, "lead_fields")
            self._is_well("reading leads", "lead_fields", describe)
        if list_id := self.needs.lead_list:
            read = functools.partial(probe_list, self.tap.client, list_id)
            self._is_well(f"reading the static list {list_id}", "find_by lead_list", read)

    # The configuration

    def _try_configuration(self) -> None:
        try:
            warnings = self.tap.begin_runs(self.opportunities, self.types)
        except (SettingsError, *EXPECTED_ERRORS) as error:
            self._fail("configuration", "a run", error)
        except MarketoError:
            # The refused call has a line of its own, and no run starts without it.
            self._note("configuration: could not be checked because of the failure above.")
        else:
            self._print_ok("configuration")
            for warning in warnings:
                self._note(warning)

    # The activity log

    def _try_log(self) -> None:
        def read() -> None:
            self.types = followed_types(self.tap.client.activity_types())

        needed_by = " and ".join(self.needs.of_log) or "find_by activities"
        if not self._is_well("reading the activity log", needed_by, read) or self.types is None:
            return
        followed = ", ".join(f"{name} ({number})" for number, name in self.types.names.items())
        merges = ", ".join(map(str, self.types.merges))
        self._print_ok(
            f"activity types that are read: {followed}"
            + (f", Merge Leads ({merges})" if merges else "")
        )
        for sentence in (*self.types.warnings, *self.types.notes):
            self._note(sentence)

    def _probe_types(self, types: FollowedTypes) -> None:
        client = self.tap.client
        for number, name in types.names.items():
            try:
                probe = probe_log(client, number, since_kept(client, name))
            except MarketoError as error:
                self._fail(f"entries of {name}", "the activity log", error)
            else:
                self.leads.update(dict.fromkeys(probe.leads))
                self._print_probe(name, probe)

    def _print_probe(self, name: str, probe: LogProbe) -> None:
        if probe.first:
            self._print_ok(f"{name}: in the log at least since {probe.first}")
            return
        where = "the log" if probe.is_whole else f"the first {PAGES} pages of the log"
        self._note(
            f"{name}: not found in {where} since {probe.since}. If such changes were made, the log "
            "does not record them: run a sweep from time to time (find_by: lead_ids)."
        )

    # What the documentation leaves open

    def _try_paging(self) -> None:
        """Read one page of roles, and print whether Marketo's response has the member `moreResult`.

        Marketo can use this member to say whether there is another page.
        """
        try:
            carries = self._carries_more_result()
        except MarketoError as error:
            self._fail("paged responses", "reading in pages", error)
            return
        if carries is None:
            self._note(
                "paged responses: could not be tried for moreResult, which takes two roles of "
                "leads that are in the log. Nothing depends on it."
            )
        else:
            end = "contain moreResult" if carries else "have no moreResult: the page token decides"
            self._print_ok(f"paged responses {end}")

    def _carries_more_result(self) -> bool | None:
        """Request one role per page; return True if Marketo's response has the member `moreResult`.

        Marketo can use this member to say whether there is another page. Return False if the
        response only has a page token for the next page. Return None if it has neither, or if no
        lead is known whose roles could be requested: then nothing is known about `moreResult`.
        """
        leads = [*self.leads][:MAX_BATCH_RECORDS]
        if not leads or not self.needs.roles:
            return None
        page = self.tap.client.query(
            MarketoObject.OPPORTUNITY_ROLES,
            filter_type=LEAD_ID,
            filter_values=leads,
            fields=[MARKETO_GUID, LEAD_ID],
            batch_size=1,
        )
        if page.more is None:
            return False if page.next_page_token else None
        return True
