"""Marketo's values, converted to the type that describe gives."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal

import jsonschema
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from marketo_opps import FieldDescription, encode_record
from marketo_opps.field_types import is_known_type
from marketo_opps.fields import json_schema, reader

STRING_TYPES = ("string", "text", "email", "phone", "url", "reference", "brand_new_type")
INTEGER_TYPES = ("integer", "score", "percent")
NUMBER_TYPES = ("float", "currency")
TYPES = (*STRING_TYPES, *INTEGER_TYPES, *NUMBER_TYPES, "boolean", "date", "datetime")


def field(data_type, length=None, name="x"):
    return FieldDescription(name, "Shown as", data_type, length)


def read(data_type, value):
    return reader(field(data_type))(value)


def plain(value):
    return float(value) if isinstance(value, Decimal) else value


@pytest.mark.parametrize("data_type", TYPES)
def test_a_value_nested_too_deeply_fits_no_type(data_type):
    value = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueError, match="it is"):
        read(data_type, value)


def test_unknown_types_are_recognized():
    assert [each for each in TYPES if not is_known_type(each)] == ["brand_new_type"]


class TestReading:
    @pytest.mark.parametrize(
        ("data_type", "value", "typed"),
        [
            ("string", "text", "text"),
            ("string", "", ""),
            ("string", " kept ", " kept "),
            ("string", 12, "12"),
            ("string", Decimal("1.10"), "1.10"),
            ("string", True, "true"),
            ("string", ["a", 1], '["a", 1]'),
            ("string", {"a": Decimal(1)}, '{"a": "1"}'),
            ("integer", 12, 12),
            ("integer", "12", 12),
            ("integer", " -12 ", -12),
            ("integer", "+12", 12),
            ("integer", "12.0", 12),
            ("integer", "1e3", 1000),
            ("integer", Decimal("12.00"), 12),
            ("integer", 12.0, 12),
            ("integer", "123456789012345678901234567890", 123456789012345678901234567890),
            ("integer", "", None),
            ("integer", "  ", None),
            *(("boolean", value, True) for value in (Decimal("1.0"), "1.0", 1.0, "1e0")),
            *(("boolean", value, False) for value in (Decimal("0.0"), "0.00", 0.0, "-0")),
            ("currency", "1604.47", Decimal("1604.47")),
            ("currency", Decimal("1234567890123456.78"), Decimal("1234567890123456.78")),
            ("currency", "0.10", Decimal("0.10")),
            ("currency", 7, 7),
            ("currency", 0.1, Decimal("0.1")),
            ("float", ".5", Decimal("0.5")),
            ("float", "5.", Decimal(5)),
            ("float", "-1.5E-3", Decimal("-0.0015")),
            ("float", "", None),
            ("boolean", True, True),
            ("boolean", "true", True),
            ("boolean", " FALSE ", False),
            ("boolean", 1, True),
            ("boolean", "0", False),
            ("boolean", "", None),
            ("date", "2010-05-07", "2010-05-07"),
            ("date", " 2010-05-07 ", "2010-05-07"),
            ("date", "20100507", "2010-05-07"),
            ("date", "2010-05-07T23:00:00-05:00", "2010-05-07"),
            ("date", "2010-05-07T23:00:00Z", "2010-05-07"),
            ("date", "0987-01-02", "0987-01-02"),
            ("date", "", None),
            ("datetime", "2015-02-03T22:36:23Z", "2015-02-03T22:36:23Z"),
            ("datetime", "2015-02-03T22:36:23+0000", "2015-02-03T22:36:23Z"),
            ("datetime", "2015-02-03T22:36:23-05:00", "2015-02-04T03:36:23Z"),
            ("datetime", "2015-02-03 22:36:23", "2015-02-03T22:36:23Z"),
            ("datetime", "2015-02-03 22:36:23Z", "2015-02-03T22:36:23Z"),
            ("datetime", "2015-02-03T22:36:23.999Z", "2015-02-03T22:36:23Z"),
            ("datetime", "2015-02-03T223623.1Z", "2015-02-03T22:36:23Z"),
            ("datetime", "2015-W06-2T22:36:23Z", "2015-02-03T22:36:23Z"),
            ("datetime", "2015-02-03", "2015-02-03T00:00:00Z"),
            ("datetime", "0987-01-02T00:30:00+01:00", "0987-01-01T23:30:00Z"),
            ("datetime", "", None),
        ],
    )
    def test_a_value_is_converted_to_its_type(self, data_type, value, typed):
        came = read(data_type, value)
        assert came == typed
        assert type(came) is type(typed)
        jsonschema.validate(plain(came), json_schema(field(data_type)))

    @pytest.mark.parametrize(
        ("data_type", "value"),
        [
            *(
                (data_type, value)
                for data_type in (*INTEGER_TYPES, *NUMBER_TYPES)
                for value in (
                    *("abc", "1,604.47", "$5", "1e", "NaN", "Infinity", "0x10", "1_000", "١٢"),
                    *("1e400", "1e99999", "--1"),
                    *(True, [], {}, float("nan"), float("inf"), Decimal("NaN"), Decimal("sNaN")),
                    *(Decimal("1E+400"), Decimal("-1E+999999")),
                )
            ),
            *((data_type, value) for data_type in INTEGER_TYPES for value in ("12.5", 0.5)),
            *(("boolean", value) for value in ("yes", "2", 2, "1.5", "1_0", "null", [])),
            *(("date", value) for value in ("2010-13-01", "yesterday", "2010-02-30", 20100507, [])),
            *(
                ("datetime", value)
                for value in (
                    *("2015-02-03T25:00:00Z", "now", 1423002983, []),
                    *("0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00"),
                )
            ),
        ],
    )
    def test_a_value_that_does_not_fit_is_an_error(self, data_type, value):
        with pytest.raises(ValueError):
            read(data_type, value)

    def test_a_guid_is_stripped_of_blanks(self):
        assert reader(field("string", name="marketoGUID"))("abc  ") == "abc"

    @given(
        st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**300), max_value=10**300)
    )
    def test_numbers_keep_every_digit(self, number):
        typed = read("currency", str(number))
        assert typed == number
        assert encode_record({"x": number}) == encode_record({"x": typed})

    @given(st.integers())
    def test_whole_numbers_of_any_size_are_exact(self, number):
        assume(abs(number) < 10**300)
        assert read("integer", str(number)) == number
        assert read("integer", number) == number

    @given(st.datetimes(timezones=st.timezones()))
    def test_datetimes_are_exact_to_the_second(self, moment):
        assume(datetime(2, 1, 1, tzinfo=UTC) < moment < datetime(9998, 1, 1, tzinfo=UTC))
        assume(moment.utcoffset().seconds % 60 == 0)
        typed = read("datetime", moment.isoformat())
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", typed)
        assert datetime.fromisoformat(typed) == moment.astimezone(UTC).replace(microsecond=0)

    @given(st.one_of(st.booleans(), st.integers(), st.floats(), st.text()), st.sampled_from(TYPES))
    def test_any_value_fits_the_schema_or_raises_value_error(self, value, data_type):
        try:
            typed = read(data_type, value)
        except ValueError:
            return
        jsonschema.validate(plain(typed), json_schema(field(data_type)))
