"""Dialects: variants of behaviour that Adobe does not document."""

from __future__ import annotations

import pytest

from marketo_sandbox.cli import main
from marketo_sandbox.options import DIALECTS, SandboxOptions

LEADS = range(1, 5)
DESCRIBE = "/rest/v1/opportunities/describe.json"


@pytest.fixture
def speak(start, caller_of):
    """Return a function that starts a sandbox with a dialect, two opportunities and leads."""

    def speak(*dialects):
        api = caller_of(start(dialects=dialects))
        api.sandbox.instance.add_leads(LEADS)
        api.sync([{"externalOpportunityId": each, "name": "n"} for each in ("a", "b")])
        return api

    return speak


def pages(api, path, **parameters):
    """Return the pages of a query up to the first empty page, following page tokens only."""
    found = [api.get(path, **parameters)]
    while found[-1].get("result") and "nextPageToken" in found[-1]:
        token = found[-1]["nextPageToken"]
        found.append(api.get(path, **parameters, nextPageToken=token))
    return found


def test_tokens_only_pages_have_tokens_and_no_more_result(speak):
    api = speak("tokens-only")
    query = {"filterType": "dedupeFields", "filterValues": "a,b", "batchSize": "1"}
    answers = pages(api, "/rest/v1/opportunities.json", **query)
    assert [len(each["result"]) for each in answers] == [1, 1, 0]
    assert all("nextPageToken" in each and "moreResult" not in each for each in answers)


def test_tokens_only_pages_of_fields_have_tokens(speak):
    path = "/rest/v1/opportunities/schema/fields.json"
    answers = pages(speak("tokens-only"), path)
    assert [bool(each["result"]) for each in answers] == [True, False]
    assert all("moreResult" not in each for each in answers)


def test_the_log_has_more_result_in_every_dialect(speak):
    assert speak(*DIALECTS).log() == []


def test_api_names_describe_has_api_name(speak):
    told = speak("api-names").get(DESCRIBE)["result"][0]
    assert (told["apiName"], told["pluralName"]) == ("opportunity", "Opportunities")
    assert "name" not in told
    assert told["fields"][0]["name"] == "marketoGUID"


def test_full_envelope_has_errors_and_warnings_in_every_response(speak):
    api = speak("full-envelope")
    answer = api.get(DESCRIBE)
    assert (answer["errors"], answer["warnings"]) == ([], [])
    refused = api.get("/rest/v1/opportunities.json")
    assert (refused["errors"][0]["code"], refused["warnings"]) == ("1002", [])


def test_nameless_inserts_accepts_a_missing_name_but_no_null(speak):
    records = [{"externalOpportunityId": "c"}, {"externalOpportunityId": "d", "name": None}]
    created, skipped = speak("nameless-inserts").sync(records)["result"]
    assert created["status"] == "created"
    assert skipped["reasons"][0]["code"] == "1002"


def test_roles_of_a_nameless_opportunity_are_logged_without_its_name(speak):
    api = speak("nameless-inserts")
    api.sync([{"externalOpportunityId": "c"}])
    api.sync_roles([{"externalOpportunityId": "c", "leadId": 1, "role": "r"}])
    (activity,) = api.log()
    assert activity["primaryAttributeValue"] == ""


@pytest.mark.parametrize(("dialects", "end"), [((), "Z"), (("offsets",), "+0000")])
def test_offsets_changes_the_end_of_activity_dates(speak, dialects, end):
    api = speak(*dialects)
    roles = [{"externalOpportunityId": "a", "leadId": lead, "role": "r"} for lead in LEADS]
    api.sync_roles(roles)
    assert {each["activityDate"][19:] for each in api.log()} == {end}


@pytest.mark.parametrize(("dialects", "code"), [((), "1004"), (("role-parent-1013",), "1013")])
def test_role_parent_1013_changes_the_code_of_an_orphan_role(speak, dialects, code):
    api = speak(*dialects)
    (result,) = api.sync_roles([{"externalOpportunityId": "x", "leadId": 1, "role": "r"}])["result"]
    assert result["reasons"][0]["code"] == code


def test_an_unknown_dialect_is_refused(capsys):
    with pytest.raises(ValueError, match="tokens-only"):
        SandboxOptions(dialects={"klingon"})
    with pytest.raises(SystemExit):
        main(["serve", "--dialect", "klingon"])
    assert "klingon" in capsys.readouterr().err


def test_dialects_change_at_run_time(speak):
    api = speak()
    url = f"{api.sandbox.endpoint}/sandbox/options"
    assert api.session.post(url, json={"dialects": ["api-names"]}).json()["dialects"] == [
        "api-names"
    ]
    assert "apiName" in api.get(DESCRIBE)["result"][0]
