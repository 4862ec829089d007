"""Tests of a run: what it writes after each page, and the bookmarks that it leaves."""

from __future__ import annotations

import logging

import pytest

from marketo_opps import DataError, ObjectDescription, Page, Reason, SettingsError
from tap_marketo_opps.errors import NoSuchListError, UnknownFieldError
from tap_marketo_opps.finding.late_entries import LogTail
from tap_marketo_opps.finding.resume_point import ResumePoint
from tests.tap_marketo_opps.sync.runs import (
    EARLY,
    FILTER,
    LATE,
    LEADS,
    LOG,
    MIDDLE,
    NOW,
    EmptyInstance,
    Written,
    finished,
    started,
)

OPPORTUNITIES, ROLES = "opportunities", "opportunity_roles"
LIST = {"find_by": "lead_list", "lead_list_id": 7}


class Instance(EmptyInstance):
    """An instance with pages of records by stream, the first of which is for the first 300 keys."""

    def __init__(self, **pages):
        super().__init__()
        self._pages = pages

    def query(self, obj, *, filter_values, **_):
        # By the number in the first key, since calls are made at the same time.
        number = int(filter_values[0].lstrip("ko")) // 300
        records = self._pages.get(str(obj), [])[number : number + 1]
        return Page(records[0] if records else [], None, more=False, request_id=None)

    def list_members(self, *_, **__):
        return Page([{"id": 1}], None, more=False, request_id=None)


def _deal(number, changed=LATE):
    return {"marketoGUID": f"g{number}", "externalOpportunityId": f"o{number}"} | {
        "updatedAt": changed
    }


def _role(number, changed=LATE):
    return _deal(number, changed) | {"leadId": 1}


def _run(settings, *, streams=(OPPORTUNITIES,), bookmark=None, **pages):
    """Return a run, and the writer of its states."""
    writer = Written()
    run = started(
        settings,
        {name: bookmark or {} for name in streams},
        client=Instance(**pages),
        writer=writer,
        convert_page=lambda records: [(each["updatedAt"], each) for each in records],
    )
    return run, writer


def _emitted(run):
    return [(name, [each["marketoGUID"] for each in page]) for name, page in run.pages()]


def _positions(writer):
    resumes = [state["bookmarks"][OPPORTUNITIES]["resume"] for state in writer.states]
    points = [ResumePoint.decode(each) for each in resumes]
    return [point.at["next"] if point and point.at else None for point in points]


class TestPages:
    def test_each_page_has_a_state_with_its_position_the_last_has_none(self):
        run, writer = _run(FILTER, opportunities=[[_deal(1)], [], [_deal(2)]])
        names = [(OPPORTUNITIES, guids) for guids in (["g1"], [], ["g2"])]
        assert _emitted(run) == names
        assert _positions(writer) == [300, 600, 650, None]

    def test_the_bookmarks_of_earlier_runs_stay_until_the_run_is_finished(self):
        found = {"found_by": "filter externalOpportunityId"}
        before = {"replication_key_value": EARLY} | found
        run, writer = _run(FILTER, bookmark=before, opportunities=[[_deal(1, MIDDLE)]])
        assert [*run.pages()]
        values = [
            state["bookmarks"][OPPORTUNITIES]["replication_key_value"] for state in writer.states
        ]
        assert values == [EARLY, EARLY, EARLY, MIDDLE]

    def test_pages_of_a_stream_that_is_not_selected_do_not_end_the_run(self):
        pages = {ROLES: [[_role(1)], [_role(2)], [_role(3)]]}
        run, _ = _run(LEADS, **pages, opportunities=[[_deal(1), _deal(2), _deal(3)]])
        assert [page for page in _emitted(run) if page[1]] == [(OPPORTUNITIES, ["g1", "g2", "g3"])]

    def test_a_page_without_records_and_position_has_no_state(self):
        # The last opportunities are found, and released, after the last position.
        pages = {ROLES: [[_role(1)], [_role(2)], [_role(3)]]}
        run, writer = _run(LEADS, streams=(OPPORTUNITIES, ROLES), **pages, opportunities=[[]])
        assert [page for page in _emitted(run) if page[1]] == [
            (ROLES, ["g1"]),
            (ROLES, ["g2"]),
            (ROLES, ["g3"]),
        ]
        assert len(writer.states) == 4

    def test_a_resumed_run_keeps_its_position_until_there_is_a_new_one(self):
        pages = {ROLES: [[_role(1)], [_role(2)]], OPPORTUNITIES: [[_deal(1)]]}
        run, writer = _run(LEADS, **pages)
        assert _emitted(run)
        before = writer.states[1]["bookmarks"][OPPORTUNITIES]
        assert _positions(writer)[:2] == [None, 300]
        run, writer = _run(LEADS, bookmark=before, **pages)
        # Its first page has opportunities of roles whose page is not written yet.
        assert _emitted(run)[0] == (OPPORTUNITIES, ["g1"])
        assert _positions(writer)[0] == 300


class TestBeginning:
    @staticmethod
    def _first_line(settings, caplog, **bookmark):
        caplog.set_level(logging.INFO, "tap-marketo-opps")
        run, _ = _run(settings, bookmark=bookmark)
        assert not [page for page in _emitted(run) if page[1]]
        return next(line for line in caplog.messages if line.startswith("Finding by "))

    def test_it_says_since_when_the_log_is_read(self, caplog):
        assert self._first_line(LOG, caplog).endswith(f", since {EARLY}.")

    def test_it_says_that_older_records_are_skipped(self, caplog):
        line = self._first_line(LEADS | {"start_date": MIDDLE}, caplog)
        assert line.endswith(f"; records from before start_date ({MIDDLE}) are skipped.")

    def test_it_says_nothing_else_of_a_run_that_emits_all(self, caplog):
        assert "start_date" not in self._first_line(LEADS, caplog)

    def test_it_does_not_speak_of_a_start_date_that_is_not_set(self, caplog):
        bookmark = {"replication_key_value": EARLY, "found_by": "lead_ids 1-900"}
        assert "start_date" not in self._first_line(LEADS, caplog, **bookmark)

    def test_it_does_not_name_a_start_date_of_which_nothing_is_skipped(self, caplog):
        settings = FILTER | {"start_date": MIDDLE}
        assert "start_date" not in self._first_line(settings, caplog)


@pytest.mark.parametrize(("settings", "too_old"), [(LEADS, 1), (LIST, 1), (FILTER, 0)])
def test_a_sweep_counts_what_it_skips_for_its_start_date(settings, too_old):
    roles = [[_role(1, EARLY)]]
    deals = [_deal(1, EARLY), _deal(2, LATE)]
    run, _ = _run(settings | {"start_date": MIDDLE}, opportunity_roles=roles, opportunities=[deals])
    assert [guids for _, guids in _emitted(run) if guids] == [["g2"]]
    assert run.outputs[OPPORTUNITIES].counts.too_old == too_old


class TestBookmarksOfFinishedRuns:
    @staticmethod
    def _left(settings, **before):
        left, _ = finished(settings, {OPPORTUNITIES: before})
        return left[OPPORTUNITIES]

    def test_a_run_by_values_leaves_how_it_found_them(self):
        left = self._left(FILTER)
        assert left["found_by"].startswith("filter ")
        assert not {"sweep_began", "sweep_leads", "log_until", "log_tail"} & {*left}

    def test_a_run_by_the_log_leaves_its_end_and_its_last_counts(self):
        left = self._left(LOG)
        assert left["log_until"] == NOW
        tail = LogTail.decode(left["log_tail"])
        assert (tail.until, tail.seconds) == (NOW, 600)
        assert "sweep_began" not in left

    def test_a_log_that_is_not_read_twice_leaves_no_counts(self):
        left = self._left(LOG | {"activity_overlap_seconds": 0})
        assert left["log_until"] == NOW
        assert "log_tail" not in left

    def test_a_sweep_of_a_range_leaves_its_leads_and_its_beginning(self):
        left = self._left(LEADS)
        assert (left["sweep_began"], left["sweep_leads"]) == (NOW, "lead_ids 1-900")
        assert "log_until" not in left

    def test_a_sweep_of_a_list_begins_a_week_before(self):
        writer = Written()
        run = started(LIST, {OPPORTUNITIES: {}}, client=Instance(), writer=writer)
        assert not [page for page in run.pages() if page[1]]
        left = writer.states[-1]["bookmarks"][OPPORTUNITIES]
        assert left["sweep_began"] == "2026-03-25T00:00:00Z"
        assert left["sweep_leads"] == left["found_by"]

    @pytest.mark.parametrize(("value", "began"), [(None, NOW), (MIDDLE, MIDDLE)])
    def test_only_a_sweep_that_emits_all_replaces_an_earlier_one(self, value, began):
        swept = {"sweep_began": MIDDLE, "sweep_leads": "lead_ids 1-900"}
        before = swept | ({"replication_key_value": value} if value else {})
        left = self._left(LEADS, **before, found_by="lead_ids 1-900")
        assert left["sweep_began"] == began
        assert left["sweep_leads"] == "lead_ids 1-900"


def test_a_time_limit_stops_a_run_only_after_a_new_position(monkeypatch):
    advances = []
    run, writer = _run(FILTER, opportunities=[[_deal(1)], [_deal(2)], [_deal(3)]])
    box = run.context.time_box
    monkeypatch.setattr(box, "note_advance", lambda: advances.append(len(writer.states)))
    assert len(_emitted(run)) == 3
    assert advances == [1, 2, 3, 4]


class Refusing(EmptyInstance):
    """An instance that refuses every call with the same error, and can be described."""

    def __init__(self, error):
        super().__init__()
        self._error = error

    def query(self, *_, **__):
        raise self._error

    list_members = query

    def describe(self, _):
        searchable = (("externalOpportunityId",), ("stage",))
        return ObjectDescription("", "marketoGUID", (), searchable, ())


@pytest.mark.parametrize(
    ("settings", "path", "reason", "advised", "words"),
    [
        (LIST, "/v1/lists/7/leads.json", ("610", "Not found"), NoSuchListError, "7"),
        (
            FILTER | {"filter_type": "mood"},
            "/v1/opportunities.json",
            ("1003", "Invalid filterType"),
            SettingsError,
            "filter_type",
        ),
        (
            LEADS,
            "/v1/opportunities/roles.json",
            ("1006", "Field 'marketoGUID' not found"),
            UnknownFieldError,
            "marketoGUID",
        ),
    ],
)
def test_an_error_that_settings_cause_comes_with_advice(settings, path, reason, advised, words):
    error = DataError(f"GET {path}", [Reason(*reason)], "r1")
    run = started(settings, {OPPORTUNITIES: {}, ROLES: {}}, client=Refusing(error))
    with pytest.raises(advised, match=words):
        [*run.pages()]


def test_any_other_error_is_the_one_that_ends_the_run():
    error = DataError("GET /x", [Reason("1003", "Invalid request")], "r1")
    run = started(FILTER, {OPPORTUNITIES: {}}, client=Refusing(error))
    with pytest.raises(DataError) as caught:
        [*run.pages()]
    assert caught.value is error
