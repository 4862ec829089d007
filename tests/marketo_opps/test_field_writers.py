"""Singer's values in the form that Marketo stores, or the reason why a field rejects them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketo_opps import FieldDescription, FieldValueError, encode_record
from marketo_opps.field_writers import writer
from marketo_opps.fields import reader

STRING_TYPES = ("string", "text", "email", "phone", "url", "reference", "brand_new_type")
INTEGER_TYPES = ("integer", "score", "percent")
NUMBER_TYPES = ("float", "currency")
TYPES = (*STRING_TYPES, *INTEGER_TYPES, *NUMBER_TYPES, "boolean", "date", "datetime")


def field(data_type, length=None, name="x"):
    return FieldDescription(name, "Shown as", data_type, length)


def read(data_type, value):
    return reader(field(data_type))(value)


def write(data_type, value, length=None, *, truncate=False):
    return writer(field(data_type, length), truncate_strings=truncate)(value)


class TestWriting:
    @pytest.mark.parametrize(
        ("data_type", "value", "written"),
        [
            ("string", "text", "text"),
            ("string", "", ""),
            ("string", 12, "12"),
            ("string", Decimal("1.10"), "1.1"),
            ("string", 0.1, "0.1"),
            ("string", False, "false"),
            ("integer", "12", 12),
            ("integer", Decimal("12.0"), 12),
            ("integer", "", None),
            ("integer", 2**63 - 1, 2**63 - 1),
            ("integer", -(2**63), -(2**63)),
            ("currency", "1604.47", Decimal("1604.47")),
            ("currency", Decimal("1234567890123456.78"), Decimal("1234567890123456.78")),
            ("currency", " ", None),
            ("boolean", "True", True),
            ("boolean", 0, False),
            ("date", "2010-05-07T01:02:03Z", "2010-05-07"),
            ("date", date(2010, 5, 7), "2010-05-07"),
            ("date", datetime(2010, 5, 7, 1, tzinfo=UTC), "2010-05-07"),
            ("datetime", "2015-02-03T22:36:23.5+02:00", "2015-02-03T20:36:23Z"),
            ("datetime", "2015-02-03T22:36:23", "2015-02-03T22:36:23Z"),
            (
                "datetime",
                datetime(2015, 2, 3, 22, tzinfo=timezone(timedelta(hours=2))),
                "2015-02-03T20:00:00Z",
            ),
            ("datetime", datetime(2015, 2, 3, 22), "2015-02-03T22:00:00Z"),  # noqa: DTZ001 - naive is the case
            ("datetime", date(2015, 2, 3), "2015-02-03T00:00:00Z"),
            ("datetime", "", None),
        ],
    )
    def test_a_singer_value_is_converted_to_marketos(self, data_type, value, written):
        came = write(data_type, value)
        assert came == written
        assert type(came) is type(written)

    @pytest.mark.parametrize(
        ("data_type", "value", "message"),
        [
            ("integer", "12.5", "is not a whole number"),
            ("integer", True, "is not a whole number"),
            ("currency", "much", "is not a number"),
            ("currency", Decimal("NaN"), "is not a number"),
            ("float", ["1"], "is not a number"),
            ("boolean", "maybe", "is not a boolean"),
            ("boolean", Decimal("1E+400"), "is not a boolean"),
            ("date", "soon", "is not a date"),
            ("date", Decimal("1E+400"), "is not a date"),
            ("datetime", 12, "is not a date and time"),
            ("string", ["a"], "is not a string"),
            ("text", {"a": 1}, "is not a string"),
        ],
    )
    def test_a_value_of_the_wrong_type_has_marketos_code(self, data_type, value, message):
        with pytest.raises(FieldValueError) as caught:
            write(data_type, value)
        assert str(caught.value.reason) == f"1001 Field 'x' {message}"
        assert str(caught.value) == f"Field 'x' {message}"

    @pytest.mark.parametrize(
        "value", [2**63, -(2**63) - 1, "1e30", "-1e400", Decimal("1E+400"), -(10**309)]
    )
    def test_an_integer_over_64_bits_is_an_error(self, value):
        with pytest.raises(FieldValueError, match="beyond 64 bits") as caught:
            write("integer", value)
        assert caught.value.reason.code == "1003"

    @pytest.mark.parametrize("value", [Decimal("1E+400"), Decimal("-1E+400"), "1e400", 10**309])
    def test_a_number_that_is_too_large_is_an_error(self, value):
        with pytest.raises(FieldValueError) as caught:
            write("currency", value)
        assert str(caught.value.reason) == "1003 Field 'x' is a number that is too large"

    def test_a_string_longer_than_its_field_is_an_error(self):
        assert write("string", "é" * 50, length=50) == "é" * 50
        with pytest.raises(FieldValueError, match="longer than 50 characters") as caught:
            write("string", "é" * 51, length=50)
        assert caught.value.reason.code == "1003"

    def test_a_string_that_is_too_long_is_truncated_on_request(self):
        assert write("string", "abcdef", length=3, truncate=True) == "abc"
        assert write("string", "abc", length=3, truncate=True) == "abc"

    def test_a_long_text_may_have_30_000_bytes(self):
        assert write("text", "é" * 15_000) == "é" * 15_000
        with pytest.raises(FieldValueError, match="longer than 30000 bytes"):
            write("text", "é" * 15_001)
        cut = write("text", "x" + "é" * 15_000, truncate=True)
        assert len(cut.encode()) == 29_999
        assert set(cut) == {"x", "é"}

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (12345, "12345"),
            (Decimal("12345.0"), "12345"),
            (Decimal("1.2345E+4"), "12345"),
            (Decimal("12345.50"), "12345.5"),
            (Decimal("1E+16"), "1" + 16 * "0"),
            (Decimal("-0.0"), "0"),
            (Decimal("1E-7"), "0.0000001"),
            (Decimal(100), "100"),
            (1.5e22, "15" + 21 * "0"),
            (False, "false"),
            ("12345.0", "12345.0"),
            ("1E+16", "1E+16"),
            ("NaN", "NaN"),
        ],
    )
    def test_numbers_become_text_in_plain_notation(self, value, text):
        assert write("string", value, length=255) == text

    @pytest.mark.parametrize("value", [Decimal("1E+500"), Decimal("1E-999999999")])
    def test_a_number_with_too_many_digits_is_an_error(self, value):
        with pytest.raises(FieldValueError, match="is a number that is too large") as caught:
            write("string", value, truncate=True)
        assert caught.value.reason.code == "1003"

    @pytest.mark.parametrize(
        "value",
        [
            "1_000",
            "\u0661\u0662",
            "\uff11\uff12",
            "null",
            "None",
            "NaN",
            "0x10",
            "1,000",
            "12-",
            "1.5",
        ],
    )
    def test_integers_are_read_by_one_rule(self, value):
        with pytest.raises(FieldValueError, match="is not a whole number"):
            write("integer", value)

    def test_a_described_length_precedes_the_30_000_bytes(self):
        assert write("text", "ü" * 20_000, length=20_000) == "ü" * 20_000

    def test_strings_are_not_truncated_by_default(self):
        with pytest.raises(FieldValueError) as caught:
            writer(field("string", 3))("abcd")
        assert caught.value.reason.code == "1003"

    @pytest.mark.parametrize("value", ["\ud800", "ok \udfff", "\udc00" * 60])
    def test_half_a_surrogate_pair_is_an_error(self, value):
        with pytest.raises(FieldValueError, match="surrogate") as caught:
            write("string", value, length=50, truncate=True)
        assert caught.value.reason.code == "1003"

    def test_no_message_quotes_the_value(self):
        for data_type in (*INTEGER_TYPES, *NUMBER_TYPES, "boolean", "date", "datetime"):
            with pytest.raises(FieldValueError) as caught:
                write(data_type, "customer")
            assert "customer" not in str(caught.value)
            assert caught.value.__cause__ is None

    @given(
        st.sampled_from(TYPES),
        st.one_of(
            st.booleans(),
            st.integers(),
            st.floats(),
            st.decimals(),
            st.text(),
            st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
            st.dates().map(date.isoformat),
            st.lists(st.integers(), max_size=2),
        ),
    )
    def test_a_written_value_is_json_and_reads_back_the_same(self, data_type, value):
        try:
            written = write(data_type, value)
        except FieldValueError:
            return
        sent = json.loads(encode_record({"x": written}), parse_float=Decimal)["x"]
        if written is not None:
            read_back = read(data_type, sent)
            assert read_back == written
            assert read_back is None or write(data_type, read_back) == written
