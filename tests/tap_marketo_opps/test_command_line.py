"""Which files of `--state` and `--catalog` are taken, and what `--test` writes."""

from __future__ import annotations

import io
import json

import pytest

from marketo_opps import SettingsError
from tap_marketo_opps.command_line import checked_catalog, checked_state, try_streams
from tests.tap_marketo_opps.conftest import FAST, CapturingWriter, Output
from tests.tap_marketo_opps.helpers import UnpacedTap, by_filter

OPPORTUNITIES = {"tap_stream_id": "opportunities", "schema": {"properties": {"name": {}}}}


def file(text):
    """Return an open file with a name."""
    opened = io.StringIO(text)
    opened.name = "some.json"
    return opened


def fault(check, content):
    with pytest.raises(SettingsError) as caught:
        check(file(content if isinstance(content, str) else json.dumps(content)))
    return str(caught.value)


@pytest.mark.parametrize("check", [checked_state, checked_catalog])
def test_no_file_is_no_error(check):
    assert check(None) is None


@pytest.mark.parametrize(
    ("check", "content"),
    [
        (checked_state, {}),
        (checked_state, {"bookmarks": {}}),
        (checked_state, {"bookmarks": {"opportunities": {}, "of another tap": {"a": 1}}}),
        (checked_state, {"bookmarks": {"opportunities": {"partitions": []}}}),
        (checked_state, {"bookmarks": {"a": {"partitions": [{"progress_markers": {}}]}}}),
        (checked_catalog, {"streams": [OPPORTUNITIES]}),
    ],
)
def test_what_is_taken_can_be_read_once_more(check, content):
    text = json.dumps(content, indent=1)
    assert check(file("\ufeff" + text)).read() == text


NOT_A_STATE = (
    "--state: some.json is not a Singer state of this tap: it must have an object 'bookmarks' that "
    "contains an object for each stream."
)


@pytest.mark.parametrize(
    "content",
    [
        {"bookmarks": None},
        {"bookmarks": []},
        {"value": {"bookmarks": {}}},
        {"bookmarks": {"opportunities": {}, "opportunity_roles": 5}},
        {"bookmarks": {"opportunities": {"partitions": [{}, 5]}}},
        {"bookmarks": {"opportunities": {"partitions": [{"partitions": {}}]}}},
        {"bookmarks": {"opportunities": {"partitions": [{"progress_markers": []}]}}},
        {"bookmarks": {"opportunities": {"progress_markers": None}}},
    ],
)
def test_another_object_than_a_state_is_refused(content):
    assert fault(checked_state, content) == NOT_A_STATE


@pytest.mark.parametrize("value", [{}, {"bookmarks": {}}])
def test_a_whole_message_is_refused_with_what_to_do(value):
    assert fault(checked_state, {"type": "STATE", "value": value}) == (
        "--state: some.json contains a whole STATE message: use only the content of its 'value'."
    )


def test_a_state_that_could_not_be_written_again_is_refused():
    half = '{"bookmarks": {"opportunities": {"since": "\\ud800"}}}'
    assert fault(checked_state, half) == (
        "--state: some.json contains an unpaired surrogate, which is not valid Unicode."
    )


@pytest.mark.parametrize(
    ("check", "content", "told"),
    [
        (checked_state, "", "--state: some.json is empty: restore the previous state, or omit"),
        (checked_catalog, "[]", "--catalog: some.json is not a JSON object: create it again"),
        (checked_catalog, "{}", "--catalog: some.json is not a Singer catalog: it must have"),
        (checked_catalog, "\0{", "--catalog: cannot read some.json: it is UTF-16"),
    ],
)
def test_the_option_and_the_file_are_named(check, content, told):
    assert fault(check, content).startswith(told)


@pytest.mark.parametrize("kind", ["schema", "records"])
def test_only_the_selected_streams_are_tried(kind, marketo_sandbox_factory, catalog_of):
    sandbox = marketo_sandbox_factory(opportunities=3, limits=FAST)
    writer = CapturingWriter()
    tap = UnpacedTap(
        config=by_filter(sandbox),
        catalog=catalog_of(sandbox, "opportunities"),
        message_writer=writer,
    )
    try_streams(tap, kind)
    tap.client.close()
    output = Output.of(writer.written)
    assert len(output.records()) == (1 if kind == "records" else 0)
    assert {each["stream"] for each in output.messages if "stream" in each} == {"opportunities"}
