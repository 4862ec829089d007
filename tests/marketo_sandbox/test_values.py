"""Values of fields: which ones are valid, at their boundaries, and how queries return them."""

from __future__ import annotations

import json
import time

import pytest

from marketo_sandbox.instance.values import format_moment, parse_datetime, parse_integer
from tests.marketo_sandbox.helpers import outcome

PATH = "/rest/v1/opportunities.json"


def write(api, field, *literals):
    """Create an opportunity with each JSON literal as the value of a field; return the outcomes."""
    records = [
        f'{{"externalOpportunityId":"a{number}","name":"n","{field}":{each}}}'
        for number, each in enumerate(literals)
    ]
    body = '{"input":[' + ",".join(records) + "]}"
    headers = {"Content-Type": "application/json"}
    return outcome(api.send("POST", PATH, data=body.encode(), headers=headers).json())


def read(api, field, count):
    ids = ",".join(f"a{number}" for number in range(count))
    query = {"filterType": "dedupeFields", "filterValues": ids, "fields": field}
    return [each.get(field) for each in api.get(PATH, **query)["result"]]


@pytest.mark.parametrize(
    ("literal", "became"),
    [
        (str(2**63 - 1), "created"),
        (str(2**63), "1003"),
        (str(1 - 2**63), "created"),
        (str(-(2**63)), "1003"),
        ('"9223372036854775807"', "created"),
        ('"99999999999999999999"', "1001"),
        ('" +5 "', "created"),
        ('"-5"', "created"),
        ('"5.0"', "1001"),
        ('"5 6"', "1001"),
        ("[5]", "1001"),
        ("false", "1001"),
    ],
)
def test_integers_have_64_bits_and_may_be_text(api, literal, became):
    assert write(api, "probability", literal) == [became]


@pytest.mark.parametrize(
    ("literal", "became"),
    [
        ('"1e39"', "1003"),
        ("-1e38", "created"),
        ("-1e39", "1003"),
        ('" 5.10 "', "created"),
        ('"5,10"', "1001"),
        ('"Infinity"', "1001"),
        ("[5]", "1001"),
        ("false", "1001"),
    ],
)
def test_numbers_are_bounded_and_may_be_text(api, literal, became):
    assert write(api, "amount", literal) == [became]


@pytest.mark.parametrize("digits", ["123456789012.345", "1234567890123.456", "0.1000000000000001"])
def test_numbers_are_returned_with_every_digit(api, digits):
    assert set(write(api, "amount", *[digits] * 6)) == {"created"}
    values = read(api, "amount", 6)
    assert [str(each) for each in values] == [digits] * 6
    # A number in JSON is reliable up to 15 digits.
    short = len(digits.replace(".", "")) <= 15
    assert {type(each) for each in values} == ({str, float} if short else {str})


def test_integers_are_returned_as_numbers_or_text(api):
    assert set(write(api, "probability", *["75"] * 10)) == {"created"}
    values = read(api, "probability", 10)
    assert {int(each) for each in values} == {75}
    assert {type(each) for each in values} == {int, str}


def test_numbers_with_exponents_are_returned_without(api):
    assert set(write(api, "amount", *["1.5e3", '"15E2"'] * 3)) == {"created"}
    assert {str(each) for each in read(api, "amount", 6)} == {"1500", "1500.0"}


def test_datetimes_are_returned_with_either_end(api):
    assert set(write(api, "lastTouchedAt", *['"2010-05-07"'] * 8)) == {"created"}
    values = read(api, "lastTouchedAt", 8)
    assert set(values) == {"2010-05-07T00:00:00Z", "2010-05-07T00:00:00+0000"}


@pytest.mark.parametrize("literal", ["20100507", '"20100507"', '"2010-W18-5"', '"2010-05-07 "'])
def test_a_date_has_only_one_form(api, literal):
    assert write(api, "closeDate", literal) == ["1001"]


def test_times_are_in_utc_on_a_machine_elsewhere(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        assert parse_datetime("2010-05-07T15:41").isoformat() == "2010-05-07T15:41:00+00:00"
        assert format_moment(0, with_offset=False) == "1970-01-01T00:00:00Z"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("literal", "kept"),
    [('"TRUE"', True), ('"False"', False), ("true", True), ('"1"', None), ("0", None)],
)
def test_booleans_may_be_text_in_any_case(api, literal, kept):
    assert write(api, "isWon", literal) == ["1001" if kept is None else "created"]
    assert read(api, "isWon", 1) == ([] if kept is None else [kept])


@pytest.mark.parametrize(
    ("field", "least_refused"),
    [("stage", 256), ("region", 101), ("contactEmail", 256), ("territory", 65)],
)
def test_strings_have_the_length_of_their_field(api, field, least_refused):
    # Characters count, not bytes.
    texts = [json.dumps("\u00fc" * length) for length in (least_refused - 1, least_refused)]
    assert write(api, field, *texts) == ["created", "1003"]
    assert len(read(api, field, 1)[0]) == least_refused - 1


@pytest.mark.parametrize("nothing", ["null", '""'])
@pytest.mark.parametrize("field", ["amount", "probability", "isWon", "closeDate", "notes"])
def test_null_and_the_empty_string_are_values_of_every_type(api, field, nothing):
    assert write(api, field, nothing) == ["created"]
    assert read(api, field, 1) == [None]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2010-05-07", "2010-05-07T00:00:00+00:00"),
        ("2010-05-07T15:41", "2010-05-07T15:41:00+00:00"),
        ("2010-05-07 15:41:32", "2010-05-07T15:41:32+00:00"),
        ("2010-05-07T15:41:32.5", "2010-05-07T15:41:32+00:00"),
        ("2010-05-07T15:41:32,123456789 Z", "2010-05-07T15:41:32+00:00"),
        ("2010-05-07T15:41:32 +0530", "2010-05-07T10:11:32+00:00"),
        ("2010-05-07T23:41-05:00", "2010-05-08T04:41:00+00:00"),
        ("9999-12-31T23:59:59-00:01", None),
        ("0001-01-01T00:00:00+12:00", None),
        ("2010-05-07T24:41", None),
        ("2010-02-30", None),
        ("2010-05-07T15", None),
        ("2010-05-07T15:41:32.1234567890", None),
        ("2010-05-07T15:41:32+05", None),
        ("2010-05-07T15:41:32+25:00", None),
        ("2010-05-07Z", None),
        (" 2010-05-07", None),
        ("", None),
    ],
)
def test_datetimes_are_parsed_in_utc(text, moment):
    found = parse_datetime(text)
    assert (found and found.isoformat()) == moment


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5), ("5", 5), (" -5 ", -5), (True, None), (5.0, None), ("", None), ("\u00b2", None)],
)
def test_integers_are_parsed_from_text(value, number):
    assert parse_integer(value) == number
