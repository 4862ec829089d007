"""The tap into `target-jsonl`, which validates records with a jsonschema from 2018."""

from __future__ import annotations

import json
import signal
from decimal import Decimal

import pytest

from tests.interop.interrupted_runs import PAGES, SMALL_PAGES, end_half_way, pages_read
from tests.interop.records import KEYS, by_key, last_state, records

pytestmark = pytest.mark.slow


@pytest.fixture
def into_jsonl(pair, third_party, everything_selected, tmp_path):
    """Return a pair with target-jsonl as its target and all streams selected."""
    pair.target_program = third_party("target-jsonl")
    pair.target = {"destination_path": str(tmp_path / "out"), "do_timestamp_file": False}
    pair.tap |= {"start_date": "2020-01-01", **SMALL_PAGES}
    pair.tap_arguments = ("--catalog", everything_selected)
    return pair


def lines(directory, stream) -> list[dict]:
    path = directory / "out" / f"{stream}.jsonl"
    return [json.loads(line, parse_float=Decimal) for line in path.read_text().splitlines()]


def test_the_files_have_all_records_of_the_tap(into_jsonl, output, tmp_path):
    into_jsonl.run_well()

    for stream in KEYS:
        written = by_key(stream, lines(tmp_path, stream))
        assert written == records(output, stream), stream
    assert into_jsonl.state["bookmarks"].keys() == last_state(output)["bookmarks"].keys()


def test_a_second_run_adds_only_changes(into_jsonl, source, tmp_path):
    into_jsonl.run_well()
    source.advance(86_400)
    changed = source.instance.opportunity_ids()[100:125]
    source.instance.change(changed, {"amount": "123456789012345.67", "nextStep": None})
    before = len(lines(tmp_path, "opportunities"))

    into_jsonl.run_well()

    again = lines(tmp_path, "opportunities")[before:]
    assert set(changed) <= {record["externalOpportunityId"] for record in again}
    # A record whose date equals the bookmark is read again.
    assert len(again) <= len(changed) + 1
    values = {(record["amount"], record["nextStep"]) for record in again}
    assert (Decimal("123456789012345.67"), None) in values


def test_records_before_a_stop_of_the_tap_are_not_read_again(into_jsonl, source, tmp_path):
    codes = end_half_way(into_jsonl, source, lambda running: running.tap, signal.SIGTERM)
    assert codes == (128 + signal.SIGTERM, 0)
    before = pages_read(source)
    assert 0 < len(lines(tmp_path, "opportunities")) < 700

    into_jsonl.run_well()

    written = {record["marketoGUID"] for record in lines(tmp_path, "opportunities")}
    assert written == {record["marketoGUID"] for record in source.instance.opportunities()}
    assert pages_read(source) - before <= PAGES - 2


def test_after_a_kill_the_next_run_adds_the_rest(into_jsonl, source, tmp_path):
    # A kill in the middle of a line makes the target exit with an error and without a state.
    codes = end_half_way(into_jsonl, source, lambda running: running.tap, signal.SIGKILL)
    assert codes[0] == -signal.SIGKILL

    into_jsonl.run_well()

    written = {record["marketoGUID"] for record in lines(tmp_path, "opportunities")}
    assert written == {record["marketoGUID"] for record in source.instance.opportunities()}
