"""Random sequences of calls: an instance must have the same outcomes as a plain dictionary."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from marketo_sandbox.instance.describe import OPPORTUNITY, ROLE
from marketo_sandbox.instance.instance import Instance
from marketo_sandbox.options import SandboxOptions
from tests.marketo_sandbox.helpers import outcome

IDS = st.sampled_from(["a", "b", "c", "A", "b "])
STAGES = st.sampled_from(["New", "Won", None, ""])
DEALS = st.fixed_dictionaries(
    {"externalOpportunityId": IDS}, optional={"name": st.just("n"), "stage": STAGES}
)
ACTIONS = st.sampled_from(["createOrUpdate", "createOnly", "updateOnly"])
LEADS = st.sampled_from([1, 2, 99])
ROLES = st.fixed_dictionaries(
    {"externalOpportunityId": IDS, "leadId": LEADS, "role": st.sampled_from(["x", "y"])}
)
STEPS = st.one_of(
    st.tuples(st.just("sync"), st.lists(DEALS, min_size=1, max_size=4), ACTIONS),
    st.tuples(st.just("delete"), st.lists(IDS, min_size=1, max_size=3), st.none()),
    st.tuples(st.just("sync_roles"), st.lists(ROLES, min_size=1, max_size=4), ACTIONS),
    st.tuples(st.just("delete_roles"), st.lists(ROLES, min_size=1, max_size=3), st.none()),
)


def fold(key):
    return key.strip().lower()


class Model:
    """The expected instance: opportunities by key, roles by compound key, expected activities."""

    def __init__(self):
        self.deals, self.roles, self.log = {}, {}, []

    def apply(self, kind, records, action):
        taken, outcomes = set(), []
        for record in records:
            key = self.key_of(kind, record)
            duplicate = key in taken
            taken.add(key)
            outcomes.append("1036" if duplicate else getattr(self, kind)(key, record, action))
        return outcomes

    def key_of(self, kind, record):
        if kind == "delete":
            return fold(record)
        key = fold(record["externalOpportunityId"])
        return (key, record["leadId"], record["role"]) if "roles" in kind else key

    def sync(self, key, record, action):
        known = self.deals.get(key)
        fields = {name: record[name] or None for name in ("name", "stage") if name in record}
        if known is not None:
            if action == "createOnly":
                return "1005"
            known.update(fields)
            self.log += [
                (36, lead) for lead in {lead for deal, lead, _ in self.roles if deal == key}
            ]
            return "updated"
        if action == "updateOnly":
            return "1004"
        if "name" not in record:
            return "1002"
        self.deals[key] = {"externalOpportunityId": record["externalOpportunityId"], **fields}
        return "created"

    def delete(self, key, _record, _action):
        if self.deals.pop(key, None) is None:
            return "1013"
        for role in [each for each in self.roles if each[0] == key]:
            del self.roles[role]
            self.log.append((35, role[1]))
        return "deleted"

    def sync_roles(self, key, record, action):
        if key in self.roles:
            if action == "createOnly":
                return "1005"
            self.log.append((36, key[1]))
            return "updated"
        if action == "updateOnly" or key[0] not in self.deals or key[1] == 99:
            return "1004"
        self.roles[key] = record
        self.log.append((34, key[1]))
        return "created"

    def delete_roles(self, key, _record, _action):
        if self.roles.pop(key, None) is None:
            return "1013"
        self.log.append((35, key[1]))
        return "deleted"


def done(instance, kind, records, action):
    """Carry out a step on an instance, and return the outcomes of its records."""
    obj = ROLE if "roles" in kind else OPPORTUNITY
    if kind == "delete":
        records = [{"externalOpportunityId": each} for each in records]
    if "delete" in kind:
        answer = instance.delete(obj, {"input": records})
    else:
        answer = instance.sync(obj, {"input": records, "action": action})
    return outcome(answer)


def log_of(instance):
    since = instance.paging_token({"sinceDatetime": "2000-01-01T00:00:00Z"})["nextPageToken"]
    asked = {"nextPageToken": since, "activityTypeIds": "34,35,36"}
    found = instance.activities(asked).get("result", [])
    return sorted((each["activityTypeId"], each["leadId"]) for each in found)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=8))
def test_random_calls_have_the_outcomes_of_a_dictionary(steps):
    instance, model = Instance(SandboxOptions(leads=2)), Model()
    try:
        for kind, records, action in steps:
            assert done(instance, kind, records, action) == model.apply(kind, records, action)
        kept = ("externalOpportunityId", "name", "stage")
        held = [
            {name: each[name] for name in kept if name in each} for each in instance.opportunities()
        ]
        expected = [
            {name: value for name, value in deal.items() if value is not None}
            for deal in model.deals.values()
        ]
        assert held == expected
        roles = [
            (each["externalOpportunityId"], each["leadId"], each["role"])
            for each in instance.roles()
        ]
        assert [(fold(deal), lead, role) for deal, lead, role in roles] == list(model.roles)
        assert log_of(instance) == sorted(model.log)
    finally:
        instance.close()
