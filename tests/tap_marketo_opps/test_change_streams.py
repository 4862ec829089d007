"""Tests of `opportunity_changes` and `opportunity_role_changes`."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from marketo_sandbox.instance.describe import OPPORTUNITY, ROLE
from tests.tap_marketo_opps.conftest import FAST

ACTIVITIES = "opportunity_activities"
CHANGES, ROLE_CHANGES = "opportunity_changes", "opportunity_role_changes"
PAIR = ("opportunities", "opportunity_roles")
LOG = "activities"


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    return marketo_sandbox_factory(opportunities=40, leads=20, seed=5, limits=FAST)


def _config(sandbox, **more):
    settings = {"find_by": "activities", "start_date": "2020-01-01T00:00:00Z"}
    return {**sandbox.credentials, **settings, **more}


def _entries(sandbox):
    """Return all log entries about opportunities from the instance."""
    since = sandbox.instance.paging_token({"sinceDatetime": "2020-01-01T00:00:00Z"})
    found, more = [], True
    while more:
        page = sandbox.instance.activities(since | {"activityTypeIds": "34,35,36"})
        found += page.get("result", [])
        since, more = {"nextPageToken": page["nextPageToken"]}, page["moreResult"]
    return found


def _attributes(entry):
    return {each["name"]: each["value"] for each in entry["attributes"]}


def _expected_changes(sandbox):
    """Return each change in the log: its key, API name, old and new value."""
    shown = {each.display_name: each.name for each in (*ROLE.fields, *OPPORTUNITY.fields)}
    return {
        (entry["marketoGUID"], shown[change["attributeName"]]): (
            entry["leadId"],
            entry["primaryAttributeValueId"],
            _as_text(change["oldValue"]),
            _as_text(change["newValue"]),
        )
        for entry in _entries(sandbox)
        if entry["activityTypeId"] == 36
        for change in json.loads(_attributes(entry)["Data Value Changes"])
    }


def _as_text(value):
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _changes(*outputs):
    return {
        (each["marketoGUID"], each["field"]): (
            each["leadId"],
            each["opportunityId"],
            each["oldValue"],
            each["newValue"],
        )
        for output in outputs
        for each in output.records(CHANGES)
    }


def _expected_role_changes(sandbox):
    kinds = {34: "added", 35: "removed"}
    return {
        entry["marketoGUID"]: (kinds[entry["activityTypeId"]], entry["leadId"])
        for entry in _entries(sandbox)
        if entry["activityTypeId"] in kinds
    }


def _role_changes(*outputs):
    return {
        each["marketoGUID"]: (each["change"], each["leadId"])
        for output in outputs
        for each in output.records(ROLE_CHANGES)
    }


def test_every_change_of_the_log_is_a_record_by_its_api_name(sandbox, catalog_of, sync):
    deals = sandbox.instance.opportunity_ids()
    sandbox.instance.change(deals[:9], {"isWon": True, "amount": "99.10", "closeDate": None})
    output = sync(_config(sandbox), catalog=catalog_of(sandbox, CHANGES, ROLE_CHANGES))
    assert _changes(output) == _expected_changes(sandbox) != {}
    assert {"stage", "isWon", "amount", "closeDate"} == {key[1] for key in _changes(output)}
    assert _role_changes(output) == _expected_role_changes(sandbox) != {}


def test_a_change_is_typed_as_its_schema_says(sandbox, catalog_of, sync):
    output = sync(_config(sandbox), catalog=catalog_of(sandbox, CHANGES))
    entry = next(each for each in _entries(sandbox) if each["activityTypeId"] == 36)
    record = next(
        each for each in output.records(CHANGES) if each["marketoGUID"] == entry["marketoGUID"]
    )
    (change,) = json.loads(_attributes(entry)["Data Value Changes"])
    assert record == {
        "marketoGUID": entry["marketoGUID"],
        "field": "stage",
        "oldValue": change["oldValue"],
        "newValue": change["newValue"],
        "leadId": entry["leadId"],
        "activityDate": entry["activityDate"],
        "opportunityId": entry["primaryAttributeValueId"],
        "opportunityName": entry["primaryAttributeValue"],
        "role": _attributes(entry)["Role"],
        "isPrimary": _attributes(entry)["Is Primary"],
    }
    (schema,) = [each for each in output.messages if each["type"] == "SCHEMA"]
    assert schema["key_properties"] == ["marketoGUID", "field"]
    assert schema["bookmark_properties"] == ["activityDate"]
    assert schema["schema"]["properties"]["field"]["type"] == "string"
    assert schema["schema"]["properties"]["opportunityId"]["type"] == ["integer", "null"]


def _calls(sandbox, run):
    before = len(sandbox.journal())
    run()
    return Counter(call["operation"] for call in sandbox.journal()[before:])


def test_all_streams_of_the_log_cost_no_call_more(sandbox, catalog_of, sync):
    alone = catalog_of(sandbox, *PAIR)
    everything = catalog_of(sandbox, *PAIR, ACTIVITIES, CHANGES, ROLE_CHANGES)
    config = _config(sandbox, batch_size=20)
    without = _calls(sandbox, lambda: sync(config, catalog=alone))
    assert _calls(sandbox, lambda: sync(config, catalog=everything)) == without
    output = sync(config, catalog=everything)
    assert _changes(output) == _expected_changes(sandbox)
    assert len(output.records(ACTIVITIES)) == len(_entries(sandbox))
    assert output.state["bookmarks"].keys() == {*PAIR, ACTIVITIES, CHANGES, ROLE_CHANGES}


def test_beside_another_way_of_finding_they_share_a_walk(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities", ACTIVITIES, CHANGES, ROLE_CHANGES)
    config = _config(sandbox, find_by="filter", filter_values=sandbox.instance.opportunity_ids())
    calls = _calls(sandbox, lambda: sync(config, catalog=catalog))
    alone = _calls(sandbox, lambda: sync(config, catalog=catalog_of(sandbox, ACTIVITIES)))
    assert calls[LOG] == alone[LOG]
    output = sync(config, catalog=catalog)
    assert _changes(output) == _expected_changes(sandbox)
    assert _role_changes(output) == _expected_role_changes(sandbox)
    assert len(output.records()) == 40


def test_entries_by_id_alone_have_it_for_their_key(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, CHANGES, ROLE_CHANGES)
    expected = _expected_changes(sandbox), _expected_role_changes(sandbox)
    sandbox.fault("patch", operation=LOG, each={"marketoGUID": None})
    output = sync(_config(sandbox), catalog=catalog)
    assert (_changes(output), _role_changes(output)) == expected


def test_entries_without_any_key_are_counted_and_told(sandbox, catalog_of, sync, caplog):
    catalog = catalog_of(sandbox, CHANGES, ROLE_CHANGES)
    sandbox.fault("patch", operation=LOG, each={"marketoGUID": None, "id": {"$value": None}})
    output = sync(_config(sandbox), catalog=catalog)
    assert output.records(CHANGES) == output.records(ROLE_CHANGES) == []
    for stream in (CHANGES, ROLE_CHANGES):
        assert f"of {stream} skipped: Marketo sent no marketoGUID" in caplog.text


def test_unreadable_entries_are_counted_once_at_the_end(sandbox, catalog_of, sync, caplog):
    catalog = catalog_of(sandbox, ACTIVITIES, CHANGES)
    broken = [{"name": "Data Value Changes", "value": '[{"attributeName":'}]
    where = {"activityTypeId": 36}
    sandbox.fault("patch", operation=LOG, where=where, each={"attributes": {"$value": broken}})
    output = sync(_config(sandbox), catalog=catalog)
    count = len(_updates(output))
    assert count > 1
    assert output.records(CHANGES) == []
    (told,) = [line for line in caplog.messages if "of the activity log could not be read" in line]
    assert told.startswith(f"Changes in {count} entries of the activity log could not be read")
    assert {str(each["attributes"]) for each in _updates(output)} == {
        str({"Data Value Changes": '[{"attributeName":'})
    }


def _updates(output):
    return [each for each in output.records(ACTIVITIES) if each["activityTypeId"] == 36]


@pytest.mark.parametrize("odd", ["12.5", "none", {"a": 1}])
def test_a_number_that_is_none_is_null_and_the_change_is_kept(
    sandbox, catalog_of, sync, caplog, odd
):
    catalog = catalog_of(sandbox, CHANGES)
    each = {"primaryAttributeValueId": {"$value": odd}}
    sandbox.fault("patch", operation=LOG, each=each)
    output = sync(_config(sandbox), catalog=catalog)
    assert {record["opportunityId"] for record in output.records(CHANGES)} == {None}
    assert "A value of opportunityId in opportunity_changes does not match" in caplog.text


def test_names_that_a_catalog_does_not_describe_stay_as_logged(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, CHANGES)
    only = [each for each in catalog["streams"] if each["tap_stream_id"] == CHANGES]
    output = sync(_config(sandbox), catalog={"streams": only})
    assert {record["field"] for record in output.records(CHANGES)} == {"Stage"}


def test_deselected_columns_are_left_out(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, CHANGES, fields={"newValue"})
    (record, *_) = sync(_config(sandbox), catalog=catalog).records(CHANGES)
    assert {*record} == {"marketoGUID", "field", "activityDate", "newValue"}


class History:
    """Random deals, roles and changes, and days that pass.

    Args:
        sandbox: an instance with leads.
        seed: of what happens.
    """

    def __init__(self, sandbox, seed):
        self.sandbox = sandbox
        self.draw = random.Random(seed)
        self.made = 0

    def go_on(self, steps):
        """Make one random change."""
        for _ in range(steps):
            self.sandbox.advance(self.draw.randrange(1, 4000))
            self.draw.choice([self._create, self._change, self._change, self._link, self._unlink])()

    def _sync(self, obj, records):
        self.sandbox.instance.sync(obj, {"input": records})

    def _create(self):
        self.made += 1
        names = {"externalOpportunityId": f"new-{self.made}", "name": self._name()}
        self._sync(OPPORTUNITY, [names])

    def _change(self):
        fields = {
            "name": self._name(),
            "stage": self.draw.choice(["Won", "Lost", None]),
            "amount": self.draw.choice(["1.10", 2, None]),
            "isWon": self.draw.choice([True, False]),
        }
        names = self.draw.sample(sorted(fields), self.draw.randrange(1, 4))
        self.sandbox.instance.change([self._deal()], {name: fields[name] for name in names})

    def _link(self):
        lead = self.draw.choice(self.sandbox.instance.lead_ids())
        for role in self.draw.sample(["Buyer", "Champion"], self.draw.randrange(1, 3)):
            record = {"externalOpportunityId": self._deal(), "leadId": lead, "role": role}
            self._sync(ROLE, [record | {"isPrimary": self.draw.choice([True, False])}])

    def _unlink(self):
        role = self.draw.choice(self.sandbox.instance.roles())
        key = {name: role[name] for name in ("externalOpportunityId", "leadId", "role")}
        self.sandbox.instance.delete(ROLE, {"deleteBy": "dedupeFields", "input": [key]})

    def _deal(self):
        return self.draw.choice(self.sandbox.instance.opportunity_ids())

    def _name(self):
        return self.draw.choice(["Acme", "Acme renewal", "Zażółć"])


@pytest.mark.parametrize("seed", range(4))
def test_in_any_history_all_changes_are_emitted(marketo_sandbox_factory, catalog_of, sync, seed):
    sandbox = marketo_sandbox_factory(opportunities=12, leads=6, seed=seed, limits=FAST)
    catalog = catalog_of(sandbox, *PAIR, CHANGES, ROLE_CHANGES)
    history, config = History(sandbox, seed), _config(sandbox, batch_size=7)
    outputs, state = [], None
    for _ in range(4):
        history.go_on(12)
        # Killed somewhere, and gone on.
        for most_bytes in (history.draw.randrange(1, 40_000), None):
            outputs.append(sync(config, catalog=catalog, state=state, most_bytes=most_bytes))
            state = outputs[-1].state or state
    assert _changes(*outputs) == _expected_changes(sandbox)
    assert _role_changes(*outputs) == _expected_role_changes(sandbox)
