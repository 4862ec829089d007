"""Replacement of errors that end a run by errors with advice on the configuration."""

from __future__ import annotations

import typing as t
from types import MappingProxyType

from marketo_opps import (
    CrmManagedError,
    DataError,
    MarketoError,
    MarketoObject,
    RequestRefusedError,
    ResponseError,
    SettingsError,
)
from tap_marketo_opps.errors import (
    NoOpportunitiesError,
    NoRolesError,
    NoSuchListError,
    NotResumableError,
    UnknownFieldError,
)
from tap_marketo_opps.finding.finders import FilterFinder
from tap_marketo_opps.finding.list_finder import LeadListFinder
from tap_marketo_opps.finding.queries import filterable_fields
from tap_marketo_opps.finding.stage_plan import OPPORTUNITIES, ROLES
from tap_marketo_opps.settings import LEAD_PREFIX

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from marketo_opps import MarketoClient
    from tap_marketo_opps.finding.stage_plan import Finder

_NO_SUCH_FIELD = "1006"
_NO_SUCH_RESOURCE = "610"
_LISTS_PATH = "/v1/lists/"
_LEADS_PATH = "/v1/leads.json"
_NO_NAMES: Mapping[str, str] = MappingProxyType({})


def is_resumable(error: MarketoError) -> bool:
    """Return True if a later run with the same settings can continue after this error."""
    return not isinstance(error, NotResumableError | SettingsError | CrmManagedError)


def with_advice(
    error: MarketoError,
    client: MarketoClient,
    finder: Finder | None,
    fields: Mapping[str, Sequence[str]],
) -> MarketoError:
    """Return the error with which a run ends: one with advice if possible, else the same error.

    Args:
        error: The error that ended the run.
        client: Client for one more describe call.
        finder: Finder of the run; None for `find_by: reconcile`.
        fields: Selected fields of each stream, by the stream's name.
    """
    refused = isinstance(error, CrmManagedError | RequestRefusedError | DataError)
    if not refused or not isinstance(error, ResponseError):
        return error
    if isinstance(finder, LeadListFinder) and _LISTS_PATH in error.call:
        return NoSuchListError(error, finder.list_id)
    return _of_objects(error, client, finder, fields) or error


def _of_objects(
    error: ResponseError,
    client: MarketoClient,
    finder: Finder | None,
    fields: Mapping[str, Sequence[str]],
) -> MarketoError | None:
    if _LEADS_PATH in error.call:
        return _unknown_lead_field(error, fields.get(ROLES, ()))
    of_roles = MarketoObject.OPPORTUNITY_ROLES.path in error.call
    if of_roles and _is_roles_unavailable(error):
        return NoRolesError(error)
    if isinstance(error, CrmManagedError):
        return NoOpportunitiesError(error)
    if isinstance(finder, FilterFinder) and not of_roles:
        unfilterable = _explain_filter_type(client, finder.filter_type)
        if unfilterable:
            return unfilterable
    return _unknown_field(error, fields.get(ROLES if of_roles else OPPORTUNITIES, ()))


def filter_type_error(filter_type: str, filterable: Sequence[str]) -> SettingsError:
    """Return the error for a `filter_type` that is not a searchable field.

    Args:
        filter_type: Value of the setting.
        filterable: The valid values.
    """
    return SettingsError(
        f"filter_type {filter_type!r} is not searchable on this instance: must be one of "
        f"{', '.join(filterable)}."
    )


def _unknown_field(
    error: ResponseError, selected: Iterable[str], told_as: Mapping[str, str] = _NO_NAMES
) -> MarketoError | None:
    messages = (reason.message for reason in error.reasons if reason.code == _NO_SUCH_FIELD)
    text = "; ".join(messages)
    name = next((name for name in selected if f"'{name}'" in text), None)
    return UnknownFieldError(error, told_as.get(name, name)) if name else None


def _unknown_lead_field(error: ResponseError, selected: Iterable[str]) -> MarketoError | None:
    """Return the error for a stored catalog that selects a lead field which does not exist."""
    carried = [name for name in selected if name.startswith(LEAD_PREFIX)]
    names = {name.removeprefix(LEAD_PREFIX): name for name in carried}
    return _unknown_field(error, names, names)


def _is_roles_unavailable(error: ResponseError) -> bool:
    return isinstance(error, CrmManagedError) or error.code == _NO_SUCH_RESOURCE


def _explain_filter_type(client: MarketoClient, filter_type: str) -> MarketoError | None:
    try:
        names = filterable_fields(client.describe(MarketoObject.OPPORTUNITIES))
    except MarketoError:
        return None
    return None if filter_type in names else filter_type_error(filter_type, names)
