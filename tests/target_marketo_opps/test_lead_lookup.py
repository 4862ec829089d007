"""Test roles whose lead is looked up, against a sandbox."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import pytest

from marketo_sandbox.options import ALL_PERMISSIONS
from target_marketo_opps.run import RunLimits
from tests.target_marketo_opps.helpers import calls

LOOKUPS = "query_leads"
DELETED = {"_sdc_deleted_at": "2026-01-01"}
NAMES = ("externalOpportunityId", "leadId", "lead_email", "lead_company", "role", "isPrimary")
LEADS = [
    {"id": 1, "email": "ann@example.com", "sfdcContactId": "003A", "memberNumber": 7},
    {"id": 2, "email": "Bob@example.com", "sfdcContactId": "003B"},
    {"id": 3, "email": "team@example.com"},
    {"id": 4, "email": "team@example.com"},
]


@pytest.fixture
def sandbox(marketo_sandbox):
    marketo_sandbox.instance.add_lead_records(LEADS)
    return marketo_sandbox


def role(singer, address, key="a", name="Buyer", **values):
    by = {} if address is None else {"lead_email": address}
    return singer.record("roles", externalOpportunityId=key, role=name, **by, **values)


def run(singer, sandbox, *messages, names=NAMES, options=None, **settings):
    chosen = {
        "stream_objects": {"roles": "opportunity_roles"},
        "lead_lookup_field": "email",
        "hard_delete": True,
        **settings,
    }
    schemas = [
        singer.schema(properties=("externalOpportunityId", "name", *DELETED)),
        singer.schema("roles", (*names, *DELETED)),
    ]
    given = {name: value for name, value in chosen.items() if value is not None}
    return singer.run(sandbox, [*schemas, *messages], options, **given)


def leads_of_roles(sandbox):
    return sorted((one["externalOpportunityId"], one["leadId"]) for one in sandbox.instance.roles())


def rejects(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_lead_lookup_field_replaces_the_lead_id_of_roles(sandbox, singer):
    messages = [
        singer.opportunity("a"),
        role(singer, "ann@example.com", leadId=2),
        role(singer, "BOB@example.com ", leadId="none"),
        singer.state(1),
    ]
    ended = run(singer, sandbox, *messages).succeeded()
    assert leads_of_roles(sandbox) == [("a", 1), ("a", 2)]
    assert ended.states == [1]
    assert "leads by email: 2 found, 0 not found, 0 ambiguous, 1 lookup call; " in ended.closing
    assert not any("has no field" in line for line in ended.log)


def test_without_lookups_the_closing_line_names_no_leads(sandbox, singer):
    ended = run(singer, sandbox, singer.state(1)).succeeded()
    assert "leads by" not in ended.closing


def test_the_property_may_have_the_fields_own_name_or_snake_case(sandbox, singer):
    for name in ("email", "lead_email", "LEADEMAIL"):
        messages = [singer.opportunity(name), role(singer, None, name, **{name: "ann@example.com"})]
        run(singer, sandbox, *messages, names=("externalOpportunityId", "role", name)).succeeded()
    assert len(leads_of_roles(sandbox)) == 3


def test_field_map_may_name_the_property(sandbox, singer):
    ended = run(
        singer,
        sandbox,
        singer.opportunity("a"),
        role(singer, None, contact="ann@example.com"),
        names=("externalOpportunityId", "role", "contact"),
        field_map={"roles": {"contact": "lead_email"}},
    ).succeeded()
    assert leads_of_roles(sandbox) == [("a", 1)]
    assert not any("WARNING" in line for line in ended.log)


def test_a_number_is_looked_up_in_plain_notation(sandbox, singer):
    messages = [singer.opportunity("a"), role(singer, None, memberNumber=7.0)]
    names = ("externalOpportunityId", "role", "memberNumber")
    chosen = {"names": names, "lead_lookup_field": "memberNumber"}
    run(singer, sandbox, *messages, **chosen).succeeded()
    assert leads_of_roles(sandbox) == [("a", 1)]
    (lookup,) = calls(sandbox, LOOKUPS)
    assert lookup["parameters"]["filterValues"] == "7"


def test_each_value_is_looked_up_once_per_run(sandbox, singer):
    limits = {"limits": RunLimits(max_batch_records=1, state_patience_seconds=0.0)}
    messages = [singer.opportunity(f"K{n}") for n in range(20)]
    for n in range(20):
        messages += [
            role(singer, "ann@example.com", f"K{n}"),
            role(singer, "nobody@example.com", f"K{n}"),
            singer.state(n),
        ]
    ended = run(singer, sandbox, *messages, options=limits, max_rejects=-1).succeeded()
    asked = [call["parameters"]["filterValues"] for call in calls(sandbox, LOOKUPS)]
    assert sorted(",".join(asked).split(",")) == ["ann@example.com", "nobody@example.com"]
    assert len(leads_of_roles(sandbox)) == 20
    assert ended.states[-1] == 19


def test_role_without_a_lead_is_rejected_with_possible_causes(sandbox, singer, tmp_path):
    path = tmp_path / "rejects.jsonl"
    messages = [singer.opportunity("a"), role(singer, "nobody@example.com"), singer.state(1)]
    ended = run(singer, sandbox, *messages, max_rejects=1, rejects_path=str(path)).succeeded()
    (reject,) = rejects(path)
    assert reject["record"]["lead_email"] == "nobody@example.com"
    assert reject["reasons"][0]["code"] == "1004"
    assert "a lead partition of a workspace" in reject["reasons"][0]["message"]
    assert ended.states == [1]
    assert "0 found, 1 not found (1 role rejected), 0 ambiguous" in ended.closing


def test_log_lines_name_opportunity_and_line_and_never_an_address(sandbox, singer):
    messages = [
        singer.opportunity("a"),
        role(singer, "nobody@example.com", "K-1"),
        role(singer, "team@example.com", "K-2"),
        role(singer, "nobody@example.com, x", "K-3"),
    ]
    ended = run(singer, sandbox, *messages, max_rejects=-1).succeeded()
    log = "\n".join(ended.log)
    assert "K-1 (line 4)" in log
    assert "K-2 (line 5)" in log
    assert "K-3 (line 6)" in log
    assert "example.com" not in log


@pytest.mark.parametrize(("many", "lead"), [("oldest", 3), ("newest", 4)])
def test_lead_lookup_many_chooses_among_several_leads(sandbox, singer, many, lead):
    messages = [singer.opportunity("a"), role(singer, "team@example.com")]
    ended = run(singer, sandbox, *messages, lead_lookup_many=many).succeeded()
    assert leads_of_roles(sandbox) == [("a", lead)]
    assert "1 ambiguous, 1 lookup call" in ended.closing


def test_role_with_several_leads_is_rejected_by_default(sandbox, singer):
    ended = run(singer, sandbox, singer.opportunity("a"), role(singer, "team@example.com"))
    assert "1007 2 leads have this 'email': merge them in Marketo" in str(ended.error)
    assert leads_of_roles(sandbox) == []


@pytest.mark.parametrize(
    ("values", "code", "message"),
    [
        ({}, "1002", "Missing value for 'email', which is needed to look up the lead"),
        ({"lead_email": None}, "1002", "Missing value for 'email'"),
        ({"lead_email": "  "}, "1002", "Missing value for 'email'"),
        ({"lead_email": "a,b"}, "1003", "contains a comma"),
        ({"lead_email": ["a"]}, "1003", "neither a string nor an integer"),
        ({"lead_email": 1.5}, "1003", "neither a string nor an integer"),
        ({"lead_email": True}, "1003", "neither a string nor an integer"),
        ({"lead_email": "x" * 256}, "1003", "longer than 255 characters"),
        ({"lead_email": "\ud83d"}, "1003", "half of a surrogate pair"),
        ({"lead_email": "a", "email": "b"}, "1003", "'email' have values of different leads"),
    ],
)
def test_invalid_lookup_value_is_rejected_without_a_call(sandbox, singer, values, code, message):
    # The opportunity is missing too; both reasons are in the same reject.
    messages = [singer.record("roles", role="Buyer", **values)]
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "rejects.jsonl")
        run(singer, sandbox, *messages, max_rejects=1, rejects_path=str(path)).succeeded()
        (reject,) = rejects(path)
    first, second = reject["reasons"]
    assert first["message"] == "Missing value for key field 'externalOpportunityId'"
    assert second["code"] == code
    assert message in second["message"]
    assert calls(sandbox, LOOKUPS) == []


def test_two_lookup_properties_may_have_the_same_value(sandbox, singer):
    messages = [singer.opportunity("a"), role(singer, "ann@example.com", email="ann@example.com ")]
    run(singer, sandbox, *messages).succeeded()
    assert leads_of_roles(sandbox) == [("a", 1)]


def test_lead_of_a_deleted_role_is_looked_up(sandbox, singer):
    address = "ann@example.com"
    messages = [singer.opportunity("a"), role(singer, address), role(singer, address, **DELETED)]
    ended = run(singer, sandbox, *messages).succeeded()
    assert leads_of_roles(sandbox) == []
    assert "roles: 1 created, 0 updated, 1 deleted" in ended.closing


def test_two_spellings_of_one_lead_never_share_a_call(sandbox, singer):
    messages = [
        singer.opportunity("a"),
        role(singer, "ann@example.com", isPrimary=False),
        role(singer, "ANN@example.com", isPrimary=True),
    ]
    ended = run(singer, sandbox, *messages, merge_versions=False).succeeded()
    assert [one["isPrimary"] for one in sandbox.instance.roles()] == [True]
    assert "roles: 1 created, 1 updated" in ended.closing
    assert len(calls(sandbox, LOOKUPS)) == 2
    assert len(calls(sandbox, "sync role")) == 2


def test_spellings_share_a_lookup_once_marketo_ignores_case(sandbox, singer):
    first = [singer.opportunity("a"), role(singer, "bob@example.com")]
    limits = {"limits": RunLimits(state_patience_seconds=0.0)}
    spelt = [role(singer, "BOB@EXAMPLE.COM", name="User"), singer.state(2)]
    others = [singer.opportunity(f"K{n}") for n in range(2_000)]
    messages = [*first, singer.state(1), *others, *spelt]
    run(singer, sandbox, *messages, options=limits).succeeded()
    assert len(sandbox.instance.roles()) == 2
    assert len(calls(sandbox, LOOKUPS)) == 1


def test_lookup_that_held_a_state_for_long_is_sent_short(sandbox, singer):
    limits = {"limits": RunLimits(state_patience_seconds=0.0)}
    messages = [singer.opportunity("a"), role(singer, "ann@example.com"), singer.state(1)]
    # The next record does not fill the lookup.
    more = [singer.opportunity(f"K{n}", name="n" * 200) for n in range(2_000)]
    run(singer, sandbox, *messages, *more, options=limits, max_concurrent_calls=1).succeeded()
    operations = [call["operation"] for call in sandbox.journal()]
    after = operations[operations.index(LOOKUPS) :]
    assert after.count("sync opportunity") >= 3


def test_dry_run_counts_roles_without_a_lead(sandbox, singer):
    singer.run(sandbox, [singer.schema(), singer.opportunity("a")]).succeeded()
    messages = [role(singer, f"{who}@example.com") for who in ("ann", "nobody", "noone")]
    messages.append(role(singer, "nobody@example.com", name="User"))
    ended = run(singer, sandbox, *messages, dry_run=True, max_rejects=-1).succeeded()
    assert "1 found, 2 not found (3 roles rejected), 0 ambiguous, 1 lookup call" in ended.closing
    assert "roles: 1 created" in ended.closing
    assert leads_of_roles(sandbox) == []


def test_a_missing_permission_is_named(marketo_sandbox_factory, singer):
    no_leads = {each for each in ALL_PERMISSIONS if "Lead" not in each}
    sandbox = marketo_sandbox_factory(permissions=frozenset(no_leads))
    ended = run(singer, sandbox, role(singer, "ann@example.com"))
    assert "'Read-Only Lead' or 'Read-Write Lead'" in str(ended.error)


@pytest.mark.parametrize(
    ("field", "sentence"),
    [
        ("emial", "leads have no field 'emial' (near: 'email')."),
        ("leadScore", "leads cannot be looked up by 'leadScore', which Marketo does not list"),
    ],
)
def test_a_field_that_finds_no_leads_is_refused_at_the_schema(sandbox, singer, field, sentence):
    names = ("externalOpportunityId", "role", field)
    message = role(singer, None, **{field: "x"})
    ended = run(singer, sandbox, message, names=names, lead_lookup_field=field)
    assert sentence in str(ended.error)
    assert calls(sandbox, LOOKUPS) == []


def test_a_stream_without_the_property_is_refused_at_its_schema(sandbox, singer):
    ended = run(singer, sandbox, names=("externalOpportunityId", "leadId", "role"))
    assert (
        "Stream 'roles' has no property 'lead_email' or 'email', which lead_lookup_field needs to "
        "look up the lead of a role." in str(ended.error)
    )


def test_lead_properties_of_the_tap_are_ignored_silently(sandbox, singer):
    carried = {"lead_company": "X", "lead_anything": 1}
    messages = [singer.opportunity("a"), role(singer, "ann@example.com", **carried)]
    ended = run(singer, sandbox, *messages, unknown_fields="fail").succeeded()
    assert leads_of_roles(sandbox) == [("a", 1)]
    without = {"lead_lookup_field": None, "unknown_fields": "fail"}
    again = role(singer, "ann@example.com", name="User", leadId=2, **carried)
    run(singer, sandbox, again, **without).succeeded()
    assert leads_of_roles(sandbox) == [("a", 1), ("a", 2)]
    assert not any("no field" in line for line in ended.log)


def test_lookup_with_too_many_leads_is_split(sandbox, singer, tmp_path):
    path = tmp_path / "rejects.jsonl"
    crowd = [{"email": "crowd@example.com"}] * 1_001
    sandbox.instance.add_lead_records(crowd)
    addresses = ["ann@example.com", "crowd@example.com", "bob@example.com", "team@example.com"]
    messages = [singer.opportunity("a"), *(role(singer, each) for each in addresses)]
    chosen = {"lead_lookup_many": "oldest", "max_rejects": 1, "rejects_path": str(path)}
    run(singer, sandbox, *messages, **chosen).succeeded()
    assert leads_of_roles(sandbox) == [("a", 1), ("a", 2), ("a", 3)]
    (reject,) = rejects(path)
    assert "Over 1,000 leads have this 'email'" in reject["reasons"][0]["message"]


def test_failed_lookup_ends_the_run_before_later_states(sandbox, singer):
    sandbox.fault(610, operation=LOOKUPS)
    messages = [
        singer.opportunity("a"),
        singer.state(1),
        role(singer, "ann@example.com"),
        singer.state(2),
    ]
    ended = run(singer, sandbox, *messages, options={"limits": RunLimits(max_batch_records=1)})
    assert "610" in str(ended.error)
    assert ended.states in ([], [1])


def test_records_wait_behind_a_role_whose_lead_is_looked_up(sandbox, singer):
    messages = [
        singer.opportunity("a", name="first"),
        role(singer, "ann@example.com"),
        singer.record(externalOpportunityId="a", **DELETED),
        singer.opportunity("a", name="second"),
        singer.state(1),
    ]
    limits = {"limits": RunLimits(max_batch_records=1)}
    ended = run(singer, sandbox, *messages, options=limits).succeeded()
    operations = [call["operation"] for call in sandbox.journal()]
    assert [each for each in operations if each.startswith(("sync", "delete"))] == [
        "sync opportunity",
        "sync role",
        "delete opportunity",
        "sync opportunity",
    ]
    assert ended.states == [1]


def test_roles_and_lookups_fill_their_calls(sandbox, singer):
    sandbox.instance.add_lead_records([{"email": f"u{n}@example.com"} for n in range(1_200)])
    run(singer, sandbox, *(singer.opportunity(f"K{n}") for n in range(3_000))).succeeded()
    before = len(sandbox.journal())
    messages = [role(singer, f"u{n % 1_200}@example.com", f"K{n}") for n in range(3_000)]
    run(singer, sandbox, *messages, singer.state(1)).succeeded()
    operations = [call["operation"] for call in sandbox.journal()[before:]]
    assert len(sandbox.instance.roles()) == 3_000
    assert operations.count(LOOKUPS) == 4
    assert operations.count("sync role") == 10
    # One token; descriptions of opportunities, roles and leads.
    assert len(operations) == 4 + 10 + 1 + 3


def test_at_the_end_calls_are_filled_from_all_lookups(sandbox, singer):
    # 100 of 300 values have no lead, so the roles of three lookups fit into two calls.
    found = [f"u{number}@example.com" for number in range(900) if number % 3]
    sandbox.instance.add_lead_records([{"email": each} for each in found])
    run(singer, sandbox, singer.opportunity("a")).succeeded()
    messages = [role(singer, f"u{number}@example.com") for number in range(900)]
    run(singer, sandbox, *messages, max_rejects=300, max_concurrent_calls=1).succeeded()
    assert len(calls(sandbox, LOOKUPS)) == 3
    assert [call["asked"] for call in calls(sandbox, "sync role")] == [300, 300]


def test_lookups_are_sent_short_if_memory_is_short(sandbox, singer):
    addresses = [f"u{number}@example.com" for number in range(200)]
    sandbox.instance.add_lead_records([{"email": each} for each in addresses])
    messages = [singer.opportunity("a"), *(role(singer, each) for each in addresses)]
    limits = {"limits": RunLimits(max_held_bytes=60_000)}
    ended = run(singer, sandbox, *messages, singer.state(1), options=limits).succeeded()
    assert len({lead for _, lead in leads_of_roles(sandbox)}) == 200
    assert ended.states == [1]
    assert len(calls(sandbox, LOOKUPS)) > 2


def test_leadless_roles_over_max_rejects_end_the_run(sandbox, singer):
    messages = [
        singer.opportunity("a"),
        singer.state(1),
        role(singer, "nobody@example.com"),
        role(singer, "ann@example.com"),
        singer.state(2),
    ]
    ended = run(singer, sandbox, *messages)
    assert "1004 No lead with this 'email'" in str(ended.error)
    assert 2 not in ended.states
    assert "not delivered" in ended.closing


@pytest.mark.parametrize(
    ("fault", "many", "roles"),
    [
        ({"each": {"id": "1"}}, "reject", [("a", 1)]),
        ({"each": {"createdAt": None}}, "reject", [("a", 1)]),
        ({"each": {"createdAt": {"at": 5}}}, "newest", [("a", 1)]),
        ({"each": {"email": "ANN@EXAMPLE.COM"}}, "reject", [("a", 1)]),
        ({"each": {"id": None}}, "reject", []),
        ({"each": {"id": ["1"]}}, "reject", []),
        ({"each": {"email": None}}, "reject", []),
        ({"each": {"email": {"a": 1}}}, "reject", []),
        ({"each": {"email": "somebody@else"}}, "oldest", []),
        ({"merge": {"moreResult": None, "nextPageToken": None}}, "reject", [("a", 1)]),
        ({"merge": {"result": []}}, "reject", []),
    ],
)
def test_unusual_lookup_response_finds_or_rejects(sandbox, singer, fault, many, roles):
    sandbox.fault("patch", operation=LOOKUPS, times=1, **fault)
    messages = [singer.opportunity("a"), role(singer, "ann@example.com"), singer.state(1)]
    ended = run(singer, sandbox, *messages, lead_lookup_many=many, max_rejects=1).succeeded()
    assert leads_of_roles(sandbox) == roles
    assert ended.states == [1]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        ({"merge": {"result": ["ann"]}}, ": a record that is not an object"),
        (
            {"merge": {"moreResult": True, "nextPageToken": None}},
            "moreResult is true without a page token",
        ),
    ],
)
def test_invalid_lookup_response_ends_the_run(sandbox, singer, fault, sentence):
    sandbox.fault("patch", operation=LOOKUPS, **fault)
    messages = [singer.opportunity("a"), role(singer, "ann@example.com"), singer.state(1)]
    ended = run(singer, sandbox, *messages)
    assert sentence in str(ended.error)
    assert ended.states == []
    assert "not delivered" in ended.closing


def test_lookup_field_is_checked_without_a_searchable_list(sandbox, singer):
    sandbox.fault(610, operation="describe_leads2")
    messages = [singer.opportunity("a"), role(singer, "ann@example.com")]
    run(singer, sandbox, *messages).succeeded()
    assert leads_of_roles(sandbox) == [("a", 1)]


@pytest.mark.parametrize("dialect", ["tokens-only", "full-envelope"])
def test_lookups_read_all_pages_of_every_paging_variant(marketo_sandbox_factory, singer, dialect):
    sandbox = marketo_sandbox_factory(dialects=frozenset([dialect]), short_pages=0.5)
    addresses = [f"u{number}@example.com" for number in range(700)]
    sandbox.instance.add_lead_records([{"email": each} for each in addresses])
    messages = [singer.opportunity("a"), *(role(singer, each) for each in addresses)]
    run(singer, sandbox, *messages).succeeded()
    assert len({lead for _, lead in leads_of_roles(sandbox)}) == 700
