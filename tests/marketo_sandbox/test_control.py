"""Control calls under ``/sandbox``, valid and invalid ones."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest


def test_control_calls_need_no_token_and_count_against_no_limit(control, sandbox):
    assert control("GET", "status").json()["calls"] == 0
    assert sandbox.instance.daily_usage.calls_today() == 0


def test_status_shows_counts_limits_clock_faults_and_calls(api, control, sandbox):
    sandbox.seed(5, leads=2)
    sandbox.fault("606", probability=0.5)
    sandbox.fault("713", times=1)
    api.get("/rest/v1/opportunities/describe.json")
    told = control("GET", "status").json()
    assert told["counts"]["opportunities"] == 5
    assert told["limits"]["today"] == told["limits"]["in_window"] == 1
    assert told["limits"]["daily_calls"] == 50_000
    assert [rule["fault"] for rule in told["faults"]] == ["606", "713"]
    assert told["calls"] == 2
    assert told["operations"] == {"identity": 1, "describe opportunity": 1}
    assert told["clock"]["frozen"] is False


def test_credentials_include_a_working_curl_command(control, sandbox):
    sandbox.seed(3)
    told = control("GET", "credentials").json()
    line = told.pop("curl")
    assert told == sandbox.credentials
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    quiet = {**os.environ, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    done = subprocess.run(["sh", "-c", line], capture_output=True, check=True, env=quiet)
    (found,) = json.loads(done.stdout)["result"]
    assert found["externalOpportunityId"] == "OPP-0000001"


def test_seed_adds_records_and_reset_removes_them(control, sandbox):
    told = control("POST", "seed", {"opportunities": 7, "leads": 3, "comma_ids": 1}).json()
    assert told["opportunities"] == 7
    ids = control("GET", "opportunities/ids", offset=5).json()
    assert ids == {"ids": sandbox.instance.opportunity_ids()[5:], "total": 7}
    assert control("POST", "reset").json() == {
        "opportunities": 0,
        "roles": 0,
        "leads": 0,
        "activities": 0,
    }
    assert sandbox.journal() == []


def test_pages_of_ids_are_complete_after_deletions(control, sandbox, api):
    sandbox.seed(6)
    first, second, *left = sandbox.instance.opportunity_ids()
    api.delete([{"externalOpportunityId": each} for each in (first, second)])
    pages = [
        control("GET", "opportunities/ids", offset=offset, limit=2).json() for offset in (0, 2, 4)
    ]
    assert [page["ids"] for page in pages] == [left[:2], left[2:], []]


def test_opportunities_and_roles_are_listed_as_stored(control, sandbox):
    sandbox.seed(6, leads=3)
    assert control("GET", "opportunities").json()["records"] == sandbox.instance.opportunities()
    assert control("GET", "roles").json()["records"] == sandbox.instance.roles()
    assert len(control("GET", "opportunities", after=2, limit=3).json()["records"]) == 3


def test_clock_is_set_frozen_and_advanced(control):
    told = control("POST", "clock", {"now": "2031-02-03T04:05:06+00:00", "frozen": True}).json()
    assert told == {"now": "2031-02-03T04:05:06+00:00", "frozen": True, "day": "2031-02-02"}
    assert control("POST", "clock", {"advance": 60}).json()["now"] == "2031-02-03T04:06:06+00:00"
    assert control("GET", "clock").json()["now"] == "2031-02-03T04:06:06+00:00"


def test_faults_are_added_listed_and_cleared(api, control):
    control("POST", "faults", {"fault": "713", "times": 1})
    listed = control("POST", "faults", [{"fault": "606"}, {"fault": "html"}]).json()
    assert [rule["fault"] for rule in listed] == ["713", "606", "html"]
    assert api.get("/rest/v1/stats/usage.json")["errors"][0]["code"] == "713"
    assert control("GET", "faults").json()[0]["struck"] == 1
    assert control("DELETE", "faults").json() == []
    assert api.get("/rest/v1/stats/usage.json")["success"]


def test_options_change_at_run_time(api, control, sandbox):
    control("POST", "options", {"crm_sync": "disabled", "limits": {"daily_calls": 1}})
    describe = "/rest/v1/opportunities/describe.json"
    assert api.get(describe)["errors"][0]["code"] == "1018"
    assert api.get(describe)["errors"][0]["code"] == "607"
    control("POST", "options", {"crm_sync": None, "permissions": [], "limits": {"daily_calls": 9}})
    assert api.get(describe)["errors"][0]["code"] == "603"


def test_leads_are_merged_deleted_and_listed(api, control, sandbox):
    control("POST", "leads", {"ids": [1, 2, 3]})
    assert control("POST", "leads/merge", {"kept": 1, "merged": [2]}).json()["leads"] == 2
    assert control("POST", "leads/delete", {"ids": [3]}).json()["leads"] == 1
    assert control("POST", "lists", {"list": 5, "leads": [1]}).status_code == 200
    assert [each["leadId"] for each in api.log(types="32,37")] == [1, 3]
    refused = control("POST", "leads/merge", {"kept": 1, "merged": [9]})
    assert (refused.status_code, refused.text) == (400, "leads not found: 9\n")
    assert sandbox.instance.lead_ids() == [1]
    # More leads than SQLite accepts as parameters.
    refused = control("POST", "lists", {"list": 6, "leads": [1, *range(20, 300_020)]})
    assert refused.status_code == 400
    assert refused.text == "leads not found: 20, 21, 22, 23, 24 and 299,995 more\n"
    assert [each["id"] for each in api.get("/rest/v1/lists.json")["result"]] == [5]


def test_change_updates_opportunities_as_a_marketo_user_would(api, control, sandbox):
    sandbox.seed(5, leads=2)
    logged = len(api.log())
    ids = ["OPP-0000001", "OPP-0000002"]
    before = sandbox.instance.clock.seconds()
    assert control("POST", "change", {"ids": ids, "fields": {"stage": "Lost"}}).json() == {
        "changed": 2
    }
    changed = [each for each in sandbox.instance.opportunities() if each["stage"] == "Lost"]
    assert [each["externalOpportunityId"] for each in changed] == ids
    assert all(each["updatedAt"] >= int(before) for each in changed)
    assert len(api.log()) > logged


def test_leads_are_added_with_fields_and_listed_as_stored(control, sandbox):
    people = [{"id": 7, "email": "a@b.example"}, {"email": "c@d.example"}]
    assert control("POST", "leads", {"records": people}).json()["leads"] == 2
    told = control("GET", "leads").json()["records"]
    assert [(each["id"], each["email"]) for each in told] == [
        (7, "a@b.example"),
        (8, "c@d.example"),
    ]
    assert told == sandbox.instance.leads()
    refused = control("POST", "leads", {"records": [{"id": 7}]})
    assert (refused.status_code, refused.text) == (400, "lead 7 already exists\n")


def test_leads_are_added_by_id(api, control):
    api.sync([{"externalOpportunityId": "a", "name": "n"}])
    role = {"externalOpportunityId": "a", "leadId": 77, "role": "Captain"}
    assert api.sync_roles([role])["result"][0]["status"] == "skipped"
    assert control("POST", "leads", {"ids": [77]}).json()["leads"] == 1
    assert api.sync_roles([role])["result"][0]["status"] == "created"


def test_access_tokens_and_page_tokens_are_expired(api, control, sandbox):
    sandbox.seed(3)
    ids = ["OPP-0000001", "OPP-0000002"]
    token = api.find(ids, batchSize="1")["nextPageToken"]
    control("POST", "expire_page_tokens")
    answer = api.find(ids, batchSize="1", nextPageToken=token)
    assert answer["errors"][0]["code"] == "1003"
    control("POST", "expire_tokens")
    assert api.find(ids)["errors"][0]["code"] == "602"


def test_problems_are_listed_and_acknowledged(api, control, sandbox):
    api.get("/rest/v1/nowhere.json")
    assert control("GET", "problems").json() == {
        "problems": ["unknown route GET /rest/v1/nowhere.json"]
    }
    control("DELETE", "problems")
    assert sandbox.problems == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("faults", {"fault": "explode"}),
        ("options", {"seed": 5}),
        ("options", {"limits": {"nonsense": 1}}),
        ("change", {"ids": ["nobody"], "fields": {"stage": "x"}}),
        ("clock", {"now": "noon"}),
        ("clock", {"now": 5}),
        ("clock", {"now": "0001-01-01T00:00:00+00:00"}),
        ("clock", {"advance": 1e18}),
        ("clock", {"advance": -1e10}),
        ("clock", {"advance": "abc"}),
        ("clock", {"advnace": 60}),
        ("clock", {"frozen": True}),
        ("change", {"ids": ["OPP-0000001"], "fields": {}, "stage": "x"}),
        ("reset", {"opportunities": 5}),
        ("clock", {"now": "2031-02-03T04:05:06+00:00", "advance": 1e18}),
        ("seed", {"opportunities": 1, "nonsense": 2}),
        ("seed", {"opportunities": 1, "history_days": 0}),
        ("seed", {"opportunities": 1, "history_days": 1_000_000}),
        ("seed", {"opportunities": "many"}),
        ("seed", {"leads": 0.5}),
        ("leads", {"ids": [2**70]}),
        ("leads", {"ids": [1, "two"]}),
        ("leads", {"ids": 5}),
        ("leads", {}),
        ("usage", {"calls": "many"}),
        ("usage", {"today": -1}),
        ("usage", {"calls": 1, "today": 5}),
        ("usage", {}),
        ("faults", {"fault": "slow", "seconds": "abc"}),
        ("faults", {"fault": "slow", "seconds": -1}),
        ("faults", {"fault": "606", "path": 5}),
        ("faults", {"fault": "606", "method": ["GET"]}),
        ("faults", {"fault": "606", "operation": 5}),
        ("faults", {"fault": "606", "operation": "sync_opportunity"}),
        ("faults", {"fault": "606", "method": "post"}),
        ("faults", {"fault": "606", "probability": "often"}),
        ("faults", {"fault": "606", "times": "twice"}),
        ("faults", {"fault": "606", "skip": None}),
        ("faults", {"fault": "606", "after": "yes"}),
        ("faults", {"fault": "606", "message": 5}),
        ("faults", {"fault": "html", "status": 99}),
        ("faults", [{"fault": "606"}, {"fault": "713", "skip": 0.5}]),
        ("faults", [5]),
        ("options", {"latency_ms": "abc"}),
        ("options", {"latency_ms": -4}),
        ("options", {"latency_ms": True}),
        ("options", {"crm_sync": "half"}),
        ("options", {"permissions": "Read-Only Activity"}),
        ("options", {"permissions": ["Read Only Activity"]}),
        ("options", {"sales_persons": [5]}),
        ("options", {"activity_delay_seconds": None}),
        ("options", {"activity_scan": 0}),
        ("options", {"short_pages": 2}),
        ("options", {"refuse_delete_in_use": "no"}),
        ("options", {"latency_ms": 1, "limits": {"daily_calls": "few"}}),
        ("options", {"limits": {"window_seconds": "20"}, "latency_ms": 1}),
        ("options", {"limits": 5}),
        ("options", {"limits": {"daily_calls": 1}, "latency_ms": "abc"}),
        ("reset", [1]),
        ("reset", 5),
    ],
)
def test_an_invalid_control_call_changes_nothing(api, control, path, body):
    control("POST", "clock", {"now": "2026-02-03T04:05:06+00:00", "frozen": True})
    api.authenticate()
    before = control("GET", "status").json()
    answer = control("POST", path, body)
    assert answer.status_code == 400
    assert answer.text.strip()
    assert control("GET", "status").json() == before
    assert api.get("/rest/v1/stats/usage.json")["success"]


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("leads", {}, "missing parameter 'ids'"),
        (
            "seed",
            {"history_days": 0},
            "history_days must be an integer from 1 to 36,500 (got 0)",
        ),
        (
            "options",
            {"latency_ms": "abc"},
            "latency_ms must be a number from 0 to 86,400,000 (got 'abc')",
        ),
        (
            "options",
            {"crm_sync": 5},
            "crm_sync must be one of read-only, disabled, or null (got 5)",
        ),
        (
            "options",
            {"limits": {"a": 1}},
            "unknown member 'a': must be one of calls_per_window, concurrent_calls, ",
        ),
        ("clock", {"advance": 1e18}, "the clock must be set to a year from 1970 to 9998"),
        ("reset", [1], "the body must be a JSON object"),
    ],
)
def test_an_invalid_control_call_is_refused_with_a_reason(control, path, body, reason):
    assert control("POST", path, body).text.startswith(reason)


@pytest.mark.parametrize(
    ("path", "query", "reason"),
    [
        ("opportunities", {"ids": "D-1"}, "unknown member 'ids': must be one of after, limit"),
        ("roles", {"limit": "few"}, "limit must be an integer of at least 0 (got 'few')"),
        ("journal", {"operation": "sync"}, "operation must be one of identity, describe opp"),
        ("status", {"brief": 1}, "unknown member 'brief': there are none here"),
        ("clock", {"advance": 60}, "unknown member 'advance': there are none here"),
    ],
)
def test_an_unknown_query_parameter_is_refused(control, path, query, reason):
    refused = control("GET", path, **query)
    assert (refused.status_code, refused.text.startswith(reason)) == (400, True), refused.text


@pytest.mark.parametrize("body", ["{", "[" * 50_000, '{"ids": [1e400]}', b"\xff"])
def test_a_control_call_without_valid_json_is_refused(api, body):
    answer = api.send("POST", "/sandbox/leads", data=body)
    assert answer.status_code == 400
    assert answer.text.strip()


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "statsu"), ("POST", "fault"), ("GET", "usage"), ("PUT", "clock"), ("DELETE", "")],
)
def test_an_unknown_control_path_is_404_with_the_known_paths(control, sandbox, method, path):
    answer = control(method, path)
    assert answer.status_code == 404
    first, *there_are = answer.text.splitlines()
    assert first == f"unknown control path {method} /sandbox/{path}; known control paths:"
    assert {"  GET /", "  GET /sandbox/status", "  POST /sandbox/usage"} <= set(there_are)
    assert sandbox.acknowledge_problems() == [f"unknown control path {method} /sandbox/{path}"]
