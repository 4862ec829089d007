"""What an error of a run means to whoever configured it."""

from __future__ import annotations

import typing as t

from singer_sdk.exceptions import MapExpressionError

from marketo_opps import (
    CrmManagedError,
    DataError,
    MarketoError,
    MarketoObject,
    RequestRefusedError,
    ResponseError,
    SettingsError,
)
from tap_marketo_opps.finding.finders import OPPORTUNITIES, ROLES, FilterFinder, searchable

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from marketo_opps import MarketoClient
    from tap_marketo_opps.finding.finders import Finder


class OtherSettingsError(MarketoError):
    """What no later run gets over unless settings or catalog are changed."""


class NoRolesError(OtherSettingsError):
    """The instance has no roles, and what was asked for goes through them."""

    def __init__(self, error: MarketoError) -> None:
        super().__init__(
            f"{without_roles(error)} Set find_by to filter, and deselect opportunity_roles."
        )


class NoOpportunitiesError(OtherSettingsError):
    """A native CRM sync keeps opportunities to itself, for reading too."""

    def __init__(self, error: CrmManagedError) -> None:
        # A long read goes as POST, which by itself looks like a write.
        super().__init__(f"{error.summary} {error.read_remedy}")


class FieldsDeniedError(MarketoError):
    """The user may not read field metadata, and need not."""

    def __init__(self, error: MarketoError) -> None:
        super().__init__(f"{error} Or deselect the stream opportunity_fields.")


class FieldGoneError(OtherSettingsError):
    """A stored catalog selects a field that the instance has no longer."""

    def __init__(self, error: MarketoError, name: str) -> None:
        super().__init__(
            f"{error.summary} The catalog selects field '{name}', which the instance does not "
            "have: write the catalog anew with --discover, or deselect it."
        )


class StreamMapsError(MarketoError):
    """An expression of `stream_maps` fails on a record."""

    def __init__(self, stream: str, error: Exception) -> None:
        # The text of another error may quote the record.
        said = str(error) if isinstance(error, MapExpressionError) else type(error).__name__
        super().__init__(
            f"stream_maps fails on a record of stream '{stream}' ({said.rstrip('.')}): correct its "
            "expressions, and start again with the last STATE."
        )


def without_roles(error: MarketoError) -> str:
    """What an instance without roles is good for."""
    return (
        f"{error.summary} Without roles, opportunities can be found by find_by filter only; the "
        "streams opportunity_fields and opportunity_activities work as ever, opportunity_roles "
        "does not."
    )


def may_be_got_over(error: MarketoError) -> bool:
    """Whether a later run with the same settings may go on where this one has ended."""
    return not isinstance(error, OtherSettingsError | SettingsError | CrmManagedError)


def explained(
    error: MarketoError,
    client: MarketoClient,
    finder: Finder,
    fields: Mapping[str, Sequence[str]],
) -> MarketoError:
    """The same error, or one that says more.

    Args:
        error: what ended a run.
        client: may be asked once more.
        finder: of that run.
        fields: streams to those that are selected.
    """
    refused = isinstance(error, CrmManagedError | RequestRefusedError | DataError)
    if not refused or not isinstance(error, ResponseError):
        return error
    of_roles = MarketoObject.OPPORTUNITY_ROLES.path in error.call
    if of_roles and _means_no_roles(error):
        return NoRolesError(error)
    if isinstance(error, CrmManagedError):
        return NoOpportunitiesError(error)
    told = None
    if isinstance(finder, FilterFinder) and not of_roles:
        told = _filter_type_error(client, finder.filter_type)
    return told or _field_gone(error, fields.get(ROLES if of_roles else OPPORTUNITIES, ())) or error


def _field_gone(error: ResponseError, selected: Iterable[str]) -> MarketoError | None:
    said = "; ".join(reason.message for reason in error.reasons if reason.code == _NO_SUCH_FIELD)
    name = next((name for name in selected if f"'{name}'" in said), None)
    return FieldGoneError(error, name) if name else None


_NO_SUCH_FIELD = "1006"


def _means_no_roles(error: ResponseError) -> bool:
    return isinstance(error, CrmManagedError) or error.code == _NO_SUCH_RESOURCE


_NO_SUCH_RESOURCE = "610"


def _filter_type_error(client: MarketoClient, filter_type: str) -> MarketoError | None:
    try:
        names = searchable(client.describe(MarketoObject.OPPORTUNITIES))
    except MarketoError:
        return None
    return None if filter_type in names else not_searchable(filter_type, names)


def not_searchable(filter_type: str, names: list[str]) -> SettingsError:
    """What to say of a field that cannot be looked up by.

    Args:
        filter_type: the field.
        names: those that can.
    """
    return SettingsError(
        f"filter_type {filter_type!r} is not searchable on this instance; these are: "
        f"{', '.join(names)}."
    )
