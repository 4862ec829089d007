"""One `.singer` file for each way in which an input can be wrong, or only look so."""

from __future__ import annotations

import gzip
import json

import pytest

from marketo_opps import MarketoError
from tests.target_marketo_opps.helpers import stored

pytestmark = pytest.mark.slow

SECRET = "secret-value-4711"

LINE_1 = "Line 1 of the input cannot be used: "
LINE_4 = "Line 4 of the input cannot be used: "


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "garbage",
            "it is not JSON at column 1 (Expecting value).",
        ),
        ("json_but_no_message", "it is JSON, but no object."),
        (
            "message_without_type",
            "it has no 'type', so it is no Singer message.",
        ),
        (
            "message_of_unknown_type",
            ("its 'type' is none of RECORD, SCHEMA, STATE, BATCH, ACTIVATE_VERSION."),
        ),
        ("record_without_record", "it has no 'record'."),
        (
            "record_that_is_no_object",
            "its record is no object.",
        ),
        ("invalid_utf8", "invalid UTF-8 at byte 115."),
        ("state_without_value", "it has no 'value'."),
        (
            "deep_nesting",
            "it holds a number or a nesting beyond all measure.",
        ),
        (
            "truncated_last_line",
            (
                "it is not JSON at column 96 (Unterminated string "
                "starting at): it is cut short, as by a tap that died."
            ),
        ),
    ],
)
def test_an_unusable_line_is_named_but_not_quoted_and_what_came_before_is_delivered(
    marketo_sandbox,
    singer,
    name,
    sentence,
):
    run = singer.run(marketo_sandbox, singer.data_file(name))
    assert isinstance(run.error, MarketoError)
    assert str(run.error) == LINE_4 + sentence
    assert run.states == ["before"]
    assert set(stored(marketo_sandbox)) == {"A"}
    assert SECRET not in " ".join(run.log)


@pytest.mark.parametrize("name", ["last_line_without_newline", "blank_lines", "carriage_returns"])
def test_lines_may_end_in_any_way(marketo_sandbox, singer, name):
    run = singer.run(marketo_sandbox, singer.data_file(name)).succeeded()
    assert run.states == ["end"]
    assert set(stored(marketo_sandbox)) == {"A"}


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "record_before_schema",
            (LINE_1 + "it is a record of stream 'opportunities', of which no SCHEMA has come yet."),
        ),
        (
            "schema_without_properties",
            (LINE_1 + "the schema of stream 'opportunities' has no properties."),
        ),
        (
            "schema_that_is_no_object",
            (LINE_1 + "the schema of stream 'opportunities' has no properties."),
        ),
        (
            "schema_without_key_property",
            (
                "Stream 'opportunities' has no property for externalOpportunityId, so its records "
                "cannot be told apart in Marketo. Say in field_map which property that is, as in "
                '{"opportunities": {"...": "externalOpportunityId"}} (it has \'name\'). Or set the '
                "stream to 'ignore' in stream_objects."
            ),
        ),
    ],
)
def test_an_unusable_stream_ends_the_run_with_one_sentence(marketo_sandbox, singer, name, sentence):
    run = singer.run(marketo_sandbox, singer.data_file(name))
    assert isinstance(run.error, MarketoError)
    assert str(run.error) == sentence
    assert run.states == []
    assert stored(marketo_sandbox) == {}


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        (
            "lone_surrogate",
            "1003",
            "Field 'name' holds half of a surrogate pair, which is no character",
        ),
        ("blank_key", "1002", "Missing value for key field 'externalOpportunityId'"),
        ("a_field_that_is_an_object", "1001", "Field 'description' is not a string"),
    ],
)
def test_an_impossible_value_rejects_its_record_alone(  # noqa: PLR0917 - fixtures and parameters
    marketo_sandbox,
    singer,
    tmp_path,
    name,
    code,
    message,
):
    path = tmp_path / "rejects.jsonl"
    run = singer.run(
        marketo_sandbox, singer.data_file(name), max_rejects=1, rejects_path=str(path)
    ).succeeded()
    assert run.states == ["end"]
    assert set(stored(marketo_sandbox)) == {"A"}
    (reject,) = map(json.loads, path.read_text().splitlines())
    assert reject["reasons"] == [{"code": code, "message": message}]


@pytest.mark.parametrize("name", ["nan", "infinity"])
@pytest.mark.parametrize("nulls", ["send", "skip"])
def test_what_is_no_number_is_a_null_and_counted(marketo_sandbox, singer, name, nulls):
    run = singer.run(marketo_sandbox, singer.data_file(name), nulls=nulls).succeeded()
    assert set(stored(marketo_sandbox)) == {"A", "B"}
    assert stored(marketo_sandbox)["B"].get("amount") is None
    told = "Stream 'opportunities': values that are NaN or infinite, taken for null: 1."
    assert run.log.count(told) == 1


def test_two_deals_without_a_number_for_an_id_are_no_deal(marketo_sandbox, singer):
    lines = [
        b'{"type":"RECORD","stream":"opportunities","record":%b}' % record
        for record in (
            b'{"externalOpportunityId":NaN,"name":"one"}',
            b'{"externalOpportunityId":Infinity,"name":"other"}',
        )
    ]
    state = b'{"type":"STATE","value":{"at":NaN}}'
    messages = [singer.schema(), *lines, state]
    run = singer.run(marketo_sandbox, messages, max_rejects=2).succeeded()
    assert stored(marketo_sandbox) == {}
    assert any("2 rejected with 1002" in line for line in run.log)
    assert run.states == [{"at": None}]


def test_numbers_are_one_key_however_they_are_spelt_in_two_streams(marketo_sandbox, singer):
    def lines(stream, *spellings):
        record = b'{"type":"RECORD","stream":"%b","record":{"externalOpportunityId":%b,"name":%b}}'
        return [record % (stream, spelt, b'"x"') for spelt in spellings]

    messages = [
        singer.schema(),
        singer.schema("deals"),
        *lines(b"opportunities", b"12345", b"12345.0", b"1e16", b'"12345"', b"12345.50"),
        *lines(b"deals", b"1.2345e4", b"10000000000000000", b'"12345.0"', b"12345.5"),
    ]
    singer.run(marketo_sandbox, messages).succeeded()
    assert set(stored(marketo_sandbox)) == {"12345", "1" + "0" * 16, "12345.0", "12345.5"}


def test_an_integer_keeps_all_its_digits_or_is_rejected(marketo_sandbox, singer, tmp_path):
    path = tmp_path / "rejects.jsonl"
    data = singer.data_file("integers_beyond_64_bits")
    singer.run(marketo_sandbox, data, max_rejects=1, rejects_path=str(path)).succeeded()
    opportunities = stored(marketo_sandbox)
    assert opportunities["A"]["description"] == "123456789012345678901234567890"
    assert set(opportunities) == {"A", "C"}
    (reject,) = map(json.loads, path.read_text().splitlines())
    assert reject["record"]["probability"] == 123456789012345678901234567890
    assert reject["reasons"][0]["code"] == "1003"


def test_a_record_of_two_megabytes_is_rejected_before_any_call(marketo_sandbox, singer):
    texts = {f"custom{n}": "x" * 29_000 for n in range(70)}
    texts |= {"description": "x" * 2_000_000}
    messages = [
        singer.schema(),
        singer.opportunity("A"),
        singer.opportunity("B", **texts),
        singer.state(1),
    ]
    run = singer.run(marketo_sandbox, messages, max_rejects=1, unknown_fields="ignore").succeeded()
    assert run.states == [1]
    assert set(stored(marketo_sandbox)) == {"A"}
    assert any("1 rejected with 1003" in line for line in run.log)


def test_properties_that_the_schema_lacks_are_matched_all_the_same(marketo_sandbox, singer):
    data = singer.data_file("properties_the_schema_does_not_have")
    singer.run(marketo_sandbox, data).succeeded()
    assert stored(marketo_sandbox)["A"]["stage"] == "won"
    assert float(stored(marketo_sandbox)["A"]["expectedRevenue"]) == 12.5


def test_an_empty_file_is_a_clean_end(marketo_sandbox, singer):
    run = singer.run(marketo_sandbox, singer.data_file("empty")).succeeded()
    assert run.closing.startswith("No records; 0 calls")


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ({"stream": 5}, "the name of its stream is no text."),
        ({"stream": ["opportunities"]}, "the name of its stream is no text."),
        (
            {"schema": {"properties": {"externalOpportunityId": {}, "name": "string"}}},
            "a property in the schema of stream 'opportunities' is no object.",
        ),
        *(
            (
                {"key_properties": keys},
                "the key_properties of stream 'opportunities' are no list of names.",
            )
            for keys in ("id", 5, [5], [["id"]], {"id": 1})
        ),
    ],
)
@pytest.mark.parametrize("maps", [{}, {"stream_maps": {"opportunities": {"name": "'x'"}}}])
def test_a_malformed_schema_ends_the_run_with_one_sentence(
    marketo_sandbox, singer, schema, what, maps
):
    run = singer.run(marketo_sandbox, [singer.schema() | schema], **maps)
    assert isinstance(run.error, MarketoError)
    assert str(run.error) == LINE_1 + what


FLATTENING = {"flattening_enabled": True, "flattening_max_depth": 2}


@pytest.mark.parametrize(
    ("odd", "settings"),
    [
        (True, {"stream_maps": {"opportunities": {"description": "name"}}}),
        (True, FLATTENING),
        (False, FLATTENING),
        ({"type": "object", "properties": {"a": True}}, FLATTENING),
        ({"type": "object", "properties": 5}, FLATTENING),
    ],
)
def test_a_schema_that_cannot_be_mapped_ends_the_run_with_one_sentence(
    marketo_sandbox, singer, odd, settings
):
    properties = {"externalOpportunityId": {}, "name": odd}
    messages = [singer.state(1), singer.schema() | {"schema": {"properties": properties}}]
    run = singer.run(marketo_sandbox, messages, **settings)
    assert isinstance(run.error, MarketoError)
    assert str(run.error).startswith(
        "Line 2 of the input cannot be used: the schema of stream 'opportunities' is none that "
        "stream_maps or flattening can take ("
    )
    assert run.states == [1]


@pytest.mark.parametrize("keys", [None, [], ["externalOpportunityId"]])
def test_key_properties_may_be_left_empty(marketo_sandbox, singer, keys):
    messages = [singer.schema() | {"key_properties": keys}, singer.opportunity("A")]
    singer.run(marketo_sandbox, messages).succeeded()
    assert set(stored(marketo_sandbox)) == {"A"}


def test_a_state_comes_out_as_it_came_in_even_with_half_of_a_surrogate_pair(
    marketo_sandbox, singer
):
    data = singer.encode(
        [rb'{"type": "STATE", "value": {"at": "\ud83d", "n": 1234567890123456789012}}']
    )
    run = singer.run(marketo_sandbox, data).succeeded()
    assert run.states == [{"at": "\ud83d", "n": 1234567890123456789012}]


# Without the time: it would be part of the tests' names, and each worker must see the same ones.
BATCH_OF_500 = gzip.compress(
    b"".join(b'{"externalOpportunityId": "%d", "name": "x"}\n' % n for n in range(500)), mtime=0
)


@pytest.mark.parametrize(
    ("url", "content", "what"),
    [
        ("missing.gz", None, "The BATCH file 'missing.gz' cannot be read: "),
        ("cut.gz", BATCH_OF_500[:-20], "The BATCH file 'cut.gz' cannot be read: "),
        # A block type that deflate does not have.
        ("bad.gz", BATCH_OF_500[:10] + b"\xff" * 9, "The BATCH file 'bad.gz' cannot be read: "),
        ("s3://bucket/far.gz?sig=" + SECRET, None, "The BATCH file 'far.gz' cannot be read: "),
        ("zzz://host/odd.gz", None, "The BATCH file 'odd.gz' cannot be read: "),
        (5, None, "A BATCH message's manifest is no list of files."),
        ("", None, "A BATCH message's manifest is no list of files."),
        (" ", None, "A BATCH message's manifest is no list of files."),
    ],
)
def test_a_batch_file_that_cannot_be_read_ends_the_run_with_one_sentence(  # noqa: PLR0917 - fixtures and parameters
    marketo_sandbox, singer, tmp_path, url, content, what
):
    if content is not None:
        (tmp_path / url).write_bytes(content)
    if isinstance(url, str) and url.strip() and "://" not in url:
        url = (tmp_path / url).as_uri()
    run = singer.run(
        marketo_sandbox, [singer.schema(), singer.state(1), batch([url]), singer.state(2)]
    )
    assert isinstance(run.error, MarketoError)
    assert str(run.error).startswith(what)
    assert SECRET not in str(run.error)
    assert run.states == [1]


@pytest.mark.parametrize("message", [{"manifest": None}, {"manifest": "file:///x"}])
def test_a_manifest_is_a_list(marketo_sandbox, singer, message):
    run = singer.run(marketo_sandbox, [singer.schema(), batch([]) | message])
    assert str(run.error) == "A BATCH message's manifest is no list of files."


@pytest.mark.parametrize("encoding", ["jsonl", None, {"format": "parquet"}])
def test_an_unreadable_encoding_is_an_error(marketo_sandbox, singer, encoding):
    run = singer.run(marketo_sandbox, [singer.schema(), batch([]) | {"encoding": encoding}])
    assert str(run.error).startswith("A BATCH message has an encoding other than jsonl")


def test_blank_lines_in_a_batch_file_are_passed_over(marketo_sandbox, singer, tmp_path):
    path = tmp_path / "batch.gz"
    path.write_bytes(gzip.compress(b'\n{"externalOpportunityId": "A", "name": "x"}\r\n\r\n\n'))
    singer.run(marketo_sandbox, [singer.schema(), batch([path.as_uri()])]).succeeded()
    assert set(stored(marketo_sandbox)) == {"A"}


def batch(manifest):
    return {
        "type": "BATCH",
        "stream": "opportunities",
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "manifest": manifest,
    }


def test_what_stream_maps_fails_on_is_one_records_reject(marketo_sandbox, singer, tmp_path):
    path = tmp_path / "rejects.jsonl"
    maps = {"opportunities": {"amount": "float(amount) * 2", "name": "name.upper()"}}
    messages = [
        singer.schema(),
        singer.opportunity("A", amount=1),
        singer.opportunity("B", amount=None),
        singer.opportunity("C", amount=None, name=None),
        singer.opportunity("D", amount=2),
        singer.state(1),
    ]
    run = singer.run(
        marketo_sandbox, messages, stream_maps=maps, rejects_path=str(path), max_rejects=2
    ).succeeded()
    assert run.states == [1]
    assert {key: float(one["amount"]) for key, one in stored(marketo_sandbox).items()} == {
        "A": 2,
        "D": 4,
    }
    one, two = map(json.loads, path.read_text().splitlines())
    assert [reason["message"] for reason in one["reasons"]] == [
        "stream_maps fails on 'amount' (float(amount) * 2) with TypeError"
    ]
    assert [reason["message"] for reason in two["reasons"]] == [
        "stream_maps fails on 'amount' (float(amount) * 2) with TypeError",
        "stream_maps fails on 'name' (name.upper()) with AttributeDoesNotExist",
    ]
    assert one["record"] == {"externalOpportunityId": "B", "name": "Deal B", "amount": None}


@pytest.mark.parametrize(
    "maps",
    [
        {"opportunities": {"__filter__": "amount > 1"}},
        {"opportunities": {"name": "missing"}},
        {"copies": {"__source__": "opportunities", "name": "name + 1"}, "opportunities": None},
        {"opp*": {"name": "config['x']"}},
    ],
)
def test_each_kind_of_expression_is_named(marketo_sandbox, singer, tmp_path, maps):
    path = tmp_path / "rejects.jsonl"
    messages = [singer.schema(), singer.opportunity("A", amount=None)]
    settings = {"stream_maps": maps, "rejects_path": str(path), "max_rejects": 1}
    singer.run(marketo_sandbox, messages, **settings).succeeded()
    (reason,) = json.loads(path.read_text())["reasons"]
    definition = next(iter(maps.values()))
    name, expression = [*definition.items()][-1]
    assert reason["message"].startswith(f"stream_maps fails on '{name}' ({expression}) with ")


@pytest.mark.parametrize(
    "settings",
    [
        {"stream_objects": {"odd": "ignore"}},
        {"stream_maps": {"odd": None}},
        {"stream_maps": {"odd": "__NULL__"}},
        {"stream_maps": {"o*d": None}},
        {"stream_maps": {"__else__": None, "opportunities": {}}},
        {"stream_maps": {"odd": {"__alias__": "x"}}, "stream_objects": {"x": "ignore"}},
        {"stream_maps": {"odd": {"__alias__": "opportunity_fields", "a": "b("}}},
    ],
)
@pytest.mark.parametrize("schema", [{}, {"properties": 5}, [], {"properties": {"a": "string"}}])
def test_what_is_ignored_is_not_looked_at(marketo_sandbox, singer, settings, schema):
    manifest = {"encoding": 5, "manifest": 5}
    messages = [
        {"type": "SCHEMA", "stream": "odd", "schema": schema, "key_properties": 5},
        singer.schema(),
        {"type": "RECORD", "stream": "odd", "record": 5},
        {"type": "BATCH", "stream": "odd", **manifest},
        singer.opportunity("A"),
        singer.state(1),
    ]
    run = singer.run(marketo_sandbox, messages, **settings).succeeded()
    assert run.states == [1]
    assert set(stored(marketo_sandbox)) == {"A"}
    assert not any("never came" in line for line in run.log)


def test_a_stream_of_which_another_is_made_is_looked_at(marketo_sandbox, singer):
    maps = {"deals": {"__source__": "raw"}, "raw": None}
    messages = [singer.schema("raw"), singer.record("raw", externalOpportunityId="A", name="x")]
    singer.run(marketo_sandbox, messages, stream_maps=maps).succeeded()
    assert set(stored(marketo_sandbox)) == {"A"}


def test_streams_that_never_came_are_told_at_the_end(marketo_sandbox, singer):
    run = singer.run(
        marketo_sandbox,
        [singer.schema(), singer.opportunity("A")],
        stream_objects={"deals": "opportunities", "opportunities": "opportunities"},
        field_map={"deal": {"a": "name"}},
        stream_maps={"opps": {"name": "'x'"}, "opp*": {}, "copy": {"__source__": "raw"}},
    ).succeeded()
    assert [line for line in run.log if "never came" in line] == [
        f"Setting '{setting}' has entries for streams that never came: {names}. What came: "
        "'opportunities'."
        for setting, names in {
            "stream_objects": "'deals'",
            "field_map": "'deal'",
            "stream_maps": "'copy', 'opps'",
        }.items()
    ]


@pytest.mark.parametrize("maps", [{}, {"stream_maps": {"opportunities": {"stage": "'won'"}}}])
def test_a_closed_schema_leaves_out_what_it_does_not_name(marketo_sandbox, singer, maps):
    schema = singer.schema(properties=("externalOpportunityId", "name"))
    schema["schema"]["additionalProperties"] = False
    deal = singer.opportunity("A", amount=5, bogus=1)
    gone = singer.opportunity("B", _sdc_deleted_at="2026-01-01")
    run = singer.run(marketo_sandbox, [schema, deal, gone], **maps).succeeded()
    assert stored(marketo_sandbox)["A"].get("amount") is None
    assert stored(marketo_sandbox)["A"].get("stage") == ("won" if maps else None)
    assert set(stored(marketo_sandbox)) == {"A"}
    assert not any("no field for" in line for line in run.log)


def test_the_message_of_an_unknown_stream_says_all_that_has_to_be_set(marketo_sandbox, singer):
    messages = [
        singer.schema("deals", ("deal_id", "dealname")),
        singer.record("deals", deal_id=7.0, dealname="x"),
    ]
    run = singer.run(marketo_sandbox, messages)
    assert str(run.error) == (
        "Stream 'deals' is not 'opportunities' and has no property for externalOpportunityId: say "
        "in stream_objects whether it is 'opportunities', 'opportunity_roles' or 'ignore', as in "
        '{"deals": "opportunities"}. Say in field_map which property that is, as in {"deals": '
        "{\"deal_id\": \"externalOpportunityId\"}} (it has 'deal_id', 'dealname')."
    )
    names = {"deal_id": "externalOpportunityId", "dealname": "name"}
    singer.run(marketo_sandbox, messages, field_map={"deals": names}).succeeded()
    assert stored(marketo_sandbox)["7"]["name"] == "x"


@pytest.mark.parametrize("value", [None, {}])
def test_a_state_of_nothing_is_not_handed_on(marketo_sandbox, singer, value):
    messages = [singer.schema(), singer.opportunity("A"), singer.state(1), singer.state(value)]
    assert singer.run(marketo_sandbox, messages).succeeded().states == [1]


def test_a_byte_order_mark_is_taken(marketo_sandbox, singer):
    data = b"\xef\xbb\xbf" + singer.encode([singer.schema(), singer.opportunity("A")])
    singer.run(marketo_sandbox, data).succeeded()
    assert set(stored(marketo_sandbox)) == {"A"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named_as_such(marketo_sandbox, singer, encoding):
    data = singer.encode([singer.schema(), singer.opportunity("A")]).decode().encode(encoding)
    run = singer.run(marketo_sandbox, data)
    assert str(run.error) == (
        LINE_1 + "it is UTF-16, as some shells write it; have it written as UTF-8."
    )


def test_a_batch_file_of_whole_messages_is_named_as_that(marketo_sandbox, singer, tmp_path):
    path = tmp_path / "batch.gz"
    path.write_bytes(gzip.compress(singer.encode([singer.opportunity("A")])))
    run = singer.run(marketo_sandbox, [singer.schema(), batch([path.as_uri()])])
    assert str(run.error) == (
        "Line 1 of the BATCH file 'batch.gz': it is a whole Singer message, and a BATCH file holds "
        "records alone."
    )


def test_a_batch_file_may_have_a_byte_order_mark_and_a_short_url(marketo_sandbox, singer, tmp_path):
    path = tmp_path / "batch.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"externalOpportunityId": "A", "name": "x"}\n'))
    singer.run(marketo_sandbox, [singer.schema(), batch([f"file:{path}"])]).succeeded()
    assert set(stored(marketo_sandbox)) == {"A"}
