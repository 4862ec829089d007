"""Tests of a reconcile that is killed, resumed, or interrupted by daily runs."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketo_opps.errors import AccessDeniedError
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES, ROLES, Warehouse

MARK = "_sdc_deleted_at"


def _place(state, stream=OPPORTUNITIES):
    return state["bookmarks"][stream].get("reconcile")


def _of_guids(guids):
    warehouse = Warehouse()
    warehouse.rows = dict.fromkeys(guids)
    return warehouse


def test_a_killed_run_resumes_where_it_stopped(scene_of):
    scene = scene_of(opportunities=6000, leads=10)
    guids = scene.guids()
    warehouse = _of_guids(guids)
    scene.delete(guids[::30])
    path = warehouse.export_guids(scene.file())

    def run_twice():
        scene.reconcile(warehouse, path, most_bytes=2_000_000)
        scene.reconcile(warehouse, path)

    calls = scene.calls_of(run_twice)
    queries = [call for call in calls if call["operation"] == "query opportunity"]
    # Twenty for all, one for those that are gone, and what was in flight when it was killed.
    assert 22 <= len(queries) <= 21 + 9
    assert scene.lines.having("Resuming the interrupted reconcile")
    assert scene.lines.having("0 alike, 5,800 changed, 200 gone, 0 known gone")


class World:
    """An instance of a few chunks of deals, and its warehouse, over many nights."""

    def __init__(self, scene):
        self.scene = scene
        self.deals, self.roles = scene.both()
        # So that the daily run has a bookmark of the log.
        self.daily()

    def daily(self):
        scene = self.scene
        scene.sandbox.advance(3600)
        output = scene.sync(dict(scene.sandbox.credentials), state=scene.state)
        scene.state = output.state
        self.deals.load(output)
        self.roles.load(output)

    def plant(self, changes, deletes):
        """Make differences that the activity log does not record; return their GUIDs."""
        living = sorted(self.deals.living)
        changed, gone = living[:changes], living[changes : changes + deletes]
        for guid in changed:
            self.deals.rows[guid]["updatedAt"] = "2020-01-01T00:00:00Z"
        self.scene.delete(gone)
        return {*changed}, {*gone}


@dataclass(frozen=True)
class Night:
    """The differences in a warehouse, and what happens to the run that corrects them."""

    changes: int
    deletes: int
    kills: list[int]
    daily_between: bool
    columns: list[str] | None


@pytest.fixture
def world(scene_of):
    return World(scene_of(opportunities=2400, leads=1500))


@pytest.mark.slow
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    night=st.builds(
        Night,
        changes=st.integers(0, 300),
        deletes=st.integers(0, 60),
        kills=st.lists(st.integers(1, 300_000), max_size=4),
        daily_between=st.booleans(),
        columns=st.sampled_from([None, ["marketoGUID", MARK, "updatedAt"]]),
    )
)
def test_whatever_interrupts_it_the_warehouse_is_put_right(world, night):
    scene = world.scene
    changed, gone = world.plant(night.changes, night.deletes)
    marked = world.deals.marked
    path = world.deals.export(scene.file(), columns=night.columns)
    told = []
    for most_bytes in [*night.kills, None]:
        output = scene.reconcile(
            world.deals, path, most_bytes=most_bytes, max_gone_percent=100, batch_size=50
        )
        told += output.records()
        if "SCHEMA" in output.types:
            world.deals.load(output)
        if night.daily_between and most_bytes is not None:
            world.daily()
    assert _place(scene.state) is None
    assert {each["marketoGUID"] for each in told if MARK not in each} >= changed
    assert {each["marketoGUID"] for each in told if MARK in each} == gone
    assert world.deals.marked == marked | gone
    present = scene.present()
    assert {g: row["updatedAt"] for g, row in world.deals.living.items()} == {
        guid: present[guid] for guid in world.deals.living
    }
    assert world.deals.living.keys() <= present.keys()


def test_a_daily_run_and_a_reconcile_may_interrupt_each_other(world):
    scene = world.scene
    world.plant(200, 60)
    path = world.deals.export(scene.file())
    before = json.loads(json.dumps(scene.state))
    scene.reconcile(world.deals, path)
    size = len(scene.sync.raw)
    places = set()
    for most_bytes in range(size // 2, size, size // 10):
        scene.state = json.loads(json.dumps(before))
        scene.reconcile(world.deals, path, most_bytes=most_bytes)
        places.add(place := _place(scene.state))
        world.daily()
        assert _place(scene.state) == place
        output = scene.reconcile(world.deals, path)
        assert _place(output.state) is None
        assert output.bookmark()["log_until"] > before["bookmarks"][OPPORTUNITIES]["log_until"]
    assert len(places) > 1


def test_a_kill_within_a_chunk_keeps_the_place(scene_of):
    scene = scene_of(opportunities=1500, leads=10)
    warehouse = _of_guids(scene.guids())
    path = warehouse.export_guids(scene.file())
    scene.reconcile(warehouse, path, most_bytes=500_000, batch_size=50)
    before, place = scene.state, _place(scene.state)
    seen = set()
    for most_bytes in range(20_000, 200_000, 10_000):
        scene.state = json.loads(json.dumps(before))
        scene.reconcile(warehouse, path, most_bytes=most_bytes, batch_size=50)
        seen.add(_place(scene.state))
    assert place in seen
    assert None not in seen


def test_another_file_begins_again_and_says_so(scene_of):
    scene = scene_of(opportunities=6000, leads=10)
    guids = scene.guids()
    warehouse = _of_guids(guids)
    path = warehouse.export_guids(scene.file())
    scene.reconcile(warehouse, path, most_bytes=1_500_000)
    assert _place(scene.state)
    warehouse.rows = dict.fromkeys(guids[:-1])
    output = scene.reconcile(warehouse, warehouse.export_guids(scene.file()))
    assert scene.lines.having("starting over")
    assert len(output.records()) == len(guids) - 1


@pytest.mark.parametrize(
    "edit",
    [
        lambda _: "what?",
        lambda _: 5,
        lambda _: {"next": 1},
        lambda place: place[:-10],
        lambda place: place.replace('"next":', '"next":9'),
        lambda place: place.replace('"next":', '"next":-'),
        lambda place: place.replace('"alike":0', '"alike":"0"'),
        lambda place: place.replace('"missing":"', '"missing":"7000,'),
        lambda place: place.replace('"v":1', '"v":2'),
        lambda place: place.replace('"gone"', '"gnoe"'),
    ],
)
def test_a_place_that_cannot_be_read_is_reported_and_begun_again(scene_of, edit):
    scene = scene_of(opportunities=6000, leads=10)
    warehouse = Warehouse()
    warehouse.rows = dict.fromkeys(scene.guids())
    path = warehouse.export_guids(scene.file())
    scene.reconcile(warehouse, path, most_bytes=1_500_000)
    bookmark = scene.state["bookmarks"][OPPORTUNITIES]
    bookmark["reconcile"] = edit(bookmark["reconcile"])
    output = scene.reconcile(warehouse, path, batch_size=200)
    assert len(output.records()) == 6000
    places = [_place(state) for state in output.states[1:]]
    assert all(isinstance(place, str | None) for place in places)
    assert scene.lines.having("Cannot resume the interrupted run of opportunities")


def test_the_place_is_one_string_in_meltanos_deep_merge(scene_of, merged):
    scene = scene_of(opportunities=3000, leads=10)
    guids = scene.guids()
    scene.delete(guids[::20])
    warehouse = Warehouse()
    warehouse.rows = dict.fromkeys(guids)
    path = warehouse.export_guids(scene.file())
    output = scene.reconcile(warehouse, path)
    state = {}
    for each in output.states:
        state = merged(state, each)
        assert state["bookmarks"][OPPORTUNITIES] == each["bookmarks"][OPPORTUNITIES]
    places = [_place(each) for each in output.states if _place(each)]
    assert all(isinstance(place, str) and len(place) < 2000 for place in places)
    assert _place(state) is None


def test_with_rows_of_roles_the_place_is_their_own(scene):
    deals, roles = scene.both()
    scene.delete([*roles.rows][:20], ROLES)
    path = roles.export(scene.file())
    scene.reconcile(roles, path)
    assert _place(scene.state, ROLES) is None
    assert "reconcile" not in scene.state["bookmarks"][OPPORTUNITIES]
    assert deals


def test_a_finished_stream_is_not_compared_again_for_another(scene):
    deals, roles = scene.both()
    path = deals.export(scene.file())
    files = {"reconcile_roles_path": str(roles.export(scene.file("roles.csv")))}
    scene.sandbox.fault("603", operation="query role")
    with pytest.raises(AccessDeniedError):
        scene.reconcile(deals, path, **files)
    scene.sandbox.clear_faults()
    scene.state = scene.sync.written.state

    calls = scene.calls_of(lambda: scene.reconcile(deals, path, **files))

    assert {c["operation"] for c in calls if "query" in c["operation"]} == {"query role"}
    assert scene.lines.having("The interrupted reconcile has already compared all rows.")
    assert (_place(scene.state), _place(scene.state, ROLES)) == (None, None)
