"""Calls in a fixed order, some of them ahead; stages that fill their calls and hold positions."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from datetime import UTC, datetime

import pytest

from marketo_opps import Page, PageTokenError, Reason, StoppedError
from marketo_opps.plugin.process import ShutdownSignal
from tap_marketo_opps.finding.key_sources import LeadRange, ListedKeys
from tap_marketo_opps.finding.pipeline import LINE_LENGTH, Pipeline
from tap_marketo_opps.finding.prefetch import Line
from tap_marketo_opps.finding.stages import Lookup, Step, Sweep

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REFUSED = PageTokenError("GET /x", [Reason("1003", "Invalid next page token")], None)


def _page(records, token=None):
    return Page(records, token, more=token is not None, request_id=None)


class AtOnce:
    """Workers that do everything at once, in this thread, and count what they were asked."""

    def __init__(self):
        self.submitted = 0

    def submit(self, function):
        self.submitted += 1
        future = Future()
        try:
            future.set_result(function())
        except PageTokenError as error:
            future.set_exception(error)
        return future


class Held:
    """Workers that never get to it."""

    def submit(self, _function):
        return Future()


class Query:
    """Finds `per_key` records for each key, `batch_size` a page; remembers what was asked."""

    obj = "opportunities"
    key_field = "key"

    def __init__(self, per_key=1, batch_size=300, found=None):
        self.asked = []
        self._per_key, self._batch_size = per_key, batch_size
        self._found = found or (lambda key, number: {"key": key, "number": number})
        self.refused = set()

    def page(self, keys, token):
        self.asked.append((tuple(keys), token))
        if token in self.refused:
            raise REFUSED
        start = int(token or 0)
        records = [self._found(key, n) for key in keys for n in range(self._per_key)]
        end = start + self._batch_size
        return _page(records[start:end], str(end) if end < len(records) else None)


def _once(call):
    return lambda before: call if before is None else None


def _pipeline(source, lookups=(), workers=None):
    line = Line(workers or AtOnce(), 3, ShutdownSignal())
    return Pipeline(source, lookups, line)


def _sweep(query, count=1000, **more):
    keys = ListedKeys("filter_values", [f"k{n}" for n in range(count)])
    return Sweep(query, "found", keys, noun="values", **more)


def _lookup(query, *, found_first=True, by="link"):
    return Lookup(
        query,
        "linked",
        lambda step: ((record[by], True) for record in step.records if by in record),
        found_first=found_first,
    )


def test_calls_are_taken_in_order_and_no_more_than_allowed_are_under_way():
    workers = AtOnce()
    line = Line(workers, 3, ShutdownSignal())
    for number in range(10):
        line.add(number, _once(lambda number=number: _page([number])))
    assert workers.submitted == 3
    taken = []
    while len(line):
        tag, page = line.take()
        taken.append((tag, page.records[0]))
        assert workers.submitted <= len(taken) + 3
    assert taken == [(number, number) for number in range(10)]


def test_after_a_stop_request_nothing_is_started_and_what_is_under_way_is_waited_for():
    clock = iter(range(0, 1000, 4))
    shutdown = ShutdownSignal(clock=lambda: next(clock))
    line = Line(Held(), 1, shutdown)
    line.add("a", _once(lambda: None))
    line.add("b", _once(lambda: None))
    shutdown._signum, shutdown._deadline = 15, 10.0
    with pytest.raises(StoppedError, match="took too long"):
        line.take()


def test_a_call_that_was_not_started_before_the_stop_never_is():
    shutdown = ShutdownSignal()
    shutdown._signum, shutdown._deadline = 15, 10.0
    workers = AtOnce()
    line = Line(workers, 1, shutdown)
    line.add("a", _once(lambda: None))
    with pytest.raises(StoppedError, match="no new calls"):
        line.take()
    assert workers.submitted == 0


def test_threads_may_answer_in_any_order():
    first_may_answer = threading.Event()

    class Threads:
        def submit(self, function):
            future = Future()
            threading.Thread(target=lambda: future.set_result(function())).start()
            return future

    def slow():
        first_may_answer.wait(5)
        return _page(["slow"])

    def quick():
        first_may_answer.set()
        return _page(["quick"])

    line = Line(Threads(), 2, ShutdownSignal())
    line.add(1, _once(slow))
    line.add(2, _once(quick))
    assert [line.take()[1].records[0] for _ in range(2)] == ["slow", "quick"]


def test_a_position_leads_to_exactly_what_was_not_read():
    query = Query(per_key=3, batch_size=250)
    steps = list(_pipeline(_sweep(query)).steps())
    everything = [tuple(record.items()) for step in steps for record in step.records]
    assert len(everything) == 3000 == len(set(everything))
    read = 0
    for step in steps[:-1]:
        read += len(step.records)
        rest = _pipeline(_sweep(Query(per_key=3, batch_size=250), at=step.position)).steps()
        left = [tuple(record.items()) for after in rest for record in after.records]
        assert len(left) == len(set(left)) == 3000 - read
        assert {*everything[:read], *left} == {*everything}


def test_a_refused_page_token_has_its_chunk_alone_read_again():
    query = Query(per_key=3, batch_size=250)
    query.refused = {"500"}
    steps = []
    for step in _pipeline(_sweep(query)).steps():
        steps.append(step)
        if len(steps) == 12:
            query.refused = set()
    keys = {record["key"] for step in steps for record in step.records}
    assert len(keys) == 1000
    assert sum(len(step.records) for step in steps) < 3000 + 4 * 900


def test_a_page_token_that_is_refused_again_and_again_ends_the_run():
    query = Query(per_key=3, batch_size=250)
    query.refused = {"500"}
    with pytest.raises(PageTokenError):
        list(_pipeline(_sweep(query)).steps())
    assert len(query.asked) < 100


def test_a_call_refused_without_a_page_token_is_refused():
    query = Query()
    query.refused = {None}
    with pytest.raises(PageTokenError):
        list(_pipeline(_sweep(query)).steps())


def test_keys_that_find_nothing_are_counted():
    query = Query(found=lambda key, _: {"key": "other" if key == "k3" else f" {key.upper()} "})
    source = _sweep(query)
    list(_pipeline(source).steps())
    assert source.unmatched == 1
    assert source.keys_done == 1000


def test_a_later_stage_makes_full_calls_and_asks_for_each_key_once():
    query = Query(found=lambda key, _: {"key": key, "link": f"l{int(key[1:]) % 700}"})
    linked = Query()
    list(_pipeline(_sweep(query, 2000), [_lookup(linked)]).steps())
    assert [len(keys) for keys, _ in linked.asked] == [300, 300, 100]
    assert len({key for keys, _ in linked.asked for key in keys}) == 700


def test_a_step_and_its_position_wait_until_all_it_names_is_looked_up():
    query = Query(batch_size=100, found=lambda key, _: {"key": key, "link": f"l{key}"})
    looked_up = set()
    for step in _pipeline(_sweep(query), [_lookup(Query(batch_size=100))]).steps():
        if step.stream == "linked":
            looked_up |= {record["key"] for record in step.records}
        else:
            assert {record["link"] for record in step.records} <= looked_up
            assert step.position


def test_records_may_go_ahead_of_what_they_lead_to_with_little_else_written_before_a_position():
    query = Query(found=lambda key, _: {"key": key, "link": f"l{key}"})
    found, looked_up, done = set(), set(), 0
    lookup = _lookup(Query(batch_size=100), found_first=False)
    streams = []
    for step in _pipeline(_sweep(query), [lookup]).steps():
        (looked_up if step.stream == "linked" else found).update(
            record["key"] for record in step.records
        )
        streams.append(step.stream)
        if step.position:
            done = step.position["done"]
            assert {f"lk{number}" for number in range(done)} <= looked_up
        assert len(found) <= done + 300
    assert streams.index("found") < streams.index("linked")
    assert len(found) == len(looked_up) == 1000


def test_the_next_page_of_a_lookup_is_asked_for_before_its_turn_comes():
    lookup = _lookup(Query(per_key=2))
    list(lookup.accept(Step("found", [{"link": f"l{number}"} for number in range(600)])))
    workers = AtOnce()
    line = Line(workers, 4, ShutdownSignal())
    while reading := lookup.next_reading():
        line.add(reading, lookup.calls(reading))
    assert workers.submitted == 4
    taken = []
    while len(line):
        reading, page = line.take()
        taken.append((reading.start, page.more))
    assert taken == [(0, True), (0, False), (300, True), (300, False)]


def test_where_keys_are_rare_a_call_is_made_short_before_too_much_would_be_read_again():
    rare = Query(found=lambda key, _: {"key": key} | ({"link": key} if key == "1" else {}))
    source = Sweep(rare, "found", LeadRange(1, 300 * 60), noun="leads")
    calls_before = []
    linked = Query(found=lambda key, _: calls_before.append(len(rare.asked)) or {"key": key})
    steps = list(_pipeline(source, [_lookup(linked)]).steps())
    assert linked.asked == [(("1",), None)]
    assert calls_before[0] <= 21 + 10
    assert sum(step.position is not None for step in steps) == 60


def test_a_lookup_of_what_another_found_waits_for_full_calls_too_and_is_read_to_its_end():
    found = Query(found=lambda key, _: {"key": key, "link": key[1:]})
    linked = Query(found=lambda key, _: {"key": key, "further": f"f{int(key) // 2}"})
    further = Query()
    lookups = [_lookup(linked), _lookup(further, by="further")]
    steps = list(_pipeline(_sweep(found, 8700), lookups).steps())
    assert [len(keys) for keys, _ in further.asked] == [*[300] * 14, 150]
    assert sum(len(step.records) for step in steps) == 8700 * 2 + 4350
    assert steps[-1].position == {"next": 8700, "open": [], "done": 8700, "unmatched": 0}


def test_no_more_readings_are_begun_than_there_are_in_a_line():
    class Counted(Sweep):
        begun = 0

        def next_reading(self):
            self.begun += 1
            return super().next_reading()

    keys = ListedKeys("filter_values", range(300 * 50))
    source = Counted(Query(), "found", keys, noun="values")
    next(_pipeline(source).steps())
    # The first has been read, and its place is taken.
    assert source.begun == LINE_LENGTH + 1


def test_a_key_with_a_comma_is_left_out_counted_and_named():
    lookup = _lookup(Query())
    step = Step("found", [{"link": "a,b"}, {"link": "c"}, {"link": "a,b"}])
    list(lookup.accept(step))
    assert (lookup.unaskable, lookup.unaskable_names) == (1, ["a,b"])


def test_a_key_is_looked_up_again_only_for_a_stronger_reason():
    asked = []
    query = Query()
    lookup = Lookup(
        query, "linked", lambda step: step.records, found_first=True, is_new=lambda _: False
    )
    for always in (False, False, True, True, False):
        list(lookup.accept(Step("found", [("k", always)])))
        lookup.seal()
        while reading := lookup.next_reading():
            asked.append(always)
            steps = list(lookup.read(reading, _page([{"key": "k"}])))
            assert steps[0].always({"key": "K "}) is always
    assert asked == [False, True]


def test_something_is_done_with_each_page_though_none_is_waited_for():
    done = []
    line = Line(AtOnce(), 3, ShutdownSignal(), lambda: done.append(1))
    for number in range(4):
        line.add(number, _once(lambda: _page([])))
    while len(line):
        line.take()
    assert len(done) == 4
