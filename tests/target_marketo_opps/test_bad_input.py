"""Test many forms of invalid input; single situations are in `tests/pipeline/inputs`."""

from __future__ import annotations

import gzip
import json

import pytest

from marketo_opps import MarketoError
from tests.target_marketo_opps.helpers import stored

pytestmark = pytest.mark.slow

SECRET = "secret-value-4711"

LINE_1 = "Line 1 of the input cannot be used: "


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


@pytest.mark.parametrize(
    ("schema", "what"),
    [
        ({"stream": 5}, "its 'stream' is not a string."),
        ({"stream": ["opportunities"]}, "its 'stream' is not a string."),
        (
            {"schema": {"properties": {"externalOpportunityId": {}, "name": "string"}}},
            "a property in the schema of stream 'opportunities' is not an object.",
        ),
        *(
            (
                {"key_properties": keys},
                "the key_properties of stream 'opportunities' are not a list of strings.",
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
def test_unmappable_schema_ends_the_run_with_one_sentence(marketo_sandbox, singer, odd, settings):
    properties = {"externalOpportunityId": {}, "name": odd}
    messages = [singer.state(1), singer.schema() | {"schema": {"properties": properties}}]
    run = singer.run(marketo_sandbox, messages, **settings)
    assert isinstance(run.error, MarketoError)
    assert str(run.error).startswith(
        "Line 2 of the input cannot be used: stream_maps or flattening failed on the schema of "
        "stream 'opportunities' ("
    )
    assert run.states == [1]


@pytest.mark.parametrize("keys", [None, [], ["externalOpportunityId"]])
def test_key_properties_may_be_left_empty(marketo_sandbox, singer, keys):
    messages = [singer.schema() | {"key_properties": keys}, singer.opportunity("A")]
    singer.run(marketo_sandbox, messages).succeeded()
    assert set(stored(marketo_sandbox)) == {"A"}


def batch(manifest):
    return {
        "type": "BATCH",
        "stream": "opportunities",
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "manifest": manifest,
    }


# Without the time, which would be part of test IDs that all workers must agree on.
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
        (5, None, "The manifest of a BATCH message is not a list of file URLs."),
        ("", None, "The manifest of a BATCH message is not a list of file URLs."),
        (" ", None, "The manifest of a BATCH message is not a list of file URLs."),
    ],
)
def test_unreadable_batch_file_ends_the_run_with_one_sentence(  # noqa: PLR0917 - fixtures and parameters
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
def test_manifest_that_is_not_a_list_is_an_error(marketo_sandbox, singer, message):
    run = singer.run(marketo_sandbox, [singer.schema(), batch([]) | message])
    assert str(run.error) == "The manifest of a BATCH message is not a list of file URLs."


@pytest.mark.parametrize("encoding", ["jsonl", None, {"format": "parquet"}])
def test_an_unreadable_encoding_is_an_error(marketo_sandbox, singer, encoding):
    run = singer.run(marketo_sandbox, [singer.schema(), batch([]) | {"encoding": encoding}])
    assert str(run.error).startswith("A BATCH message has an unsupported encoding")


@pytest.mark.parametrize(
    "maps",
    [
        {"opportunities": {"__filter__": "amount > 1"}},
        {"opportunities": {"name": "missing"}},
        {"copies": {"__source__": "opportunities", "name": "name + 1"}, "opportunities": None},
        {"opp*": {"name": "config['x']"}},
    ],
)
def test_failing_expression_of_a_stream_map_is_named(marketo_sandbox, singer, tmp_path, maps):
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
def test_ignored_streams_are_not_validated(marketo_sandbox, singer, settings, schema):
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
    assert not any("not in the input" in line for line in run.log)
