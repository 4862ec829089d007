"""Random requests: the sandbox must answer or refuse each of them and keep running."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from marketo_sandbox.instance.describe import OPPORTUNITY, ROLE
from marketo_sandbox.instance.lead_fields import LEAD
from marketo_sandbox.server.routes import ROUTES

FIELDS = sorted({*OPPORTUNITY.by_name, *ROLE.by_name, *LEAD.by_name, "nonsense"})
# Number formats that are valid JSON but that Python's encoder never writes: an "@" marks each
# until the body is encoded.
NUMBERS = st.sampled_from(
    [
        *("@1e99999999999999999999", "@-1e999999999999999999", "@1e1000000", "@1e400", "@0e99"),
        *("@1e-99999999999999999", "@1e-99999999999999999999", "@0e-99999", "@-0.0", "@1E+2"),
        *(f"@{'9' * 5_000}", f"@0.{'9' * 5_000}", f"@{2**63}", f"@{2**64}", f"@{-(2**63) - 1}"),
    ]
)
ODD = st.sampled_from(
    [
        *("", " ", "a", "A ", "OPP-0000001", "1", " 1", "-1", "9" * 30, "1e400", "NaN", "true"),
        *("2026-01-01", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00", "²"),
        *("2026-01-01T00:00:00+25:00", "2026-01-01T00:00", "\x00", "\x1f", "🚀", "A" * 48),
        *("dedupeFields", "idField", "createOnly", "updateOnly", "leadId", "role"),
        *("email", "id", "createDuplicate"),
        *("10000001-0000-04a0-9d37-2e41caf806bc ",),
    ]
)
SCALARS = st.one_of(
    *(ODD, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), NUMBERS),
)
VALUES = st.one_of(
    SCALARS, st.lists(SCALARS, max_size=2), st.dictionaries(ODD, SCALARS, max_size=2)
)
RECORDS = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=5)
NAMES = st.sampled_from(
    [
        *("filterType", "filterValues", "fields", "batchSize", "nextPageToken", "action"),
        *("dedupeBy", "deleteBy", "activityTypeIds", "leadIds", "sinceDatetime"),
        *("lookupField", "id", "name"),
    ]
)
INPUT = st.one_of(VALUES, st.lists(st.one_of(RECORDS, VALUES), max_size=3), st.lists(RECORDS))
BODIES = st.builds(
    lambda members, records: members | ({} if records is None else {"input": records}),
    st.dictionaries(NAMES, VALUES, max_size=4),
    st.one_of(st.none(), INPUT),
)
SEARCHED = st.sampled_from(
    [each for obj in (OPPORTUNITY, ROLE, LEAD) for each in obj.searchable_alone]
)
QUERIES = st.builds(
    lambda some, meant: some | meant,
    st.dictionaries(NAMES, st.one_of(ODD, NUMBERS), max_size=4),
    st.fixed_dictionaries({}, optional={"_method": st.just("GET"), "filterType": SEARCHED}),
)
PATHS = st.sampled_from(
    [route.path.format(fieldApiName="name", leadId=1, listId=5) for route in ROUTES]
)
LONG_GET = {"_method": "GET"}
SCHEMA = "/rest/v1/opportunities/schema/fields.json"
DEALS = "/rest/v1/opportunities.json"


def encoded(body):
    """Return a value as JSON, with the marked numbers in their own format."""
    return re.sub(r'"@([^"]*)"', r"\1", json.dumps(body))


def deal(**fields):
    return {"input": [{"externalOpportunityId": "a", "name": "n", **fields}]}


@example(path=SCHEMA, parameters=LONG_GET, body={"nextPageToken": 5})
@example(path=SCHEMA, parameters=LONG_GET, body={"batchSize": "@1e999999999999999999"})
@example(path=DEALS, parameters={}, body=deal(amount="@1e-99999999999999999"))
@example(path=DEALS, parameters={}, body=deal(amount="@1e99999999999999999999"))
@example(path=DEALS, parameters={}, body=deal(nonsense="@1e99999999999999999999"))
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    path=PATHS,
    parameters=QUERIES,
    body=st.one_of(st.none(), BODIES),
)
def test_random_requests_get_a_response_and_break_nothing(fuzzed, path, parameters, body):
    if body is None:
        answer = fuzzed.send("GET", path, params=parameters)
    else:
        headers = {"Content-Type": "application/json"}
        answer = fuzzed.send("POST", path, params=parameters, data=encoded(body), headers=headers)
    assert answer.status_code == 200, answer.text
    envelope = answer.json()
    assert envelope["success"] is ("errors" not in envelope)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (DEALS, '{"input":[{"externalOpportunityId":"a","name":%s}]}'),
        (f"{DEALS}?_method=GET", '{"filterType":"dedupeFields","filterValues":%s}'),
        (f"{DEALS}?_method=GET", '{"filterType":"idField","filterValues":"a","fields":%s}'),
    ],
)
def test_deeply_nested_json_gets_a_response(fuzzed, path, body):
    headers = {"Content-Type": "application/json"}
    for depth in (*range(900, 1_000, 2), 50_000):
        nested = body % ("[" * depth + "]" * depth)
        answer = fuzzed.send("POST", path, data=nested, headers=headers)
        assert answer.status_code == 200, answer.text
