"""`--test`: what this user may do, a line for each thing that the selected streams need."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps import (
    CrmManagedError,
    MarketoError,
    MarketoObject,
    RequestRefusedError,
    SettingsError,
)
from tap_marketo_opps.field_metadata import FIELDS
from tap_marketo_opps.finding.activity_log import ACTIVITIES
from tap_marketo_opps.finding.finders import OPPORTUNITIES, ROLES

if t.TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from marketo_opps import MarketoClient


ALL, RECORDS, SCHEMA, DISABLED = "all", "records", "schema", "disabled"

MOST_RETRY_SECONDS = 10
"""How long a call of a test is tried again at the most: somebody is waiting for it."""

HELP = (
    "Try credentials and permissions, and print a line for each thing that the selected streams "
    "need. --test=records reads some records of each of them, --test=schema writes their SCHEMAs."
)


def checked_kind(value: str) -> str:
    """Validate the value of --test.

    Raises:
        SettingsError: There is no such kind of test.
    """
    if value not in {ALL, RECORDS, SCHEMA, DISABLED}:
        raise SettingsError(f"--test: {value!r} is none of {ALL}, {RECORDS}, {SCHEMA}.")
    return value


@dataclass(frozen=True, slots=True)
class Check:
    """Something to try, and what for.

    Attributes:
        name: Of what is tried.
        needed_by: Streams or settings that need it.
        attempt: Tries it.
        optional: True if a run goes without it on an instance that has no such thing.
    """

    name: str
    needed_by: str
    attempt: Callable[[], object]
    optional: bool = False

    def outcome(self) -> tuple[bool, str]:
        """Try it; return True if it went well, and the line to print."""
        try:
            self.attempt()
        except MarketoError as error:
            if self.optional and isinstance(error, CrmManagedError | RequestRefusedError):
                return True, f"ok      {self.name}: none on this instance, left out of a run"
            return False, f"FAILED  {self.name} (for {self.needed_by}): {error}"
        return True, f"ok      {self.name}"


def checks_for(
    client: MarketoClient,
    *,
    streams: Collection[str],
    by_leads: bool,
    by_log: bool,
    by_catalog: bool,
) -> Iterator[Check]:
    """Yield what the selected streams need; credentials come first, for all else needs them.

    Args:
        client: To try it with.
        streams: Names of those that are selected.
        by_leads: True if opportunities are found through leads.
        by_log: True if leads are found through the activity log.
        by_catalog: True if a catalog selects them; without one, a run describes roles first.
    """
    wanted = sorted(streams)
    yield Check("credentials", "everything", client.server_now)
    pair = [name for name in wanted if name in {OPPORTUNITIES, ROLES}]
    if pair:
        describe = MarketoObject.OPPORTUNITIES
        yield Check("reading opportunities", " and ".join(pair), lambda: client.describe(describe))
    if ROLES in wanted or (pair and by_leads):
        needed_by = ROLES if ROLES in wanted else "finding opportunities by leads"
        roles = MarketoObject.OPPORTUNITY_ROLES
        optional = not (by_leads or by_catalog)
        yield Check("reading roles", needed_by, lambda: client.describe(roles), optional)
    if ACTIVITIES in wanted or (pair and by_log):
        needed_by = ACTIVITIES if ACTIVITIES in wanted else "find_by activities"
        yield Check("reading the activity log", needed_by, client.activity_types)
    if FIELDS in wanted:
        yield Check("reading field metadata", FIELDS, lambda: client.browse_fields(batch_size=1))


def report(checks: Iterator[Check], print_line: Callable[[str], object]) -> bool:
    """Try one after the other; without credentials, nothing else.

    Returns:
        True if all went well.
    """
    all_well = True
    for number, check in enumerate(checks):
        is_well, line = check.outcome()
        print_line(line)
        all_well &= is_well
        if number == 0 and not is_well:
            break
    return all_well
