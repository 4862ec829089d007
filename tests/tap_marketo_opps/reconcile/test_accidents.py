"""Tests that a wrong file, instance or permission does not mark the warehouse as deleted."""

from __future__ import annotations

import itertools

import pytest

from marketo_opps import AccessDeniedError
from tap_marketo_opps.errors import TooManyGoneError, UnknownFieldError
from tests.tap_marketo_opps.helpers import UnpacedTap
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES, ROLES, Warehouse, write

MARK = "_sdc_deleted_at"
CAUSES = ("is an export of this stream", "endpoint is the instance", "may still read")


def _tombstones(output):
    return [each for each in output.records() if MARK in each]


def _of_guids(guids, stream=OPPORTUNITIES):
    warehouse = Warehouse(stream=stream)
    warehouse.rows = dict.fromkeys(guids)
    return warehouse


def _assert_refused(scene, error):
    assert all(cause in str(error.value) for cause in CAUSES)
    assert not _tombstones(scene.sync.written)
    assert scene.sync.written.bookmark()["reconcile"] is None
    assert not scene.lines.having("To resume")


def test_of_the_wrong_file_no_row_is_declared_gone(scene):
    deals, roles = scene.both()
    path = roles.export(scene.file())
    with pytest.raises(TooManyGoneError) as error:
        scene.reconcile(deals, path)
    _assert_refused(scene, error)
    assert "579 of 579 rows looked up no longer exist" in str(error.value)
    assert "No tombstone was written" in str(error.value)


def test_of_the_wrong_instance_no_row_is_declared_gone(scene, scene_of):
    warehouse, other = scene.sweep(), scene_of(seed=6)
    with pytest.raises(TooManyGoneError) as error:
        other.reconcile(warehouse)
    _assert_refused(other, error)


def test_a_permission_that_is_taken_away_ends_the_run_resumable(scene_of):
    scene = scene_of(opportunities=9000, leads=10)
    warehouse = _of_guids(scene.guids())
    path = warehouse.export_guids(scene.file())
    scene.sandbox.fault("603", operation="query opportunity", skip=20)
    with pytest.raises(AccessDeniedError, match="Read-Only Opportunity"):
        scene.reconcile(warehouse, path)
    assert not _tombstones(scene.sync.written)
    assert scene.lines.having("To resume")
    scene.state = scene.sync.written.state
    scene.sandbox.clear_faults()
    before = {each["marketoGUID"] for each in scene.sync.written.records()}
    again = {each["marketoGUID"] for each in scene.reconcile(warehouse, path).records()}
    assert before | again == {*warehouse.rows}
    assert len(before & again) <= 300


@pytest.mark.parametrize("stream", [OPPORTUNITIES, ROLES])
def test_a_field_that_is_gone_from_marketo_is_named_with_a_remedy(scene, catalog_of, stream):
    deals, roles = scene.both()
    catalog = catalog_of(scene.sandbox, stream)
    (entry,) = (each for each in catalog["streams"] if each["tap_stream_id"] == stream)
    entry["schema"]["properties"]["mood"] = {"type": ["string", "null"]}
    with pytest.raises(UnknownFieldError, match="The catalog selects field 'mood', which"):
        scene.reconcile(deals if stream == OPPORTUNITIES else roles, catalog=catalog)


def _blind_after(calls):
    """Return a tap class whose user sees no records after some calls."""

    class Tap(UnpacedTap):
        @property
        def client(self):
            client = super().client
            if not hasattr(client, "numbers"):
                client.numbers, query = itertools.count(), client.query

                def seeing_less(*args, **asked):
                    number = next(client.numbers)
                    page = query(*args, **asked)
                    if number >= calls:
                        page.records.clear()
                    return page

                client.query = seeing_less
            return client

    return Tap


@pytest.mark.parametrize("percent", [0, 10, 40])
def test_no_tombstone_comes_past_the_limit(scene_of, percent):
    scene = scene_of(opportunities=3000, leads=10)
    guids = scene.guids()
    warehouse = _of_guids(guids)
    path = warehouse.export_guids(scene.file())
    with pytest.raises(TooManyGoneError) as error:
        scene.reconcile(warehouse, path, tap_class=_blind_after(4), max_gone_percent=percent)
    written = len(_tombstones(scene.sync.written))
    assert written <= max(100, 3000 * percent / 100)
    if written:
        assert f"Already written: {written:,} tombstones. Export" in str(error.value)


def test_a_new_export_takes_wrong_marks_away_again(scene_of):
    scene = scene_of(opportunities=3000, leads=10)
    warehouse = _of_guids(scene.guids())
    path = warehouse.export_guids(scene.file())
    output = scene.reconcile(warehouse, path, tap_class=_blind_after(4), max_gone_percent=100)
    loaded = Warehouse(output)
    assert loaded.marked
    loaded.load(scene.reconcile(loaded))
    assert not loaded.marked


def test_a_hundred_of_a_small_table_may_be_gone(scene_of):
    scene = scene_of(opportunities=120, leads=10)
    guids = scene.guids()
    scene.delete(guids[:100])
    warehouse = _of_guids(guids)
    path = warehouse.export_guids(scene.file())
    assert len(_tombstones(scene.reconcile(warehouse, path, max_gone_percent=0))) == 100


def test_one_more_than_a_hundred_may_not(scene_of):
    scene = scene_of(opportunities=120, leads=10)
    guids = scene.guids()
    scene.delete(guids[:101])
    warehouse = _of_guids(guids)
    path = warehouse.export_guids(scene.file())
    with pytest.raises(TooManyGoneError, match=r"101 of 120 rows looked up"):
        scene.reconcile(warehouse, path)
    assert len(_tombstones(scene.reconcile(warehouse, path, max_gone_percent=85))) == 101


def test_rows_known_to_be_gone_are_on_neither_side_of_the_limit(scene_of):
    scene = scene_of(opportunities=300, leads=10)
    guids = scene.guids()
    scene.delete(guids[:101])
    marked = "".join(f"gone-{number},2026-01-01\n" for number in range(5000))
    rows = "".join(f"{guid},\n" for guid in guids)
    path = write(scene.file(), f"marketoGUID,{MARK}\n{marked}{rows}")
    with pytest.raises(TooManyGoneError, match="101 of 300 rows looked up"):
        scene.reconcile(_of_guids(guids), path)


def test_roles_have_their_limit_of_their_own(scene):
    warehouse = scene.sweep(ROLES)
    gone = [*warehouse.rows][:150]
    scene.delete(gone, ROLES)
    with pytest.raises(TooManyGoneError, match="reconcile_roles_path"):
        scene.reconcile(warehouse)
