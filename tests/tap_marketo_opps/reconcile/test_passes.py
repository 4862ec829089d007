"""Tests of the two passes of a reconcile, page by page."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from marketo_opps import Page
from tap_marketo_opps.finding.positions import PositionError
from tap_marketo_opps.reconcile.comparison import Comparison
from tap_marketo_opps.reconcile.passes import FirstPass, SecondPass
from tap_marketo_opps.reconcile.position import Counts, Progress
from tap_marketo_opps.reconcile.row_lookup import PassContext
from tap_marketo_opps.reconcile.row_types import RowReader
from tap_marketo_opps.reconcile.tombstones import Tombstones
from tap_marketo_opps.reconcile.warehouse_file import WarehouseFile
from tap_marketo_opps.schemas import description_from_properties
from tests.tap_marketo_opps.finding.fakes import REFUSED
from tests.tap_marketo_opps.reconcile.warehouse import write

OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"
TYPES = description_from_properties({"marketoGUID": {"type": "string"}})


@pytest.fixture
def passes(tmp_path):
    """Return both passes over the old rows `a`, `b` and `c`, and their progress."""
    path = write(tmp_path / "rows.csv", f"marketoGUID,updatedAt\na,{OLD}\nb,{OLD}\nc,{OLD}\n")
    file = WarehouseFile("reconcile_opportunities_path", str(path))
    reader = RowReader(file.columns, ["marketoGUID"], TYPES, lambda *_: None)
    progress = Progress()
    comparison = Comparison(reader, log_until=None, where="rows.csv")
    context = PassContext(lambda **_: None, "opportunities", comparison, progress, "f")
    first = FirstPass(context, file, 300)
    return first, SecondPass(context, lambda *_: None, first.left_over), progress


def _nameless():
    return Page([{"name": "x"}], None, more=False, request_id="r")


def _asked(*, filter_values, next_page_token):
    """Return the page of an instance that has the asked GUIDs, and does not say if it is all."""
    records = [{"marketoGUID": each, "updatedAt": OLD} for each in filter_values]
    return Page(records[:2], "more", more=None, request_id=next_page_token)


@pytest.fixture
def context_of(tmp_path):
    """Return a function that returns a file of these rows, and what both passes use."""

    def make(rows, progress=None, **more):
        path = write(tmp_path / "rows.csv", "marketoGUID,updatedAt,_sdc_deleted_at\n" + rows)
        file = WarehouseFile("reconcile_opportunities_path", str(path))
        reader = RowReader(file.columns, ["marketoGUID"], TYPES, lambda *_: None)
        comparison = Comparison(reader, **({"log_until": None, "where": "rows.csv"} | more))
        return file, PassContext(_asked, "opportunities", comparison, progress or Progress(), "f")

    return make


def _rows(count):
    return "".join(f"g{number},{OLD},\n" for number in range(count))


def _all_but(cursor, *gone):
    return _page(*((key, OLD) for key in cursor.keys if key not in gone))


def _page(*records, token=None):
    found = [{"marketoGUID": guid, "updatedAt": moment} for guid, moment in records]
    return Page(found, token, more=token is not None, request_id="r")


def _emitted(stage, cursor, page):
    return [r["marketoGUID"] for result in stage.process(cursor, page) for r in result.records]


def test_a_record_on_two_pages_is_emitted_and_counted_once(passes):
    first, _, progress = passes
    cursor = first.next_cursor()
    assert _emitted(first, cursor, _page(("a", NEW), ("b", OLD), token="t")) == ["a"]
    assert not _emitted(first, cursor, _page(("a", NEW), ("b", OLD), ("c ", OLD)))
    assert (progress.counts.changed, progress.counts.alike) == (1, 2)


def test_a_chunk_begun_again_counts_its_rows_once(passes):
    first, _, progress = passes
    cursor = first.next_cursor()
    page = _page(("a", NEW), ("b", OLD), token="t")
    assert _emitted(first, cursor, page) == ["a"]
    first.restart(cursor, REFUSED)
    assert _emitted(first, cursor, page) == ["a"]
    assert not _emitted(first, cursor, _page(("c", OLD)))
    assert (progress.counts.changed, progress.counts.alike) == (1, 2)


def test_rows_wait_in_the_position_until_the_second_pass_is_done(passes):
    first, second, progress = passes
    (result,) = first.process(first.next_cursor(), _page(("b", OLD)))
    assert [row.key for row in result.missing] == ["a", "c"]
    assert [*progress.pending] == [0, 2]
    assert [*second.accept(result)] == [result]
    assert not second.is_idle
    second.flush_partial()
    (result,) = second.process(second.next_cursor(), _page(("c", NEW)))
    assert [row.key for row in result.gone] == ["a"]
    assert [record["marketoGUID"] for record in result.records] == ["c"]
    assert second.is_idle
    assert not progress.pending
    assert progress.counts.gone == 1


def test_a_record_not_requested_is_counted_and_not_emitted(passes):
    first, _, progress = passes
    page = _page(("stranger", NEW), ("a", OLD), ("B", OLD), ("c", OLD))
    assert not _emitted(first, first.next_cursor(), page)
    assert first.unrequested == 1
    assert progress.counts.alike == 3


def test_a_first_pass_looks_up_all_rows_300_at_a_time(context_of):
    file, context = context_of(_rows(700))
    first = FirstPass(context, file, 300)
    assert (first.total, first.keys_done, first.left_over) == (700, 0, [])
    cursors = []
    while cursor := first.next_cursor():
        cursors.append(cursor)
    assert [len(each.keys) for each in cursors] == [300, 300, 100]
    assert [each.start for each in cursors] == [0, 300, 600]
    for cursor in cursors:
        assert not first.is_idle
        (result,) = first.process(cursor, _all_but(cursor))
        assert context.progress.next_row == cursor.end
        assert Progress.decode(result.encoded_position, "f") == context.progress
    assert first.is_idle
    assert context.progress.counts == Counts(alike=700, living=700)


def test_an_interrupted_pass_resumes_with_the_rows_not_found(context_of):
    file, context = context_of(_rows(700))
    before = FirstPass(context, file, 300)
    for gone in (("g5", "g9"), ("g300",)):
        cursor = before.next_cursor()
        (result,) = before.process(cursor, _all_but(cursor, *gone))
    progress = Progress.decode(result.encoded_position, "f")
    file, context = context_of(_rows(700), progress)
    first = FirstPass(context, file, 300)
    assert [row.key for row in first.left_over] == ["g5", "g9", "g300"]
    assert first.keys_done == 600
    second = SecondPass(context, lambda *_: None, first.left_over)
    assert not second.is_idle
    assert first.next_cursor().start == 600
    assert first.next_cursor() is None


@pytest.mark.parametrize(
    "progress", [Progress(299), Progress(301), Progress(900), Progress(300, {299: None, 300: None})]
)
def test_a_place_between_chunks_of_the_file_is_refused(progress, context_of):
    file, context = context_of(_rows(700), progress)
    with pytest.raises(PositionError):
        FirstPass(context, file, 300)


def test_a_pass_of_one_chunk_reads_one_and_is_then_idle(context_of):
    file, context = context_of(_rows(700))
    first = FirstPass(context, file, 300, most_chunks=1)
    cursor = first.next_cursor()
    assert first.next_cursor() is None
    assert not first.is_idle
    list(first.process(cursor, _all_but(cursor)))
    assert first.is_idle


@pytest.mark.parametrize(
    ("keys", "batch_size", "more"), [(3, 2, True), (3, 3, False), (2, 2, False)]
)
def test_only_a_full_page_of_fewer_records_than_rows_has_a_next(keys, batch_size, more, context_of):
    file, context = context_of(_rows(keys))
    first = FirstPass(context, file, batch_size)
    page = first.calls(first.next_cursor())(None)()
    assert (page.more, page.request_id) == (more, None)


def test_rows_known_to_be_gone_are_not_looked_up_again(context_of):
    file, context = context_of(f"a,{OLD},{NEW}\nb,{OLD},{NEW}\nc,{OLD},\nd,{OLD},\n")
    first = FirstPass(context, file, 300)
    (result,) = first.process(first.next_cursor(), _page(("b", OLD), ("d", OLD)))
    assert [row.key for row in result.missing] == ["c"]
    # A record that was marked as deleted, and is there, is emitted although it is equal.
    assert [record["marketoGUID"] for record in result.records] == ["b"]
    assert context.progress.counts == Counts(alike=1, changed=1, known_gone=1, living=2)


def test_rows_not_found_twice_are_counted_and_checked(context_of):
    file, context = context_of(_rows(700))
    first, checked = FirstPass(context, file, 300), []
    second = SecondPass(
        context, lambda counts, more: checked.append((counts.living, counts.gone, more)), ()
    )
    while cursor := first.next_cursor():
        (result,) = first.process(cursor, _page())
        list(second.accept(result))
    second.flush_partial()
    ended = []
    while cursor := second.next_cursor():
        assert not second.is_idle
        (result,) = second.process(cursor, _page())
        ended.append((len(result.gone), len(Progress.decode(result.encoded_position, "f").pending)))
    # All that was missed once is expected to be gone.
    assert checked == [(700, 0, 700), (700, 300, 400), (700, 600, 100)]
    assert ended == [(300, 400), (300, 100), (100, 0)]
    assert second.is_idle
    assert context.progress.counts.gone == 700


def test_of_rows_missed_once_as_many_are_expected_gone_as_so_far(context_of):
    file, context = context_of(_rows(900))
    first, checked = FirstPass(context, file, 300), []
    second = SecondPass(context, lambda _, more: checked.append(more), ())
    while cursor := first.next_cursor():
        (result,) = first.process(cursor, _page())
        list(second.accept(result))
    for gone in (0, 100, 300):
        cursor = second.next_cursor()
        list(second.process(cursor, _all_but(cursor, *[*cursor.keys][:gone])))
    assert checked == [0, 100 + 300 * 100 // 300, 300]


def test_a_record_without_a_guid_is_passed_on(passes):
    first, _, progress = passes
    (result,) = first.process(first.next_cursor(), _nameless())
    assert result.stream == "opportunities"
    assert result.records == [{"name": "x"}]
    assert progress.counts.changed == 0


def test_changes_from_before_the_logs_end_are_counted_as_untold(context_of):
    rows = "".join(f"{key},{OLD},\n" for key in "abcd")
    file, context = context_of(rows, log_until=NEW)
    first = FirstPass(context, file, 300)
    before, after = "2026-01-31T23:59:59Z", "2026-02-01T00:00:01Z"
    page = _page(("a", before), ("b", before), ("c", NEW), ("d", after))
    list(first.process(first.next_cursor(), page))
    assert (context.progress.counts.changed, context.progress.counts.untold) == (4, 2)


def test_a_tombstone_has_the_rows_values_and_warns_once(context_of, caplog):
    file, context = context_of(f"a,{OLD},\nb,{OLD},\n")
    reader = context.comparison.reader
    now = datetime(2026, 3, 1, tzinfo=UTC)
    tombstones = Tombstones(reader, lambda: now, ["no column name"])
    (chunk,) = file.chunks()
    assert tombstones.of([]) == []
    assert not caplog.records
    gone = {"_sdc_deleted_at": "2026-03-01T00:00:00Z"}
    assert tombstones.of(chunk.rows) == [{"marketoGUID": key, **gone} for key in "ab"]
    tombstones.of(chunk.rows)
    assert [each.getMessage() for each in caplog.records] == ["no column name"]
