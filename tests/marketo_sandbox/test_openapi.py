"""Comparison of the sandbox's responses with Adobe's OpenAPI description.

``adobe_answers.json`` is an excerpt of ``swagger-mapi.json`` and ``swagger-identity.json`` of
https://github.com/AdobeDocs/marketo-apis (copyright Adobe, Apache License 2.0): the responses of
the operations that the sandbox has. If recorded responses or Adobe's examples differ from the
description, the sandbox follows them; the constants below list these deviations.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pytest
from jsonschema import Draft4Validator, FormatChecker

from marketo_sandbox.server.routes import IDENTITY_PATH, ROUTES

DESCRIPTION = json.loads(Path(__file__).with_name("adobe_answers.json").read_text("utf-8"))
PATHS = DESCRIPTION["paths"]
OPEN = {"CustomObject", "Lead"}
"""Records: their fields are the instance's own, so that any member may be there."""

RECORDED = "recorded answers leave empty members out"
PRINTED = "Adobe's printed and recorded answers have it so"
DEVIATIONS = {
    "errors: missing": RECORDED,
    "warnings: missing": RECORDED,
    "result: missing": "a page of the log without entries, and a refusal, have none",
    "result/*/apiName: missing": "Adobe's printed and recorded answers say name",
    "result/*/name: not described": "Adobe's printed and recorded answers say name, not apiName",
    "result/*/description: missing": PRINTED,
    "result/*/pluralName: missing": PRINTED,
    "result/*/relationships: missing": PRINTED,
    "result/*/version: missing": PRINTED,
    "result/*/status: missing": "required, and yet no member: what it describes is called state",
    "result/*/description: type": "Adobe prints null at the schema endpoint",
    "result/*/marketoGUID: missing": "Adobe prints skipped records without one",
    "result/*/date: format": "Adobe prints days, such as 2016-12-01",
    "result/*/attributes/*/value: type": "described as an object, printed as texts and numbers",
}
DESCRIBE_DEVIATIONS = {"result/*/status: missing"}


def _closed(definition, name):
    return definition if name in OPEN else {**definition, "additionalProperties": False}


DEFINITIONS = {
    name: _closed(definition, name) for name, definition in DESCRIPTION["definitions"].items()
}
FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def _is_datetime(text):
    return "T" in text and bool(datetime.fromisoformat(text))


@FORMATS.checks("int32")
def _is_int32(number):
    return not isinstance(number, int) or abs(number) < 2**31


def deviations(path, answer, method="get"):
    """Return the deviations of a response from its schema, such as ``result/name: missing``."""
    schema = {**PATHS[path][method]["responses"]["200"]["schema"], "definitions": DEFINITIONS}
    found = set()
    for error in Draft4Validator(schema, format_checker=FORMATS).iter_errors(answer):
        at = ["*" if isinstance(each, int) else each for each in error.absolute_path]
        found |= {f"{'/'.join([*at, *name])}: {what}" for name, what in _named(error)}
    return found


def _named(error):
    if error.validator == "required":
        names = [name for name in error.validator_value if name not in error.instance]
        return [([name], "missing") for name in names]
    if error.validator == "additionalProperties":
        names = error.instance.keys() - error.schema["properties"].keys()
        return [([name], "not described") for name in names]
    return [([], error.validator)]


LOG = "/rest/v1/activities.json"
LEADS = "/rest/v1/leads.json"
OPPORTUNITIES = "/rest/v1/opportunities.json"
ROLES = "/rest/v1/opportunities/roles.json"
BUYER = {"externalOpportunityId": "a", "leadId": 1, "role": "Buyer"}
DEAL = {"externalOpportunityId": "a", "name": "n", "stage": "Won"}


@pytest.fixture
def api(sandbox, caller_of):
    caller = caller_of(sandbox)
    sandbox.seed(20, leads=9)
    sandbox.instance.merge_leads(1, [2])
    sandbox.instance.add_to_list(5, [1, 3])
    return caller


def answers(api):
    """Yield path, method and response of calls to all operations, pages and errors included."""
    page = {"filterType": "dedupeFields", "filterValues": "OPP-0000001,OPP-0000002"}
    token = api.get("/rest/v1/activities/pagingtoken.json", sinceDatetime="2020-01-01T00:00:00Z")
    log = {"nextPageToken": token["nextPageToken"], "activityTypeIds": "32,34,36"}
    last = api.get(LOG, **log)["nextPageToken"]
    yield "/rest/v1/activities/pagingtoken.json", "get", token
    yield LOG, "get", api.get(LOG, **log)
    yield LOG, "get", api.get(LOG, **log | {"nextPageToken": last})
    yield "/rest/v1/activities/types.json", "get", api.get("/rest/v1/activities/types.json")
    yield OPPORTUNITIES, "get", api.get(OPPORTUNITIES, **page, batchSize="1")
    yield OPPORTUNITIES, "get", api.get(OPPORTUNITIES)
    yield OPPORTUNITIES, "post", api.sync([DEAL, DEAL, {}])
    yield ROLES, "post", api.sync_roles([BUYER, BUYER])
    yield ROLES, "get", api.get(ROLES, filterType="leadId", filterValues="1,2,3")
    for path, key in ((ROLES, BUYER), (OPPORTUNITIES, {"externalOpportunityId": "a"})):
        delete = path.replace(".json", "/delete.json")
        yield delete, "post", api.delete([key, key], delete)
    for path in (OPPORTUNITIES, ROLES):
        describe = path.replace(".json", "/describe.json")
        yield describe, "get", api.get(describe)
    fields = "/rest/v1/opportunities/schema/fields"
    yield f"{fields}.json", "get", api.get(f"{fields}.json", batchSize="5")
    yield f"{fields}/{{fieldApiName}}.json", "get", api.get(f"{fields}/name.json")
    yield from answers_about_leads(api)
    for name in ("usage", "usage/last7days", "errors", "errors/last7days"):
        yield f"/rest/v1/stats/{name}.json", "get", api.get(f"/rest/v1/stats/{name}.json")
    yield IDENTITY_PATH, "get", api.token()


def answers_about_leads(api):
    people = {"filterType": "id", "filterValues": "1,3,4"}
    for path, asked in (
        ("leads", people),
        ("leads", people | {"batchSize": "2"}),
        ("leads/describe", {}),
        ("leads/describe2", {}),
        ("lists", {"batchSize": "1"}),
    ):
        yield f"/rest/v1/{path}.json", "get", api.get(f"/rest/v1/{path}.json", **asked)
    address = {"email": "a@b.example"}
    yield LEADS, "post", api.sync([address, address, {}, {"email": "c@d.example"}], LEADS)
    yield "/rest/v1/lead/{leadId}.json", "get", api.get("/rest/v1/lead/1.json")
    yield "/rest/v1/lists/{listId}.json", "get", api.get("/rest/v1/lists/5.json")
    for path in ("lists/{listId}/leads", "list/{listId}/leads", "lists/{listId}/leads/ismember"):
        answer = api.get(f"/rest/v1/{path.format(listId=5)}.json", id="1,3,99")
        yield f"/rest/v1/{path}.json", "get", answer
    for method in ("post", "delete"):
        answer = api.send(method.upper(), "/rest/v1/lists/5/leads.json?id=1,99").json()
        yield "/rest/v1/lists/{listId}/leads.json", method, answer


def test_responses_deviate_from_openapi_only_as_known(api):
    found = {
        each for path, method, answer in answers(api) for each in deviations(path, answer, method)
    }
    assert sorted(found) == sorted(DEVIATIONS)


def test_every_operation_is_compared_with_openapi(api):
    seen = {(path, method) for path, method, _ in answers(api)}
    described = {(path, method) for path, methods in PATHS.items() for method in methods}
    assert described - seen == {(IDENTITY_PATH, "post")}
    routes = {(route.path, route.method.lower()) for route in ROUTES}
    assert {each for each in described if each[0] != IDENTITY_PATH} == routes


def test_api_names_makes_describe_match_openapi(start, caller_of):
    api = caller_of(start(dialects={"api-names", "full-envelope"}))
    for path in (OPPORTUNITIES, ROLES):
        describe = path.replace(".json", "/describe.json")
        assert deviations(describe, api.get(describe)) == DESCRIBE_DEVIATIONS


@pytest.mark.parametrize(
    ("member", "value", "deviation"),
    [
        ("success", "yes", "success: type"),
        ("result", {}, "result: type"),
        ("nonsense", 1, "nonsense: not described"),
        ("requestId", None, "requestId: missing"),
    ],
)
def test_deviations_from_openapi_are_detected(api, sandbox, member, value, deviation):
    sandbox.fault("patch", merge={member: value})
    path = "/rest/v1/activities/types.json"
    assert deviation in deviations(path, api.get(path))
