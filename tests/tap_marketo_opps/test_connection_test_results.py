"""Tests of what `--test` finds out about an instance, and of settings that it refuses."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from marketo_opps import ConnectionSettings, MarketoClient
from tests.tap_marketo_opps.helpers import UnpacedTap

LIMITS = {"enforced": False}
NOW = "2026-06-01T00:00:00Z"
BY_LOG = {"start_date": "2026-05-01T00:00:00Z"}
TYPES = [
    {"id": 34, "name": "Add to Opportunity"},
    {"id": 36, "name": " update OPPORTUNITY "},
    {"id": 1000, "name": "Opportunity won"},
]


@pytest.fixture
def make(marketo_sandbox_factory):
    def start(**options):
        return marketo_sandbox_factory(
            **{"opportunities": 40, "leads": 30, "limits": LIMITS, **options}
        )

    return start


@pytest.fixture
def checked(capsys):
    """Return a function that runs a test and returns its lines, and True if it succeeds."""

    def run(sandbox, *, state=None, catalog=None, **settings):
        tap = UnpacedTap(
            config={**sandbox.credentials, **settings},
            state=state,
            catalog=catalog,
            setup_mapper=False,
        )
        capsys.readouterr()
        is_well = tap.report_checks()
        tap.client.close()
        return capsys.readouterr().out.splitlines(), is_well

    return run


def calls_of(sandbox):
    return [call for call in sandbox.journal() if call["operation"] != "identity"]


def line_with(words, lines):
    (line,) = (each for each in lines if words in each)
    return line


def test_each_type_is_reported_with_its_first_entry(make, checked):
    sandbox = make()
    lines, is_well = checked(sandbox, **BY_LOG)
    assert is_well
    assert line_with("activity types that are read:", lines).startswith(
        "ok      activity types that are read: Add to Opportunity (34), "
    )
    assert line_with("Merge Leads (32)", lines)
    for number, name in ((34, "Add to Opportunity"), (36, "Update Opportunity")):
        line = line_with(f"{name}: in the log at least since", lines)
        assert line == f"ok      {name}: in the log at least since {first_kept(sandbox, number)}"


def first_kept(sandbox, type_id):
    with MarketoClient(ConnectionSettings.from_config(sandbox.credentials)) as client:
        token = client.paging_token(datetime(2020, 1, 1, tzinfo=UTC))
        page = client.activities(next_page_token=token, activity_type_ids=[type_id])
    return min(each["activityDate"] for each in page.records)


LEADS = {"lead_fields": ["email"]}


def test_leads_are_tried_where_roles_carry_their_fields(make, checked):
    sandbox = make()
    told = "ok      reading leads"
    assert line_with("reading leads", checked(sandbox, **BY_LOG, **LEADS)[0]) == told
    assert len(calls_of(sandbox)) <= 25
    assert told not in checked(sandbox, **BY_LOG)[0]


def test_leads_that_may_not_be_read_fail_with_the_remedy(make, checked):
    kept = {"Read-Only Opportunity", "Read-Only Activity", "Read-Write Schema Standard Field"}
    lines, is_well = checked(make(permissions=frozenset(kept)), **BY_LOG, **LEADS)
    assert not is_well
    line = line_with("FAILED  reading leads (for lead_fields)", lines)
    assert "'Read-Only Lead' or 'Read-Write Lead'" in line


def test_field_metadata_that_may_not_be_read_can_be_deselected(make, checked):
    kept = {"Read-Only Opportunity", "Read-Only Activity"}
    lines, is_well = checked(make(permissions=frozenset(kept)), **BY_LOG)
    assert not is_well
    line = line_with("FAILED  reading field metadata (for opportunity_fields)", lines)
    assert line.endswith("Or deselect the stream opportunity_fields.")


def test_a_lead_field_that_there_is_not_fails_the_test(make, checked):
    lines, is_well = checked(make(), **BY_LOG, lead_fields=["emial"])
    assert not is_well
    assert "'emial' (near: 'email')" in line_with("FAILED  reading leads", lines)


def test_a_type_without_an_entry_is_reported_with_the_remedy(make, checked):
    lines, is_well = checked(make(opportunities=0, leads=0), **BY_LOG)
    assert is_well
    for name in ("Add to Opportunity", "Remove from Opportunity", "Update Opportunity"):
        line = line_with(f"{name}: not found in the log since 20", lines)
        assert line.startswith("note ")
        assert "run a sweep from time to time (find_by: lead_ids)" in line


def test_of_a_log_that_goes_on_and_on_five_pages_are_read(make, checked):
    sandbox = make()
    empty = {"success": True, "requestId": "r#1", "moreResult": True}
    for number in range(1, 100):
        page = {**empty, "nextPageToken": f"T{number}"}
        sandbox.fault("answer", operation="activities", times=1, status=200, body=page)
    lines, is_well = checked(sandbox, daily_call_limit=10_000, **BY_LOG)
    assert is_well
    for name in ("Add to Opportunity", "Remove from Opportunity", "Update Opportunity"):
        assert line_with(f"{name}: not found in the first 5 pages of the log since", lines)
    assert len(calls_of(sandbox)) <= 25


def test_a_log_without_more_result_fails_the_connection_test(make, checked):
    sandbox = make()
    sandbox.fault("patch", operation="activities", merge={"moreResult": None})
    lines, is_well = checked(sandbox, **BY_LOG)
    assert not is_well
    assert "no moreResult" in line_with("FAILED  entries of Update Opportunity", lines)


@pytest.mark.parametrize(
    ("name", "days"), [("Update Opportunity", 90), ("Add to Opportunity", 760)]
)
def test_the_log_is_tried_as_far_back_as_marketo_keeps_it(make, checked, name, days):
    lines, _ = checked(make(opportunities=0, leads=0, clock=NOW), **BY_LOG)
    since = {90: "2026-03-03T", 760: "2024-05-02T"}[days]
    assert f"since {since}" in line_with(f"{name}: not found", lines)


def test_types_that_are_missing_or_others_are_reported(make, checked):
    sandbox = make()
    body = {"success": True, "requestId": "r#1", "result": TYPES}
    sandbox.fault("answer", operation="activity_types", status=200, body=body)
    lines, is_well = checked(sandbox, **BY_LOG)
    assert is_well
    followed = (
        "ok      activity types that are read: Add to Opportunity (34), Update Opportunity (36)"
    )
    assert followed in lines
    assert line_with("no activity type Remove from Opportunity", lines).startswith("note ")
    assert line_with("no activity type Merge Leads", lines).startswith("note ")
    assert line_with("'Opportunity won' (1000)", lines).startswith("note ")


@pytest.mark.parametrize(
    ("dialects", "told"),
    [
        (set(), "ok      paged responses contain moreResult"),
        ({"tokens-only"}, "ok      paged responses have no moreResult: the page token decides"),
    ],
)
def test_whether_pages_carry_more_result_is_tried(make, checked, dialects, told):
    lines, is_well = checked(make(dialects=dialects), **BY_LOG)
    assert is_well
    assert told in lines


@pytest.mark.parametrize("settings", [{"filter_values": ["x"]}, BY_LOG])
def test_without_leads_of_the_log_pages_cannot_be_tried(make, checked, settings):
    lines, is_well = checked(make(opportunities=0, leads=0), **settings)
    assert is_well
    assert "note    paged responses: could not be tried" in line_with("paged responses", lines)


def test_searchable_fields_and_unknown_data_types_are_reported(make, checked):
    sandbox = make()
    lines, _ = checked(sandbox, filter_values=["x"])
    searchable = line_with("searchable fields for filter_type", lines)
    assert "dedupeFields, idField, externalOpportunityId, " in searchable
    assert line_with("unknown data type 'geohash' of field territory", lines).startswith("note ")


def refused_settings(tmp_path):
    return [
        ({}, "start_date is required"),
        ({"start_date": "2999-01-01"}, "start_date 2999-01-01T00:00:00Z is in the future"),
        ({"filter_values_path": str(tmp_path / "none")}, "filter_values_path: cannot read"),
        ({"filter_type": "stage", "filter_values": ["x"]}, "'stage' is not searchable"),
        ({"filter_values": ["a,b"]}, "values with a comma"),
        (
            {"filter_values": ["x"], "stream_maps": {"opportunities": {"a": "1 +"}}},
            "Invalid value for setting 'stream_maps'['opportunities']['a']",
        ),
    ]


@pytest.mark.parametrize("number", range(6))
def test_a_configuration_that_a_run_would_refuse_fails(make, checked, tmp_path, number):
    settings, told = refused_settings(tmp_path)[number]
    lines, is_well = checked(make(), **settings)
    assert not is_well
    assert told in line_with("FAILED  configuration (for a run)", lines)


@pytest.mark.parametrize(
    ("bookmark", "told"),
    [
        ({"instance": "another.mktorest.com"}, "belongs to the instance another"),
        ({"replication_key_value": "2999-01-01T00:00:00Z"}, "is in the future: 2999"),
        ({"replication_key_value": "soon"}, "cannot be read"),
    ],
)
def test_a_state_that_a_run_would_refuse_fails(make, checked, bookmark, told):
    state = {"bookmarks": {"opportunities": bookmark}}
    lines, is_well = checked(make(), state=state, filter_values=["x"])
    assert not is_well
    assert told in line_with("FAILED  configuration (for a run)", lines)


def test_a_configuration_is_tried_with_a_catalog_too(make, checked, catalog_of):
    sandbox = make()
    catalog = catalog_of(sandbox, "opportunities")
    lines, is_well = checked(sandbox, catalog=catalog, filter_type="stage", filter_values=["x"])
    assert not is_well
    assert "'stage' is not searchable" in line_with("FAILED  configuration", lines)


@pytest.mark.parametrize("by_state", [True, False])
def test_a_log_wanted_from_too_far_back_is_noted(make, checked, by_state):
    long_ago = "2020-01-01T00:00:00Z"
    known = {"log_until": long_ago, "found_by": "activities"}
    state = {"bookmarks": {name: {**known} for name in ("opportunities", "opportunity_roles")}}
    more = {"state": state} if by_state else {"start_date": long_ago}
    lines, is_well = checked(make(), **more)
    assert is_well
    assert line_with("keeps updates of opportunities for 90 days", lines).startswith("note ")


def test_where_the_log_is_denied_the_configuration_is_not_judged(make, checked):
    sandbox = make(permissions=frozenset({"Read-Only Opportunity"}))
    lines, is_well = checked(sandbox, **BY_LOG)
    assert not is_well
    assert line_with("FAILED  reading the activity log", lines)
    assert line_with("configuration: could not be checked", lines).startswith("note ")


# Refusals, each of which names what needs the call


def failed(lines):
    """Return the checks that failed, with what needs them."""
    return [line.split("FAILED  ")[1].split(":")[0] for line in lines if line.startswith("FAILED")]


ALL_OF_LOG = {"find_by": "activities", **BY_LOG}


def test_with_wrong_credentials_nothing_else_is_tried(make, checked):
    sandbox = make()
    lines, is_well = checked(sandbox, **ALL_OF_LOG, client_secret="wrong")
    assert not is_well
    assert failed(lines) == ["credentials (for everything)"]
    assert len(lines) == 1
    assert calls_of(sandbox) == []


@pytest.mark.parametrize(
    ("operation", "config", "checks"),
    [
        (
            "describe opportunity",
            {"filter_values": ["a"]},
            ["reading opportunities (for opportunities and opportunity_roles)"],
        ),
        (
            "describe role",
            {"filter_values": ["a"]},
            ["reading roles (for opportunity_roles)"],
        ),
        ("describe role", ALL_OF_LOG, ["reading roles (for opportunity_roles)"]),
        (
            "query role",
            ALL_OF_LOG,
            ["paged responses (for reading in pages)"],
        ),
        (
            "activities",
            ALL_OF_LOG,
            [
                "entries of Add to Opportunity (for the activity log)",
                "entries of Remove from Opportunity (for the activity log)",
                "entries of Update Opportunity (for the activity log)",
            ],
        ),
    ],
)
def test_a_refused_call_names_what_needs_it(make, checked, operation, config, checks):
    sandbox = make()
    sandbox.fault("603", operation=operation)
    lines, is_well = checked(sandbox, **config)
    assert not is_well
    assert sorted(failed(lines)) == checks
    assert all("603" in line for line in lines if line.startswith("FAILED"))


def test_roles_that_only_find_opportunities_say_so(make, checked, catalog_of):
    sandbox = make()
    catalog = catalog_of(sandbox, "opportunities")
    sandbox.fault("603", operation="describe role")
    lines, _ = checked(sandbox, catalog=catalog, **ALL_OF_LOG)
    assert failed(lines) == ["reading roles (for finding opportunities by leads)"]


@pytest.mark.parametrize(
    ("streams", "needed_by"),
    [
        (["opportunities"], "find_by activities"),
        (
            ["opportunities", "opportunity_changes", "opportunity_role_changes"],
            "opportunity_changes and opportunity_role_changes",
        ),
    ],
)
def test_the_log_names_what_needs_it(make, checked, catalog_of, streams, needed_by):
    sandbox = make()
    catalog = catalog_of(sandbox, *streams)
    sandbox.fault("603", operation="activity_types")
    lines, _ = checked(sandbox, catalog=catalog, **ALL_OF_LOG)
    assert failed(lines) == [f"reading the activity log (for {needed_by})"]


def test_a_list_that_cannot_be_read_is_needed_by_its_setting(make, checked):
    lines, is_well = checked(make(), find_by="lead_list", lead_list_id=1)
    assert not is_well
    assert "reading the static list 1 (for find_by lead_list)" in failed(lines)


@pytest.mark.parametrize(
    ("config", "is_well"),
    [({"filter_values": ["a"]}, True), (ALL_OF_LOG, False)],
)
def test_an_instance_without_roles_fails_only_where_leads_are_needed(
    make, checked, config, is_well
):
    sandbox = make()
    sandbox.fault("610", operation="describe role")
    lines, was_well = checked(sandbox, **config)
    assert was_well is is_well
    without = "ok      reading roles: this instance has none, so a run skips them"
    assert (without in lines) is is_well
