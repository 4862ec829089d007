"""The check that both instances of the demonstration hold equal opportunities and roles."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.describe import OPPORTUNITY

if TYPE_CHECKING:
    from marketo_sandbox.instance.describe import Field
    from marketo_sandbox.server.server import SandboxServer

KEY = "externalOpportunityId"
NUMBERS = frozenset({"currency", "float", "integer", "percent", "score"})


class DemoError(Exception):
    """Raised when a step of the demonstration fails; the message says why."""


def compare_instances(source: SandboxServer, destination: SandboxServer) -> None:
    """Compare the opportunities and roles of two instances, and print how many are identical.

    Opportunities are compared field by field, roles by the email addresses of their leads.

    Args:
        source: the instance that the tap has read.
        destination: the instance that the target has written to.

    Raises:
        DemoError: if the instances differ.
    """
    there, here = _contents(source), _contents(destination)
    different = sorted(key for key in there.keys() | here.keys() if there.get(key) != here.get(key))
    if different:
        raise DemoError(f"{len(different):,} opportunities differ, the first is {different[0]}")
    print(f"  compared     {len(here):,} opportunities field by field: all identical")
    _compare_roles(source, destination)


def _compare_roles(source: SandboxServer, destination: SandboxServer) -> None:
    """Compare the roles of both instances by the email addresses of their leads.

    Raises:
        DemoError: if a role of the source is missing although its lead is in the destination, or if
            the destination has any other role.
    """
    known = {each for each in email_addresses(destination).values() if each}
    there, here = _roles_by_address(source), _roles_by_address(destination)
    movable = [role for role in there if role[1] in known]
    if set(movable) != set(here) or len(here) != len(set(here)):
        raise DemoError(f"expected {len(set(movable)):,} roles, found {len(here):,}")
    doubles = len(movable) - len(here)
    print(
        f"               {len(here):,} roles by email address: all identical "
        f"({len(there) - len(movable):,} rejected: no lead with that address in the destination"
        + (f"; {doubles:,} duplicates of a person's role merged)" if doubles else ")")
    )


def email_addresses(server: SandboxServer) -> dict[int, str]:
    """Return the email addresses of all leads in lower case, by lead id; "" if a lead has none."""
    return {each["id"]: each.get("email", "").casefold() for each in server.instance.leads()}


def _roles_by_address(server: SandboxServer) -> list[tuple[str, str, str]]:
    """Return all roles as tuples: external opportunity id, email address of the lead, role name."""
    addresses = email_addresses(server)
    return [
        (each[KEY], addresses[each["leadId"]], each["role"]) for each in server.instance.roles()
    ]


def _contents(server: SandboxServer) -> dict[str, dict[str, Any]]:
    """Return an instance's opportunities by external id, with the fields that clients can set."""
    writable = [each for each in OPPORTUNITY.fields if each.updateable or each.name == KEY]
    return {
        record[KEY]: {
            each.name: _plain(record[each.name], each)
            for each in writable
            if record.get(each.name) is not None
        }
        for record in server.instance.opportunities()
    }


def _plain(value: Any, described: Field) -> Any:
    """Convert a field value for comparison: return a number as Decimal, a datetime as datetime.

    The instances may hold the number 12.50 as a JSON number or as a string.

    Args:
        value: the field value as an instance stores it.
        described: the field, whose data type decides the conversion.
    """
    if described.data_type in NUMBERS:
        return Decimal(str(value))
    return datetime.fromisoformat(value) if described.data_type == "datetime" else value
