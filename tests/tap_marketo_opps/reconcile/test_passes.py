"""Tests of the two passes of a reconcile, page by page."""

from __future__ import annotations

import pytest

from marketo_opps import Page
from tap_marketo_opps.reconcile.comparison import Comparison
from tap_marketo_opps.reconcile.passes import FirstPass, SecondPass
from tap_marketo_opps.reconcile.position import Progress
from tap_marketo_opps.reconcile.row_lookup import PassContext
from tap_marketo_opps.reconcile.row_types import RowReader
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
    comparison = Comparison(reader, log_until=None)
    context = PassContext(lambda **_: None, "opportunities", comparison, progress, "f")
    first = FirstPass(context, file, 300)
    return first, SecondPass(context, lambda *_: None, first.left_over), progress


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
