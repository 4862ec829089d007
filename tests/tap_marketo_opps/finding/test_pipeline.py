"""Tests of the order of calls and results of a pipeline."""

from __future__ import annotations

import pytest

from marketo_opps import PageTokenError
from marketo_opps.plugin.process import ShutdownSignal
from tap_marketo_opps.finding.key_scan import KeyScan
from tap_marketo_opps.finding.key_sources import LeadRange, ListedKeys
from tap_marketo_opps.finding.page_result import PageResult
from tap_marketo_opps.finding.pipeline import QUEUE_LENGTH
from tap_marketo_opps.finding.prefetch import OrderedPrefetcher
from tests.tap_marketo_opps.finding.fakes import (
    AtOnce,
    FakeQuery,
    make_lookup,
    make_scan,
    run_stages,
)


def test_a_position_leads_to_exactly_what_was_not_read():
    query = FakeQuery(per_key=3, batch_size=250)
    pages = list(run_stages(make_scan(query)))
    everything = [tuple(record.items()) for result in pages for record in result.records]
    assert len(everything) == 3000 == len(set(everything))
    read = 0
    for result in pages[:-1]:
        read += len(result.records)
        rest = run_stages(make_scan(FakeQuery(per_key=3, batch_size=250), at=result.position))
        left = [tuple(record.items()) for after in rest for record in after.records]
        assert len(left) == len(set(left)) == 3000 - read
        assert {*everything[:read], *left} == {*everything}


def test_a_refused_page_token_has_its_chunk_alone_read_again():
    query = FakeQuery(per_key=3, batch_size=250)
    query.refused = {"500"}
    pages = []
    for result in run_stages(make_scan(query)):
        pages.append(result)
        if len(pages) == 12:
            query.refused = set()
    keys = {record["key"] for result in pages for record in result.records}
    assert len(keys) == 1000
    assert sum(len(result.records) for result in pages) < 3000 + 4 * 900


def test_a_page_token_refused_again_and_again_ends_the_run():
    query = FakeQuery(per_key=3, batch_size=250)
    query.refused = {"500"}
    with pytest.raises(PageTokenError):
        list(run_stages(make_scan(query)))
    assert len(query.asked) < 100


def test_a_call_refused_without_a_page_token_is_refused():
    query = FakeQuery()
    query.refused = {None}
    with pytest.raises(PageTokenError):
        list(run_stages(make_scan(query)))


def test_keys_that_find_nothing_are_counted():
    query = FakeQuery(found=lambda key, _: {"key": "other" if key == "k3" else f"{key.upper()} "})
    source = make_scan(query)
    list(run_stages(source))
    assert source.unmatched == 1
    assert source.keys_done == 1000


def test_a_later_stage_makes_full_calls_and_asks_for_each_key_once():
    query = FakeQuery(found=lambda key, _: {"key": key, "link": f"l{int(key[1:]) % 700}"})
    linked = FakeQuery()
    list(run_stages(make_scan(query, 2000), [make_lookup(linked)]))
    assert [len(keys) for keys, _ in linked.asked] == [300, 300, 100]
    assert len({key for keys, _ in linked.asked for key in keys}) == 700


def test_a_page_waits_until_all_that_it_names_is_looked_up():
    query = FakeQuery(batch_size=100, found=lambda key, _: {"key": key, "link": f"l{key}"})
    looked_up = set()
    for result in run_stages(make_scan(query), [make_lookup(FakeQuery(batch_size=100))]):
        if result.stream == "linked":
            looked_up |= {record["key"] for record in result.records}
        else:
            assert {record["link"] for record in result.records} <= looked_up
            assert result.position


def test_records_written_ahead_of_their_position_are_few():
    query = FakeQuery(found=lambda key, _: {"key": key, "link": f"l{key}"})
    found, looked_up, done = set(), set(), 0
    lookup = make_lookup(FakeQuery(batch_size=100), write_found_first=False)
    streams = []
    for result in run_stages(make_scan(query), [lookup]):
        (looked_up if result.stream == "linked" else found).update(
            record["key"] for record in result.records
        )
        streams.append(result.stream)
        if result.position:
            done = result.position["done"]
            assert {f"lk{number}" for number in range(done)} <= looked_up
        assert len(found) <= done + 300
    assert streams.index("found") < streams.index("linked")
    assert len(found) == len(looked_up) == 1000


def test_the_next_page_of_a_lookup_is_fetched_before_its_turn():
    lookup = make_lookup(FakeQuery(per_key=2))
    list(lookup.accept(PageResult("found", [{"link": f"l{number}"} for number in range(600)])))
    workers = AtOnce()
    prefetcher = OrderedPrefetcher(workers, 4, ShutdownSignal())
    while cursor := lookup.next_cursor():
        prefetcher.add(cursor, lookup.calls(cursor))
    assert workers.submitted == 4
    taken = []
    while len(prefetcher):
        cursor, page = prefetcher.next_page()
        taken.append((cursor.start, page.more))
    assert taken == [(0, True), (0, False), (300, True), (300, False)]


def test_rare_keys_are_looked_up_before_the_call_is_full():
    rare = FakeQuery(found=lambda key, _: {"key": key} | ({"link": key} if key == "1" else {}))
    source = KeyScan(rare, "found", "key", LeadRange(1, 300 * 60), noun="leads")
    calls_before = []
    linked = FakeQuery(found=lambda key, _: calls_before.append(len(rare.asked)) or {"key": key})
    pages = list(run_stages(source, [make_lookup(linked)]))
    assert linked.asked == [(("1",), None)]
    assert calls_before[0] <= 21 + 10
    assert sum(result.position is not None for result in pages) == 60


def test_a_third_stage_makes_full_calls_and_ends_too():
    found = FakeQuery(found=lambda key, _: {"key": key, "link": key[1:]})
    linked = FakeQuery(found=lambda key, _: {"key": key, "further": f"f{int(key) // 2}"})
    further = FakeQuery()
    lookups = [make_lookup(linked), make_lookup(further, by="further")]
    pages = list(run_stages(make_scan(found, 8700), lookups))
    assert [len(keys) for keys, _ in further.asked] == [*[300] * 14, 150]
    assert sum(len(result.records) for result in pages) == 8700 * 2 + 4350
    assert pages[-1].position == {"next": 8700, "open": [], "done": 8700, "unmatched": 0}


def test_no_more_chunks_are_begun_than_the_queue_holds():
    class Counted(KeyScan):
        begun = 0

        def next_cursor(self):
            self.begun += 1
            return super().next_cursor()

    keys = ListedKeys("filter_values", range(300 * 50))
    source = Counted(FakeQuery(), "found", "key", keys, noun="values")
    next(run_stages(source))
    # The first has been read, and its place is taken.
    assert source.begun == QUEUE_LENGTH + 1


def test_what_was_found_is_looked_up_before_the_rest_is_read():
    found = FakeQuery(batch_size=5, found=lambda key, _: {"key": key, "link": f"l{key}"})
    calls_before = []
    linked = FakeQuery(found=lambda key, _: calls_before.append(len(found.asked)) or {"key": key})
    source = KeyScan(found, "found", "key", LeadRange(1, 1000, keys_per_chunk=10), noun="leads")
    list(run_stages(source, [make_lookup(linked, keys_per_call=10)]))
    assert len(found.asked) == 200
    # Two pages bring the keys of a call; ten chunks are queued, and three pages are under way.
    assert calls_before[0] < 20
