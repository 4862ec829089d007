"""Copies from one instance to another, by tap and target processes connected by a pipe."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal

import pytest

from marketo_sandbox.instance.values import parse_datetime
from tests.pipeline.compare import differences, held
from tests.pipeline.processes import BIN, Pair

MANAGED = {"marketoGUID", "createdAt", "updatedAt", "crmOwner"}


def read_back(sandbox, values_path, directory) -> list[bytes]:
    """Return the records that the tap reads from an instance as lines, without managed fields."""
    config = directory / "read-back.json"
    config.write_text(json.dumps({**sandbox.credentials, "filter_values_path": str(values_path)}))
    told = subprocess.run(
        [BIN / "tap-marketo-opps", "--config", config], check=True, capture_output=True
    ).stdout
    messages = [json.loads(line, parse_float=_shortest) for line in told.splitlines()]
    records = [
        each["record"]
        for each in messages
        if each["type"] == "RECORD" and each["stream"] == "opportunities"
    ]
    kept = [{name: each[name] for name in sorted(each.keys() - MANAGED)} for each in records]
    return sorted(json.dumps(each, ensure_ascii=False).encode() for each in kept)


def _shortest(number: str) -> str:
    """Return a number's shortest form: Marketo returns `62706.50` or `62706.5` for one number."""
    return format(Decimal(number).normalize(), "f")


def written(sandbox, since=0) -> list[str]:
    """Return the keys of the records sent to an instance."""
    return [
        key for call in sandbox.journal(since, operation="sync opportunity") for key in call["keys"]
    ]


def opportunities_of_the_same_leads(sandbox, keys) -> set[str]:
    roles = [(role["leadId"], role["externalOpportunityId"]) for role in sandbox.instance.roles()]
    leads = {lead for lead, key in roles if key in keys}
    return {key for lead, key in roles if lead in leads}


def test_all_records_arrive_and_read_back_identically(
    pair, source, destination, values_path, tmp_path
):
    pair.run_well()

    assert differences(held(source), held(destination)) == []
    assert len(held(destination)) == 700
    there = read_back(source, values_path, tmp_path)
    assert read_back(destination, values_path, tmp_path) == there
    assert len(there) == 700


def test_a_first_run_writes_each_record_once_in_full_batches(pair, source, destination):
    pair.run_well()

    calls = destination.journal(operation="sync opportunity")
    assert sorted(written(destination)) == sorted(source.instance.opportunity_ids())
    assert len(calls) == 3
    assert len(destination.journal(operation="describe opportunity")) == 1


def test_a_second_run_moves_only_what_has_changed(pair, source, destination):
    pair.run_well()
    source.advance(86_400)
    changed = source.instance.opportunity_ids()[100:125]
    source.instance.change(changed, {"stage": "Reopened", "amount": None})
    calls_before = len(destination.journal())

    pair.run_well()

    again = set(written(destination, calls_before)) - set(changed)
    assert set(changed) <= set(written(destination, calls_before))
    # A record whose date equals the bookmark is read again: it may change within that second.
    assert len(again) <= 1
    assert differences(held(source), held(destination)) == []


def test_a_backfill_by_leads_is_followed_up_by_the_activity_log(source, destination, tmp_path):
    pair = Pair(
        {**source.credentials, "find_by": "lead_ids", "lead_id_from": 1, "lead_id_to": 120},
        dict(destination.credentials),
        tmp_path,
    )
    pair.run_well()
    with_role = {role["externalOpportunityId"] for role in source.instance.roles()}
    assert held(destination).keys() == with_role

    source.advance(86_400)
    changed = sorted(with_role)[:25]
    source.instance.change(changed, {"nextStep": "Sign"})
    pair.tap = {**source.credentials, "find_by": "activities"}
    calls_before = len(destination.journal())

    pair.run_well()
    # The activity log names leads, so all opportunities of a changed lead are read.
    again = set(written(destination, calls_before))
    assert set(changed) <= again <= opportunities_of_the_same_leads(source, changed)
    expected = {key: value for key, value in held(source).items() if key in with_role}
    assert differences(expected, held(destination)) == []


def test_roles_without_a_mapping_are_skipped_with_one_warning(pair, destination):
    running = pair.run_well()

    assert destination.instance.roles() == []
    warnings = [line for line in running.target.stderr.splitlines() if "| WARNING " in line]
    warnings = [line for line in warnings if "Stream 'opportunity_roles'" in line]
    assert len(warnings) == 1
    assert "stream_objects" in warnings[0]


def test_roles_arrive_if_stream_objects_maps_them(pair, source, destination):
    destination.instance.add_leads(source.instance.lead_ids())
    pair.target |= {"stream_objects": {"opportunity_roles": "opportunity_roles"}}

    pair.run_well()

    def parts(sandbox):
        names = ("externalOpportunityId", "leadId", "role", "isPrimary")
        return sorted(tuple(role[name] for name in names) for role in sandbox.instance.roles())

    assert parts(destination) == parts(source)
    assert len(parts(destination)) > 500


BY_ADDRESS = {
    "stream_objects": {"opportunity_roles": "opportunity_roles"},
    "lead_lookup_field": "email",
    "max_rejects": -1,
}


def addresses(sandbox):
    return {lead["id"]: lead.get("email", "").casefold() for lead in sandbox.instance.leads()}


def parts_by_address(sandbox):
    known = addresses(sandbox)
    return {
        (known[role["leadId"]], role["externalOpportunityId"], role["role"])
        for role in sandbox.instance.roles()
    }


@pytest.fixture
def people(source, destination):
    """Add leads with every second email address of the source to the destination; return them."""
    known = sorted({each for each in addresses(source).values() if each})[::2]
    records = [{"id": 9_000 - n, "email": each.upper()} for n, each in enumerate(known)]
    destination.instance.add_lead_records(records)
    return set(known)


def test_lead_lookup_field_finds_leads_by_email(pair, source, destination, people):
    pair.tap |= {"lead_fields": ["email"]}
    pair.target |= BY_ADDRESS
    running = pair.run_well()

    expected = {part for part in parts_by_address(source) if part[0] in people}
    assert parts_by_address(destination) == expected
    assert 200 < len(expected) < len(parts_by_address(source)) - 200
    assert {role["leadId"] for role in destination.instance.roles()}.isdisjoint(range(1, 121))
    assert not [address for address in people if address in running.target.stderr]
    lookups = [len(each.journal(operation="query_leads")) for each in (source, destination)]
    assert lookups == [1, 1]


def test_a_second_run_moves_the_roles_of_what_has_changed(pair, source, destination, people):
    pair.tap |= {"lead_fields": ["email"]}
    pair.target |= BY_ADDRESS
    pair.run_well()
    before = parts_by_address(destination)
    source.advance(86_400)
    changed = source.instance.opportunity_ids()[100:125]
    source.instance.change(changed, {"stage": "Reopened"})
    calls_before = len(destination.journal())

    pair.run_well()

    sent = destination.journal(calls_before, operation="sync role")
    touched = {key.split("|")[0] for call in sent for key in call["keys"]}
    with_role = {opportunity for _, opportunity, _ in before}
    # Records whose dates equal a bookmark are read again.
    assert set(changed) & with_role <= touched
    assert len(touched - set(changed)) <= 2
    assert parts_by_address(destination) == before


def test_the_last_emitted_state_is_the_last_state_of_the_tap(pair, source):
    running = pair.run_well()

    bookmark = pair.state["bookmarks"]["opportunities"]
    latest = max(record["updatedAt"] for record in source.instance.opportunities())
    assert bookmark["replication_key"] == "updatedAt"
    assert bookmark["resume"] is None
    assert parse_datetime(bookmark["replication_key_value"]).timestamp() == latest
    assert len(running.states()) > 1
