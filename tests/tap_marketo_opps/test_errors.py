"""Errors of the tap: what their messages name, and which errors mean that there are no roles."""

from __future__ import annotations

import pytest
from singer_sdk.exceptions import MapExpressionError

from marketo_opps import (
    AccessDeniedError,
    CrmManagedError,
    DailyQuotaError,
    DataError,
    MarketoError,
    Reason,
    RequestRefusedError,
    SettingsError,
)
from marketo_opps.errors import TransientError, UnexpectedResponseError
from tap_marketo_opps.errors import (
    ChangedFileError,
    FieldsDeniedError,
    NoOpportunitiesError,
    NoRolesError,
    NoSuchListError,
    NotResumableError,
    StreamMapsError,
    TooManyGoneError,
    UnknownFieldError,
    means_no_roles,
    without_roles,
)


def refused(kind, code):
    return kind("GET /x", [Reason(code, "Said Marketo")], "1#2")


REFUSED = refused(RequestRefusedError, "610")


def test_a_failing_expression_is_told_with_its_stream_and_cause():
    told = str(StreamMapsError("deals", MapExpressionError("Failed to evaluate 'x'.")))
    assert "stream 'deals' (Failed to evaluate 'x'):" in told
    assert "correct the expression" in told


def test_other_errors_of_an_expression_do_not_quote_the_record():
    told = str(StreamMapsError("deals", ValueError("ann@example.com")))
    assert "stream 'deals' (ValueError):" in told
    assert "ann@" not in told


def test_denied_fields_are_told_with_the_permission():
    error = AccessDeniedError("GET /x", [Reason("603", "Denied")], "r", ["Read-Only Schema"])
    told = str(FieldsDeniedError(error))
    assert told.startswith(str(error))
    assert "'Read-Only Schema'" in told
    assert told.endswith("deselect the stream opportunity_fields.")


def test_a_changed_file_is_told_with_its_setting():
    error = ChangedFileError("filter_values_path", "/data/keys.txt")
    assert isinstance(error, SettingsError)
    assert str(error).startswith("filter_values_path: /data/keys.txt was changed or removed")
    assert "run again with the last STATE" in str(error)


def test_errors_of_the_configuration_keep_what_marketo_said():
    crm = refused(CrmManagedError, "1018")
    errors = {
        "Set find_by to filter and deselect opportunity_roles.": NoRolesError(REFUSED),
        "native CRM sync": NoOpportunitiesError(crm),
        "lead_list_id is 7: set it": NoSuchListError(REFUSED, 7),
        "The catalog selects field 'mood'": UnknownFieldError(REFUSED, "mood"),
    }
    for words, error in errors.items():
        assert isinstance(error, NotResumableError)
        cause = crm if words == "native CRM sync" else REFUSED
        assert str(error).startswith(cause.summary)
        assert words in str(error)
    assert str(errors["native CRM sync"]) == str(crm)


def too_many(written):
    return str(TooManyGoneError("rows_path (o.csv)", gone=1_000, looked_up=2_000, written=written))


def test_too_many_missing_rows_are_told_with_counts_and_file():
    told = too_many(0)
    assert told.startswith("1,000 of 2,000 rows looked up no longer exist in Marketo")
    assert "that rows_path (o.csv) is an export of this stream" in told
    assert "max_gone_percent" in told
    assert told.endswith("No tombstone was written.")


@pytest.mark.parametrize(("written", "told"), [(1, "1 tombstone."), (3_000, "3,000 tombstones.")])
def test_tombstones_already_written_are_told(written, told):
    error = too_many(written)
    assert f"Already written: {told} Export the file again" in error
    assert "clears _sdc_deleted_at" in error


def unexpected(status):
    error = UnexpectedResponseError("Not found")
    error.http_status = status
    return error


@pytest.mark.parametrize(
    ("error", "means"),
    [
        (refused(RequestRefusedError, "610"), True),
        (refused(DataError, "1003"), True),
        (refused(CrmManagedError, "1018"), True),
        (refused(AccessDeniedError, "603"), False),
        (refused(DailyQuotaError, "607"), False),
        (refused(TransientError, "611"), False),
        (refused(RequestRefusedError, "12345"), False),
        (unexpected(404), True),
        (unexpected(405), True),
        (unexpected(410), True),
        (unexpected(403), False),
        (unexpected(None), False),
        (MarketoError("x"), False),
    ],
)
def test_known_permanent_refusals_mean_that_there_are_no_roles(error, means):
    assert means_no_roles(error) is means


def test_what_works_without_roles_is_told():
    told = without_roles(REFUSED)
    assert told.startswith(f"{REFUSED.summary} Without roles, ")
    assert REFUSED.remedy not in told
    assert "opportunities can only be found with find_by: filter." in told
    assert "The stream opportunity_roles is not available" in told
