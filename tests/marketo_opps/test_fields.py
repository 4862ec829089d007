"""describe's fields as JSON Schema, and values in both directions."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import jsonschema
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from marketo_opps import FieldDescription, FieldValueError, ObjectDescription, encode_record
from marketo_opps.fields import (
    is_known_type,
    json_schema,
    object_schema,
    reader,
    record_reader,
    writer,
)

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


class TestSchema:
    @pytest.mark.parametrize(
        ("data_type", "schema"),
        [
            *((each, {"type": ["string", "null"]}) for each in STRING_TYPES),
            *((each, {"type": ["integer", "null"]}) for each in INTEGER_TYPES),
            *((each, {"type": ["number", "null"]}) for each in NUMBER_TYPES),
            ("boolean", {"type": ["boolean", "null"]}),
            ("date", {"type": ["string", "null"], "format": "date"}),
            ("datetime", {"type": ["string", "null"], "format": "date-time"}),
        ],
    )
    def test_each_data_type_has_its_own(self, data_type, schema):
        assert json_schema(field(data_type)) == schema | {"description": "Shown as"}

    def test_a_length_is_told_for_text_alone(self):
        assert json_schema(field("string", 255))["maxLength"] == 255
        assert "maxLength" not in json_schema(field("text"))
        for data_type in (*INTEGER_TYPES, *NUMBER_TYPES, "boolean", "date", "datetime"):
            assert "maxLength" not in json_schema(field(data_type, 10))

    def test_no_display_name_is_no_description(self):
        assert json_schema(FieldDescription("x", "", "string")) == {"type": ["string", "null"]}

    def test_an_objects_id_is_never_null(self):
        schema = object_schema(DESCRIPTION)
        assert list(schema["properties"]) == list(DESCRIPTION.field_names)
        assert schema["properties"]["marketoGUID"]["type"] == "string"
        assert schema["properties"]["amount"]["type"] == ["number", "null"]

    def test_an_object_may_be_told_in_part(self):
        schema = object_schema(DESCRIPTION, ["name", "amount"])
        assert list(schema["properties"]) == ["name", "amount"]

    def test_unknown_types_are_told_apart(self):
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
    def test_a_value_comes_out_in_its_type(self, data_type, value, typed):
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
            *(("boolean", value) for value in ("yes", "2", 2, "1.0", [])),
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
    def test_a_value_that_does_not_fit_is_refused(self, data_type, value):
        with pytest.raises(ValueError):
            read(data_type, value)

    def test_a_guid_loses_its_stray_blanks(self):
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
    def test_datetimes_keep_their_moment_to_the_second(self, moment):
        assume(datetime(2, 1, 1, tzinfo=UTC) < moment < datetime(9998, 1, 1, tzinfo=UTC))
        assume(moment.utcoffset().seconds % 60 == 0)
        typed = read("datetime", moment.isoformat())
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", typed)
        assert datetime.fromisoformat(typed) == moment.astimezone(UTC).replace(microsecond=0)

    @given(st.one_of(st.booleans(), st.integers(), st.floats(), st.text()), st.sampled_from(TYPES))
    def test_whatever_comes_either_fits_the_schema_or_raises_value_error(self, value, data_type):
        try:
            typed = read(data_type, value)
        except ValueError:
            return
        jsonschema.validate(plain(typed), json_schema(field(data_type)))


def plain(value):
    return float(value) if isinstance(value, Decimal) else value


class TestWriting:
    @pytest.mark.parametrize(
        ("data_type", "value", "written"),
        [
            ("string", "text", "text"),
            ("string", "", ""),
            ("string", 12, "12"),
            ("string", Decimal("1.10"), "1.10"),
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
    def test_a_singer_value_becomes_marketos(self, data_type, value, written):
        came = write(data_type, value)
        assert came == written
        assert type(came) is type(written)

    @pytest.mark.parametrize(
        ("data_type", "value", "message"),
        [
            ("integer", "12.5", "is not a whole number"),
            ("integer", True, "is not a whole number"),
            ("score", "1e400", "is not a whole number"),
            ("percent", Decimal("1E+400"), "is not a whole number"),
            ("currency", "much", "is not a number"),
            ("currency", Decimal("NaN"), "is not a number"),
            ("float", ["1"], "is not a number"),
            ("boolean", "maybe", "is not a boolean"),
            ("date", "soon", "is not a date"),
            ("datetime", 12, "is not a date and time"),
            ("string", ["a"], "is not a string"),
            ("text", {"a": 1}, "is not a string"),
        ],
    )
    def test_a_value_of_the_wrong_type_is_refused_as_marketo_would(self, data_type, value, message):
        with pytest.raises(FieldValueError) as caught:
            write(data_type, value)
        assert str(caught.value.reason) == f"1001 Field 'x' {message}"
        assert str(caught.value) == f"Field 'x' {message}"

    @pytest.mark.parametrize("value", [2**63, -(2**63) - 1, "1e30"])
    def test_an_integer_beyond_64_bits_is_refused(self, value):
        with pytest.raises(FieldValueError, match="beyond 64 bits") as caught:
            write("integer", value)
        assert caught.value.reason.code == "1003"

    def test_a_string_may_be_as_long_as_its_field_and_no_longer(self):
        assert write("string", "é" * 50, length=50) == "é" * 50
        with pytest.raises(FieldValueError, match="longer than 50 characters") as caught:
            write("string", "é" * 51, length=50)
        assert caught.value.reason.code == "1003"

    def test_a_string_that_is_too_long_is_cut_if_asked(self):
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
        ("value", "text"), [(Decimal("1E+5"), "1E+5"), (1.5e300, "1.5e+300"), (False, "false")]
    )
    def test_what_is_no_text_is_written_as_it_is_said(self, value, text):
        assert write("string", value, length=255) == text

    def test_a_text_is_measured_by_its_described_length_where_it_has_one(self):
        assert write("text", "ü" * 20_000, length=20_000) == "ü" * 20_000

    def test_strings_are_not_cut_unless_asked_for(self):
        with pytest.raises(FieldValueError) as caught:
            writer(field("string", 3))("abcd")
        assert caught.value.reason.code == "1003"

    @pytest.mark.parametrize("value", ["\ud800", "ok \udfff", "\udc00" * 60])
    def test_half_a_surrogate_pair_is_refused(self, value):
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
    def test_what_is_written_reads_back_the_same_and_is_json(self, data_type, value):
        try:
            written = write(data_type, value)
        except FieldValueError:
            return
        sent = json.loads(encode_record({"x": written}), parse_float=Decimal)["x"]
        if written is not None:
            read_back = read(data_type, sent)
            assert read_back == written
            assert read_back is None or write(data_type, read_back) == written


FIELDS = (
    FieldDescription("marketoGUID", "GUID", "string", 36, updateable=False),
    FieldDescription("name", "Name", "string", 255),
    FieldDescription("amount", "Amount", "currency"),
    FieldDescription("probability", "Probability", "integer"),
    FieldDescription("isWon", "Won", "boolean"),
    FieldDescription("closeDate", "Close date", "date"),
    FieldDescription("updatedAt", "Updated", "datetime", updateable=False),
)
DESCRIPTION = ObjectDescription(
    "opportunity",
    "marketoGUID",
    ("externalOpportunityId",),
    (("externalOpportunityId",), ("marketoGUID",)),
    FIELDS,
)


class TestRecordReader:
    @pytest.fixture
    def misfits(self):
        return []

    @pytest.fixture
    def read_record(self, misfits):
        return record_reader(
            DESCRIPTION, DESCRIPTION.field_names, lambda name, guid: misfits.append((name, guid))
        )

    def test_a_record_comes_out_typed_and_in_order(self, read_record, misfits):
        typed = read_record(
            {
                "seq": 3,
                "updatedAt": "2015-02-03T22:36:23+0000",
                "marketoGUID": "abc ",
                "name": "n",
                "amount": "1604.47",
                "probability": "20",
                "isWon": "false",
                "closeDate": "2010-05-07",
                "unasked": 1,
            }
        )
        assert typed == {
            "marketoGUID": "abc",
            "name": "n",
            "amount": Decimal("1604.47"),
            "probability": 20,
            "isWon": False,
            "closeDate": "2010-05-07",
            "updatedAt": "2015-02-03T22:36:23Z",
        }
        assert list(typed) == list(DESCRIPTION.field_names)
        assert misfits == []

    def test_what_is_absent_or_blank_is_null(self, read_record, misfits):
        assert read_record({"marketoGUID": "abc", "amount": "", "isWon": None}) == {
            "marketoGUID": "abc",
            "name": None,
            "amount": None,
            "probability": None,
            "isWon": None,
            "closeDate": None,
            "updatedAt": None,
        }
        assert misfits == []

    def test_what_does_not_fit_is_null_and_told_and_the_rest_is_kept(self, read_record, misfits):
        typed = read_record(
            {
                "marketoGUID": "abc ",
                "name": "n",
                "amount": "a lot",
                "probability": True,
                "isWon": 1,
                "closeDate": "2010-02-30",
            }
        )
        assert typed == {
            "marketoGUID": "abc",
            "name": "n",
            "amount": None,
            "probability": None,
            "isWon": True,
            "closeDate": None,
            "updatedAt": None,
        }
        assert misfits == [("amount", "abc"), ("probability", "abc"), ("closeDate", "abc")]

    def test_a_boolean_is_no_integer(self, read_record, misfits):
        assert read_record({"probability": True})["probability"] is None
        assert misfits == [("probability", "")]
