"""Errors that only the tap raises, each with its message for users.

MarketoError
├── StreamMapsError           an expression of `stream_maps` fails
├── FieldsDeniedError         the API user has no permission to read field metadata
├── NoActivityTypesError      the instance has no activity types about opportunities
└── NotResumableError         no later run succeeds unless settings or catalog are changed
    ├── NoRolesError          the instance has no roles
    ├── NoOpportunitiesError  a native CRM sync blocks the opportunity API
    ├── NoSuchListError       the instance has no static list with that ID
    ├── UnknownFieldError     a stored catalog selects a field that no longer exists
    └── TooManyGoneError      more warehouse rows are missing in Marketo than is plausible

SettingsError
└── ChangedFileError          a file of keys changes while it is read
"""

from __future__ import annotations

import typing as t
from http import HTTPStatus

from singer_sdk.exceptions import MapExpressionError

from marketo_opps import (
    AccessDeniedError,
    DailyQuotaError,
    MarketoError,
    ResponseError,
    SettingsError,
)
from marketo_opps.errors import Recovery, UnexpectedResponseError, is_listed
from marketo_opps.wording import counted

if t.TYPE_CHECKING:
    from marketo_opps import CrmManagedError

_NOT_THERE = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.GONE})


class StreamMapsError(MarketoError):
    """Raised when an expression of `stream_maps` fails on a record."""

    def __init__(self, stream: str, error: Exception) -> None:
        # The text of another error may quote the record.
        why = str(error) if isinstance(error, MapExpressionError) else type(error).__name__
        super().__init__(
            f"stream_maps failed on a record of stream '{stream}' ({why.rstrip('.')}): correct the "
            "expression, and run again with the last STATE."
        )


class FieldsDeniedError(MarketoError):
    """Raised when the API user has no permission to read field metadata."""

    def __init__(self, error: MarketoError) -> None:
        super().__init__(f"{error} Or deselect the stream opportunity_fields.")


class NoActivityTypesError(MarketoError):
    """Raised when the instance has no activity types about opportunities."""


class ChangedFileError(SettingsError):
    """Raised when a file of keys changes, or becomes unreadable, after its keys were counted."""

    def __init__(self, setting: str, path: str) -> None:
        super().__init__(
            f"{setting}: {path} was changed or removed while this run was reading it: leave the "
            "file unchanged until the run has ended, and run again with the last STATE."
        )


class NotResumableError(MarketoError):
    """Base of errors that recur in every later run until settings or catalog are changed."""


class NoRolesError(NotResumableError):
    """Raised when the instance has no roles, but the run needs them."""

    def __init__(self, error: MarketoError) -> None:
        super().__init__(
            f"{without_roles(error)} Set find_by to filter and deselect opportunity_roles."
        )


class NoOpportunitiesError(NotResumableError):
    """Raised when a native CRM sync blocks even the reading of opportunities."""

    def __init__(self, error: CrmManagedError) -> None:
        super().__init__(str(error))


class NoSuchListError(NotResumableError):
    """Raised when Marketo refuses to list the members of the static list in `lead_list_id`."""

    def __init__(self, error: ResponseError, list_id: int) -> None:
        super().__init__(
            f"{error.summary} lead_list_id is {list_id}: set it to the ID of a static list of "
            "this instance, as in the list's address in Marketo (ST1001A1 is 1001)."
        )


class UnknownFieldError(NotResumableError):
    """Raised when a stored catalog selects a field that the instance does not have."""

    def __init__(self, error: MarketoError, name: str) -> None:
        super().__init__(
            f"{error.summary} The catalog selects field '{name}', which the instance does not "
            "have: create the catalog again with --discover, or deselect the field. If Meltano "
            "caches the catalog: meltano config set tap-marketo-opps _use_cached_catalog false."
        )


class TooManyGoneError(NotResumableError):
    """Raised when more warehouse rows are missing in Marketo than `max_gone_percent` allows.

    Args:
        where: The setting that names the file, and the file's path.
        gone: Number of rows that Marketo no longer has.
        looked_up: Number of rows looked up that were not marked as deleted already.
        written: Number of tombstones already written.
    """

    def __init__(self, where: str, *, gone: int, looked_up: int, written: int) -> None:
        super().__init__(
            f"{gone:,} of {looked_up:,} rows looked up no longer exist in Marketo, which is more "
            f"than max_gone_percent allows. Check in this order: that {where} is an export of this "
            "stream, that endpoint is the instance the warehouse was loaded from, and that the API "
            "user may still read these records. If the records were really deleted, raise "
            f"max_gone_percent. The next run starts over. {_tombstones(written)}"
        )


def _tombstones(written: int) -> str:
    if not written:
        return "No tombstone was written."
    return (
        f"Already written: {counted(written, 'tombstone')}. Export the file again for the next "
        "run, which clears _sdc_deleted_at of the records that Marketo still has."
    )


def means_no_roles(error: MarketoError) -> bool:
    """Return True if this error of the roles' describe call means that the instance has no roles.

    Marketo does not document the error code for that. So any permanent error with a code of Marketo
    that is known counts, except for a missing permission and an exceeded limit. An unknown code may
    be temporary: discovery would write a catalog without roles, which later runs use.
    """
    if isinstance(error, UnexpectedResponseError):
        return error.http_status in _NOT_THERE
    is_other = isinstance(error, AccessDeniedError | DailyQuotaError)
    is_for_good = error.recovery in {Recovery.FATAL, Recovery.RESHAPE}
    is_known = isinstance(error, ResponseError) and is_listed(error.code)
    return is_known and is_for_good and not is_other


def without_roles(error: MarketoError) -> str:
    """Return a message that says what still works on an instance without roles."""
    return (
        f"{error.summary} Without roles, opportunities can only be found with find_by: filter. The "
        "stream opportunity_roles is not available; opportunity_fields and the streams of the "
        "activity log are."
    )
