"""Rules of the client that would break without a sound: hours, codes, secrets and defaults."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from marketo_opps import FieldDescription, FieldValueError, MarketoObject, redaction
from marketo_opps.auth import read_token
from marketo_opps.envelope import read_answer
from marketo_opps.errors import ServerError, TokenRefusedError, TooLargeError
from marketo_opps.fields import writer
from marketo_opps.transport import Answer

OPPORTUNITIES = MarketoObject.OPPORTUNITIES
NOW = datetime(2026, 11, 23, 17, tzinfo=UTC)


@pytest.fixture
def new_york(monkeypatch):
    """A machine whose own hour is not UTC."""
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    yield
    monkeypatch.delenv("TZ")
    time.tzset()


def test_the_log_is_read_from_a_moment_in_utc_wherever_the_machine_stands(
    client, instance, success, new_york
):
    instance.answers("activities/pagingtoken.json", success(nextPageToken="T"))
    client.paging_token(datetime(2026, 7, 1, 12, tzinfo=UTC))
    assert instance.calls[0].qs["sinceDatetime"] == ["2026-07-01T12:00:00Z"]


def test_marketos_clock_is_told_in_utc_wherever_the_machine_stands(client, new_york):
    assert client.server_now().isoformat() == "2026-11-23T17:00:00+00:00"


def test_identity_is_asked_with_both_credentials(client, instance, success):
    instance.answers("stats/usage.json", success({"total": 1}))
    client.calls_today()
    (fetch,) = instance.token_fetches
    assert fetch.qs == {
        "grant_type": ["client_credentials"],
        "client_id": ["id-1"],
        "client_secret": ["secret-1"],
    }


def test_a_refused_token_that_comes_back_is_waited_out(
    client, instance, success, refusal, fake_time
):
    instance.expires_in = 7
    instance.tokens = ["token-1", "token-1", "token-2"]
    instance.answers("stats/usage.json", refusal(601), success({"total": 5}))
    assert client.calls_today() == 5
    assert fake_time.waited == pytest.approx(7)
    assert instance.calls[-1].headers["Authorization"] == "Bearer token-2"


def test_http_500_of_identity_is_a_fault_of_the_server_and_not_of_the_credentials():
    with pytest.raises(ServerError):
        read_token(Answer(500, NOW, b"<html>", "text/html"), now=0.0)


@pytest.mark.parametrize("status", [413, 414])
def test_a_call_that_is_too_large_is_told_by_its_status(status):
    with pytest.raises(TooLargeError) as caught:
        read_answer("POST /x", Answer(status, NOW, b"<html>", "text/html"), permission=None)
    assert caught.value.call == "POST /x"
    assert [why.code for why in caught.value.reasons] == [str(status)]
    assert all(why.message and why.message != "None" for why in caught.value.reasons)


def test_a_secret_within_a_longer_one_uncovers_nothing_of_it():
    for secret in ("hunter", "a-hunter-z"):
        redaction.REDACTOR.protect(secret)
    assert redaction.REDACTOR.redact("x a-hunter-z x") == "x [redacted] x"


def test_a_path_that_slashes_are_part_of_stays_secret():
    redaction.REDACTOR.protect("pass/word")
    assert "word" not in redaction.REDACTOR.redact("pass%2Fword and pass/word")


def test_a_delete_goes_by_the_dedupe_fields_unless_told_otherwise(client, instance, success):
    instance.answers("opportunities/delete.json", success({"seq": 0, "status": "deleted"}))
    client.delete(OPPORTUNITIES, [b'{"externalOpportunityId":"K"}'])
    assert json.loads(instance.calls[0].body)["deleteBy"] == "dedupeFields"


def test_reads_are_gets(client, instance, success):
    described = {
        "name": "opportunity",
        "idField": "marketoGUID",
        "dedupeFields": ["externalOpportunityId"],
        "searchableFields": [["externalOpportunityId"]],
        "fields": [{"name": "amount", "dataType": "currency"}],
    }
    instance.answers("opportunities/describe.json", success(described))
    instance.answers("activities/types.json", success({"id": 5, "name": "Change"}))
    instance.answers("activities/pagingtoken.json", success(nextPageToken="T"))
    instance.answers("opportunities/schema/fields/a%2Fb.json", success({"name": "a/b"}))
    (field,) = client.describe(OPPORTUNITIES).fields
    assert field.data_type == "currency"
    assert client.activity_types() == {"Change": 5}
    client.paging_token(NOW)
    client.field("a/b")
    assert [call.method for call in instance.calls] == ["GET"] * 4


@pytest.mark.parametrize(
    ("value", "text"), [(Decimal("1E+5"), "1E+5"), (1.5e300, "1.5e+300"), (False, "false")]
)
def test_what_is_no_text_is_written_as_it_is_said(value, text):
    assert writer(FieldDescription("f", "f", "string", 255))(value) == text


def test_a_text_is_measured_by_its_described_length_where_it_has_one():
    text = "ü" * 20_000
    assert writer(FieldDescription("f", "f", "text", 20_000))(text) == text


def test_strings_are_not_cut_unless_asked_for():
    with pytest.raises(FieldValueError) as caught:
        writer(FieldDescription("f", "f", "string", 3))("abcd")
    assert caught.value.reason.code == "1003"


def test_a_token_refused_for_ever_is_told_and_not_waited_for_beyond_the_retries(
    instance, connect, refusal, fake_time, caplog
):
    instance.answers("stats/usage.json", *[refusal(601)] * 3)
    with pytest.raises(TokenRefusedError):
        connect(max_retry_seconds=7).calls_today()
    assert fake_time.waited == pytest.approx(14)
    assert "hands out the same one again. Waiting 7 s" in caplog.text
