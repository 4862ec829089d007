"""Tests that a reconcile corrects the warehouse, and emits nothing else."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta

import pytest

from marketo_opps import SettingsError
from tap_marketo_opps.errors import ChangedFileError
from tests.tap_marketo_opps.helpers import UnpacedTap
from tests.tap_marketo_opps.reconcile.warehouse import (
    OPPORTUNITIES,
    PATHS,
    ROLES,
    Warehouse,
    write,
)

FIELDS = "opportunity_fields"
MARK = "_sdc_deleted_at"
MOMENT = "2026-01-02T03:04:05Z"


def _changed(output, stream=OPPORTUNITIES):
    return {each["marketoGUID"] for each in output.records(stream) if MARK not in each}


def _gone(output, stream=OPPORTUNITIES):
    return {each["marketoGUID"]: each for each in output.records(stream) if MARK in each}


@pytest.mark.parametrize("stream", [OPPORTUNITIES, ROLES])
def test_what_is_alike_is_counted_and_not_emitted(scene, stream):
    warehouse = scene.sweep(stream)
    output = scene.reconcile(warehouse)
    assert not output.records(stream)
    counts = f"{len(warehouse.rows):,} alike, 0 changed, 0 gone, 0 known gone"
    assert len(scene.lines.having(counts)) == 1
    other = ROLES if stream == OPPORTUNITIES else OPPORTUNITIES
    assert sorted(scene.lines.having("skipped")) == sorted(
        [
            "opportunity_fields: skipped because find_by: reconcile has no file for it.",
            f"{other}: skipped because {PATHS[other]} is not set.",
        ]
    )


def test_what_changed_is_emitted_and_what_is_gone_marked(scene):
    warehouse = scene.sweep()
    guids = [*warehouse.rows]
    scene.change(warehouse, guids[:7])
    scene.delete(guids[7:12])
    before = {guid: warehouse.rows[guid] for guid in guids[7:12]}
    output = scene.reconcile(warehouse)
    assert _changed(output) == {*guids[:7]}
    assert _gone(output).keys() == before.keys()
    for guid, tombstone in _gone(output).items():
        # Each client has the clock of its own first call, to the second.
        now = f"{scene.client.server_now() + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
        assert warehouse.rows[guid]["updatedAt"] < tombstone[MARK] <= now
        assert {**tombstone, MARK: None} == before[guid]
    assert scene.lines.having(f"{len(guids) - 12} alike, 7 changed, 5 gone, 0 known gone")
    warehouse.load(output)
    present = scene.present()
    assert {g: r["updatedAt"] for g, r in warehouse.living.items()} == {
        guid: present[guid] for guid in guids if guid not in before
    }


def test_roles_that_were_taken_off_get_a_tombstone(scene):
    warehouse = scene.sweep(ROLES)
    gone = [*warehouse.rows][3:30]
    scene.delete(gone, ROLES)
    output = scene.reconcile(warehouse)
    assert not _changed(output, ROLES)
    assert _gone(output, ROLES).keys() == {*gone}
    row = warehouse.rows[gone[0]]
    assert {**_gone(output, ROLES)[gone[0]], MARK: None} == row


def test_both_streams_are_reconciled_by_one_run(scene):
    deals, roles = scene.both()
    scene.delete([*roles.rows][:5], ROLES)
    scene.delete([*deals.rows][:5])
    settings = {PATHS[ROLES]: str(roles.export(scene.file("roles.csv")))}
    output = scene.reconcile(deals, **settings)
    assert len(_gone(output)) == 5
    assert {*[*roles.rows][:5]} <= _gone(output, ROLES).keys()
    assert scene.lines.having("skipped")[0].startswith("opportunity_fields")
    assert len(scene.lines.having("skipped")) == 1


def test_streams_that_have_no_file_cost_no_call(scene, catalog_of):
    deals = scene.sweep()
    names = ("opportunities", "opportunity_activities", "opportunity_changes", "opportunity_fields")
    before = json.loads(json.dumps(scene.state))
    calls = scene.calls_of(
        lambda: scene.reconcile(deals, catalog=catalog_of(scene.sandbox, *names))
    )
    assert [c["operation"] for c in calls if "describe" not in c["operation"]] == [
        "query opportunity"
    ]
    for name in names[1:]:
        assert scene.lines.having(f"{name}: skipped because find_by: reconcile has no file for it.")
        assert scene.state["bookmarks"].get(name) == before["bookmarks"].get(name) or name == FIELDS


def test_a_guid_of_two_chunks_that_is_gone_gets_one_tombstone(scene_of):
    scene = scene_of(opportunities=700, leads=10)
    guids = scene.guids()
    scene.delete(guids[:1])
    path = write(scene.file(), "\n".join([*guids, guids[0]]))
    output = scene.reconcile(Warehouse(), path)
    assert [each["marketoGUID"] for each in output.records() if MARK in each] == guids[:1]
    assert output.bookmark()["reconcile"] is None


def test_guids_alone_have_everything_found_emitted_and_a_warning(scene):
    warehouse = scene.sweep()
    guids = [*warehouse.rows]
    scene.delete(guids[:3])
    path = warehouse.export_guids(scene.file())
    output = scene.reconcile(warehouse, path)
    assert _changed(output) == {*guids[3:]}
    assert all(each.keys() == {"marketoGUID", MARK} for each in _gone(output).values())
    (warning,) = scene.lines.warnings
    assert "has no column for" in warning
    assert "name, description, type, stage, amount" in warning
    raw = bytes(scene.sync.raw)
    assert raw.index(b"_sdc_deleted_at") < raw.index(guids[0].encode())


def test_no_column_is_missed_where_nothing_is_gone(scene):
    warehouse = scene.sweep()
    scene.reconcile(warehouse, warehouse.export_guids(scene.file()))
    assert not scene.lines.warnings


FORMS = {
    "plain": {},
    "with a byte order mark": {"encoding": "utf-8-sig"},
    "UTF-16 with CRLF": {"encoding": "utf-16", "newline": "\r\n"},
    "as SQL loaders name columns": {
        "rename": lambda name: "".join(f"_{c.lower()}" if c.isupper() else c for c in name)
    },
    "in capitals": {"rename": str.upper},
    "another order": {"columns": ["name", "updatedAt", "amount", "marketoGUID", "isWon"]},
}


@pytest.mark.parametrize("form", FORMS)
def test_files_of_any_form_are_read_alike(scene, form):
    warehouse = scene.sweep()
    guids = [*warehouse.rows]
    warehouse.rows[guids[0]]["name"] = 'One, "two"\nand three'
    scene.change(warehouse, guids[2:4])
    scene.delete(guids[:2])
    output = scene.reconcile(warehouse, warehouse.export(scene.file(), **FORMS[form]))
    assert _changed(output) == {*guids[2:4]}
    for guid, tombstone in _gone(output).items():
        assert tombstone["name"].replace("\r", "") == warehouse.rows[guid]["name"]
        assert tombstone["amount"] == warehouse.rows[guid]["amount"]
        assert tombstone["isWon"] == warehouse.rows[guid]["isWon"]
    assert len(_gone(output)) == 2


def test_a_row_known_to_be_gone_gets_no_second_tombstone(scene):
    warehouse = scene.sweep()
    guids = [*warehouse.rows]
    scene.delete(guids[:150])
    warehouse.load(scene.reconcile(warehouse, max_gone_percent=60))
    assert warehouse.marked == {*guids[:150]}
    calls = scene.calls_of(lambda: scene.reconcile(warehouse, max_gone_percent=0))
    assert [call["operation"] for call in calls].count("query opportunity") == 1
    assert scene.lines.having(f"{len(guids) - 150} alike, 0 changed, 0 gone, 150 known gone")


def test_what_is_marked_as_gone_and_is_there_is_emitted(scene):
    warehouse = scene.sweep()
    guid = next(iter(warehouse.rows))
    warehouse.rows[guid][MARK] = "2026-01-01T00:00:00Z"
    output = scene.reconcile(warehouse)
    assert _changed(output) == {guid}
    warehouse.load(output)
    assert not warehouse.marked


@pytest.mark.parametrize("dialects", [[], ["tokens-only"]])
@pytest.mark.parametrize("batch_size", [300, 100])
def test_calls_are_as_few_as_they_can_be(scene_of, dialects, batch_size):
    scene = scene_of(opportunities=1500, leads=10, dialects=dialects)
    warehouse = Warehouse()
    warehouse.rows = dict.fromkeys(scene.guids())
    gone = {*[*warehouse.rows][::5]}
    scene.delete(gone)
    path = warehouse.export_guids(scene.file())
    settings = {"batch_size": batch_size, "max_gone_percent": 30}
    catalog = None
    calls = scene.calls_of(lambda: scene.reconcile(warehouse, path, catalog=catalog, **settings))
    assert _gone(scene.sync.written).keys() == gone
    assert len(calls) <= 5 * (300 / batch_size) + 1 + 4


@pytest.mark.parametrize("dialects", [[], ["tokens-only"]])
def test_short_pages_declare_nothing_gone(scene_of, dialects):
    scene = scene_of(opportunities=900, leads=10, dialects=dialects, short_pages=0.7)
    warehouse = Warehouse()
    warehouse.rows = dict.fromkeys(scene.guids())
    gone = {*[*warehouse.rows][:40]}
    scene.delete(gone)
    output = scene.reconcile(warehouse, warehouse.export_guids(scene.file()))
    assert _gone(output).keys() == gone
    assert _changed(output) == warehouse.rows.keys() - gone
    assert len(output.records()) == 900


class OneLookMisses(UnpacedTap):
    """A tap that misses some records in one response, once."""

    hidden: frozenset = frozenset()

    @property
    def client(self):
        client = super().client
        if not hasattr(client, "asked"):
            client.asked, query = set(), client.query

            def forgetful(*args, **asked):
                page = query(*args, **asked)
                news = self.hidden - client.asked
                client.asked |= self.hidden & {*asked["filter_values"]}
                page.records[:] = [r for r in page.records if r["marketoGUID"] not in news]
                return page

            client.query = forgetful
        return client


def test_what_only_the_second_look_finds_is_not_gone(scene):
    warehouse = scene.sweep()
    guids = [*warehouse.rows]
    scene.change(warehouse, guids[:20])
    scene.delete(guids[40:50])
    hidden = type("Forgetful", (OneLookMisses,), {"hidden": frozenset(guids[10:50])})
    output = scene.reconcile(warehouse, tap_class=hidden)
    assert _gone(output).keys() == {*guids[40:50]}
    assert _changed(output) == {*guids[:20]}
    assert scene.lines.having(f"{len(guids) - 30} alike, 20 changed, 10 gone")


def test_other_bookmarks_stay_as_they_are_and_ours_ends_null(scene):
    warehouse = scene.sweep()
    before = json.loads(json.dumps(scene.state))
    scene.change(warehouse, [*warehouse.rows][:3])
    output = scene.reconcile(warehouse)
    held = [state["bookmarks"][OPPORTUNITIES].get("reconcile") for state in output.states]
    assert str in {*map(type, held)} <= {str, type(None)}
    after = output.state["bookmarks"]
    assert after[OPPORTUNITIES].pop("reconcile") is None
    before["bookmarks"].pop("opportunity_fields", None)
    after.pop("opportunity_fields", None)
    assert after == before["bookmarks"]


def _rewritten_by_the_first_call(path, content):
    """Return a tap class whose file is rewritten during its first call."""

    class Tap(UnpacedTap):
        @property
        def client(self):
            client = super().client
            if not hasattr(client, "original_query"):
                client.original_query, client.query = client.query, None

                def query(*args, **asked):
                    write(path, content)
                    return client.original_query(*args, **asked)

                client.query = query
            return client

    return Tap


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("2", "3"),
        lambda text: text[: len(text) // 2],
        lambda text: text + "one-more,,,,,,\n",
        lambda _: "",
    ],
    ids=["other values", "cut off", "grown", "emptied"],
)
def test_a_file_that_changes_while_it_is_read_ends_the_run(scene, change):
    columns = ["marketoGUID", "updatedAt", MARK]
    warehouse = Warehouse()
    warehouse.rows = {
        f"gone-{number}": dict(zip(columns, (f"gone-{number}", MOMENT, MOMENT), strict=True))
        for number in range(9000)
    }
    path = warehouse.export(scene.file())
    tap_class = _rewritten_by_the_first_call(path, change(path.read_text()))
    with pytest.raises(ChangedFileError):
        scene.reconcile(warehouse, path, tap_class=tap_class)
    states = scene.sync.written.states
    assert all(each["bookmarks"][OPPORTUNITIES]["reconcile"] for each in states)


@pytest.fixture
def after_a_daily_run(scene):
    """Return a warehouse loaded by a sweep and a daily run after it."""
    warehouse = scene.sweep()
    scene.sandbox.advance(3600)
    daily = scene.sync(dict(scene.sandbox.credentials), state=scene.state)
    warehouse.load(daily)
    scene.state = daily.state
    scene.sandbox.advance(60)
    return warehouse


def _exported_at(scene, warehouse, moment, **form):
    path = warehouse.export(scene.file(), **form)
    seconds = datetime.fromisoformat(moment).timestamp()
    os.utime(path, (seconds, seconds))
    return path


def test_changes_from_before_the_logs_bookmark_are_counted(scene, after_a_daily_run):
    warehouse, rows = after_a_daily_run, [*after_a_daily_run.rows.values()]
    for row in rows[:4]:
        row["updatedAt"] = "2020-01-01T00:00:00Z"
    scene.change(warehouse, [row["marketoGUID"] for row in rows[4:7]])
    log_until = scene.state["bookmarks"][OPPORTUNITIES]["log_until"]
    path = _exported_at(scene, warehouse, log_until)
    os.utime(path, (path.stat().st_mtime + 1,) * 2)
    output = scene.reconcile(warehouse, path)
    assert _changed(output) == {row["marketoGUID"] for row in rows[:7]}
    assert scene.lines.having("7 changed, 0 gone, 0 known gone; 4 of the changes missed by the")


def test_it_says_why_it_cannot_tell_what_the_log_missed(scene, after_a_daily_run, monkeypatch):
    warehouse = after_a_daily_run
    path = _exported_at(scene, warehouse, scene.state["bookmarks"][OPPORTUNITIES]["log_until"])
    scene.reconcile(warehouse, path)
    assert scene.lines.having("unknown (the log was read up to 20")
    path = _exported_at(scene, warehouse, "2090-01-01T00:00:00Z", columns=["marketoGUID"])
    scene.reconcile(warehouse, path)
    assert scene.lines.having("unknown (the file has no updatedAt")
    with monkeypatch.context() as patch:
        patch.setattr("tap_marketo_opps.reconcile.warehouse_file.modified_at", lambda _: None)
        scene.reconcile(warehouse)
    assert scene.lines.having("unknown (the date of the file is unknown")
    scene.state = None
    scene.reconcile(warehouse)
    assert scene.lines.having("unknown (the state has no bookmark of the activity log")


def test_a_state_of_another_instance_is_refused(scene):
    warehouse = scene.sweep()
    scene.state["bookmarks"][OPPORTUNITIES]["instance"] = "another.mktorest.com"
    with pytest.raises(SettingsError, match="belongs to the instance another"):
        scene.reconcile(warehouse)


def test_a_pipe_and_a_file_without_guids_are_refused(scene):
    warehouse = scene.sweep()
    os.mkfifo(scene.file("pipe"))
    for path, words in (
        (scene.file("pipe"), "is not a regular file"),
        (write(scene.file(), "name,stage\nA,B\n"), "and no header marketoGUID"),
        (write(scene.file("empty.csv"), "marketoGUID\n"), "contains no values"),
    ):
        with pytest.raises(SettingsError, match=words):
            scene.reconcile(warehouse, path)


def test_rows_without_a_guid_and_named_twice_are_reported(scene):
    warehouse = scene.sweep()
    columns = ["marketoGUID", "updatedAt"]
    lines = warehouse.export(scene.file(), columns=columns).read_text().splitlines()
    path = write(scene.file("odd.csv"), "\n".join([*lines[:2], *lines[1:], ",x"]))
    output = scene.reconcile(warehouse, path)
    assert not output.records()
    assert "skipped 1 row" in scene.lines.warnings[0]
    assert scene.lines.having("1 row with a repeated marketoGUID")


def test_a_cell_that_does_not_fit_is_null_and_told(scene):
    warehouse = scene.sweep()
    guid = next(iter(warehouse.rows))
    warehouse.rows[guid]["amount"] = "much"
    scene.delete([guid])
    output = scene.reconcile(warehouse)
    assert _gone(output)[guid]["amount"] is None
    assert "much" not in str(scene.lines.all)
    (warning,) = scene.lines.warnings
    assert "amount" in warning
    assert guid in warning
    assert scene.lines.having("1 value set to null")


def test_deselected_fields_are_not_requested_nor_in_tombstones(scene, catalog_of):
    warehouse = scene.sweep()
    guid = next(iter(warehouse.rows))
    scene.delete([guid])
    catalog = catalog_of(scene.sandbox, OPPORTUNITIES, fields=["name"])
    before = len(scene.sandbox.journal())
    output = scene.reconcile(warehouse, catalog=catalog)
    assert _gone(output)[guid].keys() == {"marketoGUID", "updatedAt", "name", MARK}
    call = next(c for c in scene.sandbox.journal()[before:] if "query" in c["operation"])
    assert {*call["parameters"]["fields"].split(",")} == {"marketoGUID", "updatedAt", "name"}


def test_a_dry_run_looks_up_one_call_and_no_more(scene_of):
    scene = scene_of(opportunities=900, leads=10)
    warehouse = Warehouse()
    warehouse.rows = dict.fromkeys(scene.guids())
    path = warehouse.export_guids(scene.file())
    tap = UnpacedTap(config=warehouse.settings(scene.sandbox, path))
    before = len(scene.sandbox.journal())
    tap.run_sync_dry_run(dry_run_record_limit=1, streams=[tap.streams[OPPORTUNITIES]])
    tap.client.close()
    calls = [c["operation"] for c in scene.sandbox.journal()[before:]]
    assert calls.count("query opportunity") == 1


def test_a_run_report_has_the_counts_too(scene):
    warehouse = scene.sweep()
    guids = [*warehouse.rows]
    scene.change(warehouse, guids[:3])
    scene.delete(guids[3:5])
    warehouse.rows[guids[5]] = {**warehouse.rows[guids[5]], "marketoGUID": "x", MARK: MOMENT}
    tap = UnpacedTap(config=warehouse.settings(scene.sandbox, warehouse.export(scene.file())))
    tap.sync_all()
    tap.client.close()
    counts = tap.measure()[0][OPPORTUNITIES]
    names = ("alike", "changed", "gone", "known_gone", "emitted")
    assert [counts[name] for name in names] == [len(guids) - 6, 3, 2, 1, 5]


def test_roles_carry_what_is_wanted_of_their_leads(scene):
    settings = {"lead_fields": ["email"]}
    warehouse = scene.sweep(ROLES, **settings)
    guids = [*warehouse.rows]
    for guid in guids[:5]:
        warehouse.rows[guid] = {**warehouse.rows[guid], "updatedAt": MOMENT}
    scene.delete(guids[5:8], ROLES)
    before = len(scene.sandbox.journal())
    output = scene.reconcile(warehouse, **settings)
    assert _changed(output, ROLES) == {*guids[:5]}
    for record in output.records(ROLES):
        assert record["lead_email"] == warehouse.rows[record["marketoGUID"]]["lead_email"]
    assert {record["lead_email"] for record in output.records(ROLES)} - {None}
    calls = [c["operation"] for c in scene.sandbox.journal()[before:]]
    assert sum("lead" in call and "describe" not in call for call in calls) == 1


def test_where_no_role_changed_no_lead_is_requested(scene):
    settings = {"lead_fields": ["email"]}
    warehouse = scene.sweep(ROLES, **settings)
    before = len(scene.sandbox.journal())
    scene.reconcile(warehouse, **settings)
    calls = [c["operation"] for c in scene.sandbox.journal()[before:]]
    assert not [call for call in calls if "lead" in call and "describe" not in call]
