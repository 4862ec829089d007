"""Queries and lookup stages that several finders use."""

from __future__ import annotations

import functools
import typing as t

from marketo_opps import MarketoObject
from marketo_opps.fields import EXTERNAL_ID, UPDATED_AT
from tap_marketo_opps.finding.activity_log import LEAD_ID
from tap_marketo_opps.finding.lookup_stage import LookupStage
from tap_marketo_opps.finding.newness import changed_since
from tap_marketo_opps.finding.stage_plan import OPPORTUNITIES, ROLES
from tap_marketo_opps.settings import FILTER_ALIASES

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from marketo_opps import MarketoClient, ObjectDescription, Page, Record
    from tap_marketo_opps.finding.page_result import Key, PageResult
    from tap_marketo_opps.finding.pending_keys import PendingKeys
    from tap_marketo_opps.finding.stage_plan import Fields, Resumes


def filterable_fields(description: ObjectDescription) -> list[str]:
    """Return the valid values of `filter_type`: searchable fields, and the two aliases."""
    alone = [names[0] for names in description.searchable_fields if len(names) == 1]
    return [*FILTER_ALIASES, *alone]


def roles_query(
    client: MarketoClient, key_field: str, batch_size: int, fields: Fields
) -> Callable[..., Page]:
    """Return a function that queries roles by values of a field.

    The function returns a page, given `filter_values` and `next_page_token`.

    Args:
        client: Client that makes the calls.
        key_field: Field whose values are looked up.
        batch_size: Records per page.
        fields: Selected fields of each stream to read, by the stream's name.
    """
    asked = _asked(fields, ROLES, EXTERNAL_ID, LEAD_ID, UPDATED_AT)
    return _query(client, MarketoObject.OPPORTUNITY_ROLES, key_field, asked, batch_size)


def opportunities_query(
    client: MarketoClient, filter_type: str, batch_size: int, fields: Fields, *needed: str
) -> Callable[..., Page]:
    """Return a function that queries opportunities by values of a field.

    The function returns a page, given `filter_values` and `next_page_token`.

    Args:
        client: Client that makes the calls.
        filter_type: Field, or alias of it, whose values are looked up.
        batch_size: Records per page.
        fields: Selected fields of each stream to read, by the stream's name.
        needed: Fields to request besides the selected ones.
    """
    asked = _asked(fields, OPPORTUNITIES, *needed, UPDATED_AT)
    return _query(client, MarketoObject.OPPORTUNITIES, filter_type, asked, batch_size)


def opportunities_by_role(
    client: MarketoClient,
    batch_size: int,
    fields: Fields,
    resumes: Resumes,
    pending: PendingKeys | None = None,
) -> Sequence[LookupStage]:
    """Return a pipeline stage that looks up the opportunities to which the roles found belong.

    Args:
        client: Client that makes the calls.
        batch_size: Records per page.
        fields: Selected fields of each stream to read, by the stream's name.
        resumes: Resume point of each of these streams.
        pending: Keys of the first pipeline stage that are still looked up.

    Returns:
        The stage in a list, which is empty if the stream of opportunities is not read.
    """
    if OPPORTUNITIES not in fields:
        return ()
    query = opportunities_query(client, "dedupeFields", batch_size, fields, EXTERNAL_ID)
    is_new = changed_since(resumes[OPPORTUNITIES].since)
    return [
        LookupStage(
            query,
            OPPORTUNITIES,
            EXTERNAL_ID,
            lambda result: _opportunities_of_roles(result, is_new),
            write_found_first=True,
            is_new=is_new,
            pending=pending,
        )
    ]


def opportunities_found(result: PageResult, is_new: Callable[[Record], bool]) -> Iterator[Key]:
    """Yield the external ID of each opportunity in a page, as a key to look up its roles.

    With each ID comes True if the opportunity is new: then its roles are emitted however old they
    are. Yield nothing for a page of another stream.

    Args:
        result: The page.
        is_new: Returns True for an opportunity that is new enough to be emitted.
    """
    if result.stream == OPPORTUNITIES:
        for opportunity in result.records:
            if external_id := opportunity.get(EXTERNAL_ID):
                # The roles of a new or changed opportunity are emitted regardless of age.
                yield str(external_id), is_new(opportunity)


def _opportunities_of_roles(result: PageResult, is_new: Callable[[Record], bool]) -> Iterator[Key]:
    if result.stream == ROLES:
        for role in result.records:
            external_id = str(role.get(EXTERNAL_ID) or "")
            yield external_id, is_new(role) or result.emit_regardless_of_age(role)


def _asked(fields: Fields, stream: str, *needed: str) -> tuple[str, ...]:
    """Return the names of the fields to request from Marketo for records of a stream.

    Args:
        fields: Selected fields of each stream, by the stream's name.
        stream: Name of the stream.
        needed: Names of fields to request even if they are not selected.
    """
    return tuple(dict.fromkeys((*fields.get(stream, ()), *needed)))


def _query(
    client: MarketoClient, obj: MarketoObject, filter_type: str, asked: Sequence[str], size: int
) -> Callable[..., Page]:
    return functools.partial(
        client.query, obj, filter_type=filter_type, fields=asked, batch_size=size
    )
