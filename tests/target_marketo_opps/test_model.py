"""Compare runs with a small model: contents of the instance, outcomes, and STATE."""

from __future__ import annotations

import copy
import io
import itertools
import json
import re
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from marketo_opps import MarketoObject
from target_marketo_opps.run import RunLimits
from tests.target_marketo_opps.fake_marketo import LEADS, FakeMarketo, connected

DEALS, ROLES = "deals", "roles"
OBJECTS = {DEALS: MarketoObject.OPPORTUNITIES, ROLES: MarketoObject.OPPORTUNITY_ROLES}
FEW = st.sampled_from(["a", "A ", "b"])
DELETED = {"_sdc_deleted_at": "2026-01-01T00:00:00Z"}

# The model


class Model:
    """The contents of an instance, and outcomes, after every record was sent in turn."""

    def __init__(self, messages, action, lead_of=None, stored=None):
        self.stored, self.outcomes = stored or {DEALS: {}, ROLES: {}}, {}
        self.lead_of = lead_of
        self.messages, self.action, self.came, self.aside = messages, action, set(), {}
        for number in range(len(messages)):
            self.send(number)
        self.reject(list(self.aside))

    def send(self, number):
        stream, record = self.messages[number]
        if self.lead_of and stream == ROLES:
            record = {**record, "leadId": self.lead_of(record.get("lead_email"))}
            record.pop("lead_email", None)
            if record["leadId"] is None:
                self.outcomes[number] = "rejected"
                return
        key, sent_id = FakeMarketo.key(OBJECTS[stream], record), record["externalOpportunityId"]
        if DELETED.items() <= record.items():
            self.reject([one for one in self.aside if one[: len(key)] == key])
            self.stored[stream].pop(key, None)
            self.outcomes[number] = "deleted"
        elif key in self.aside or (self.is_orphan(stream, key) and sent_id not in self.came):
            self.aside.setdefault(key, []).append(number)
        else:
            self.outcomes[number] = self.written(stream, key, record)
            if stream == DEALS and key in self.stored[DEALS] and self.tells_that_it_exists(number):
                # The target does not know that another spelling of the id is the same to Marketo.
                self.came.add(sent_id)
                for other in [one for one in self.aside if one[:1] == key]:
                    list(map(self.send, self.aside.pop(other)))

    def tells_that_it_exists(self, number):
        is_refused = self.messages[number][1].get("description", "fine") != "fine"
        is_there = self.action == "createOnly" and not is_refused
        return self.outcomes[number] != "rejected" or is_there

    def written(self, stream, key, record):
        present, refused = key in self.stored[stream], record.get("description", "fine") != "fine"
        if refused or self.is_orphan(stream, key) or self.action == refused_if(present):
            return "rejected"
        self.stored[stream].setdefault(key, {}).update(record)
        return "updated" if present else "created"

    def is_orphan(self, stream, key):
        missing = key[:1] not in self.stored[DEALS]
        return stream == ROLES and (missing or int(key[1]) not in LEADS)

    def reject(self, keys):
        for key in keys:
            self.outcomes.update(dict.fromkeys(self.aside.pop(key), "rejected"))


def refused_if(present):
    return "createOnly" if present else "updateOnly"


# The input


def opportunity(key):
    values = st.fixed_dictionaries(
        {"name": st.sampled_from(["n", "m"])},
        optional={
            "stage": st.sampled_from(["x", "y", None]),
            "amount": st.integers(0, 3),
            "description": st.sampled_from(["bad", "poison"]),
        },
    )
    written = values.map(lambda chosen: {"externalOpportunityId": key, **chosen})
    deleted = st.just({"externalOpportunityId": key, **DELETED})
    return st.tuples(st.just(DEALS), st.one_of(written, written, written, deleted))


def role(key):
    names = {"leadId": st.sampled_from([1, 2, 9]), "role": st.sampled_from(["Buyer", "User"])}
    keys = st.fixed_dictionaries({"externalOpportunityId": st.just(key), **names})
    written = st.tuples(keys, st.booleans()).map(lambda two: {**two[0], "isPrimary": two[1]})
    deleted = keys.map(lambda one: {**one, **DELETED})
    return st.tuples(st.just(ROLES), st.one_of(written, written, written, deleted))


INPUT = st.lists(
    FEW.flatmap(lambda key: st.one_of(opportunity(key), role(key))), min_size=6, max_size=60
)


def addressed(records, addresses):
    """Return the records with an address for the lead of each role, and a foreign lead ID."""
    each = itertools.cycle(addresses)
    return [
        (stream, {**record, "leadId": 9, "lead_email": next(each)} if stream == ROLES else record)
        for stream, record in records
    ]


def leads_of(address, *, ignores_case):
    """Return the leads with an address in this spelling, or else in any spelling."""
    exact = [lead for lead, one in LEADS.items() if one["email"] == address]
    alike = [lead for lead, one in LEADS.items() if one["email"].casefold() == address.casefold()]
    return exact or (alike if ignores_case else [])


def chosen_lead(case, *, ignores_case=True, most_leads=1000):
    """Return the lead that an address matches; None if roles have lead IDs."""
    many = case.get("lead_lookup_many")

    def lead_of(address):
        leads = leads_of((address or ",").strip(), ignores_case=ignores_case)
        by_age = sorted(leads, key=lambda lead: LEADS[lead]["createdAt"])
        if not leads or len(leads) > most_leads or (len(leads) > 1 and many == "reject"):
            return None
        return by_age[0 if many == "oldest" else -1]

    return lead_of if many else None


def lines(records, states):
    """Return the records as messages, with STATEs that count the records before them."""
    properties = {
        DEALS: ["externalOpportunityId", "name", "stage", "amount", "description"],
        ROLES: ["externalOpportunityId", "leadId", "lead_email", "role", "isPrimary"],
    }
    for stream, names in properties.items():
        named = {name: {} for name in [*names, *DELETED]}
        yield {"type": "SCHEMA", "stream": stream, "schema": {"properties": named}}
    for number, (stream, record) in enumerate(records, start=1):
        yield {"type": "RECORD", "stream": stream, "record": record}
        if number in states:
            yield {"type": "STATE", "value": number}
    yield {"type": "STATE", "value": len(records)}


def run(singer, fake, records, *, states=(), batch=300, **chosen):
    return singer.run(
        connected(fake),
        list(lines(records, states)),
        {
            "make_client": lambda _: fake,
            "limits": RunLimits(max_batch_records=batch, state_patience_seconds=0.0),
        },
        **{"stream_objects": OBJECTS, "hard_delete": True, "max_rejects": -1, **chosen},
    )


class Witness(io.StringIO):
    """Standard output that records the contents of the instance at every STATE."""

    def __init__(self, fake, done):
        super().__init__()
        self.fake, self.done, self.seen = fake, done, []

    def write(self, line):
        with self.fake.lock:
            self.seen.append((self.done + json.loads(line), copy.deepcopy(content(self.fake))))
        return super().write(line)


def content(fake):
    return {stream: fake.stored[obj] for stream, obj in OBJECTS.items()}


def counted(closing):
    """Return the outcomes in a closing line."""
    return Counter(
        {
            (stream, kind): int(count)
            for stream, told in re.findall(r"(\w+): ([^;]*)", closing)
            for count, kind in re.findall(r"(\d+) (created|updated|deleted|rejected)", told)
            if count != "0"
        }
    )


@st.composite
def cases(draw):
    return {
        "records": draw(INPUT),
        "states": draw(st.sets(st.integers(1, 40), max_size=6)),
        "batch": draw(st.sampled_from([1, 2, 3, 5, 300])),
        "max_concurrent_calls": draw(st.integers(1, 3)),
        "merge_versions": draw(st.booleans()),
    }


ADDRESSES = st.sampled_from(
    [
        "ann@x",
        "ANN@x",
        " Ann@x",
        "bob@x",
        "BOB@x",
        "team@x",
        "Team@x",
        "zoe@x",
        "none@x",
        "a,b",
        None,
    ]
)


@st.composite
def addressed_cases(draw):
    case = draw(cases())
    case["records"] = addressed(case["records"], draw(st.lists(ADDRESSES, min_size=3, max_size=12)))
    case["lead_lookup_field"] = "email"
    case["lead_lookup_many"] = draw(st.sampled_from(["reject", "oldest", "newest"]))
    return case


PATIENT = settings(
    max_examples=25,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@PATIENT
@given(cases(), st.sampled_from(["createOrUpdate", "createOnly", "updateOnly"]))
def test_run_equals_records_sent_in_turn(tmp_path, singer, case, action):
    # If nothing is accepted, a batch may be abandoned.
    fake = FakeMarketo()
    records, path = case["records"], tmp_path / "rejects.jsonl"
    path.unlink(missing_ok=True)
    ended = run(singer, fake, rejects_path=str(path), action=action, **case)
    model = Model(records, action)
    outcomes = model.outcomes
    assert content(fake) == model.stored
    told = Counter((records[number][0], kind) for number, kind in outcomes.items())
    assert counted(ended.succeeded().closing) == told
    rejects = [json.loads(line)["record"] for line in path.read_text().splitlines()]
    rejected = [records[number][1] for number, kind in outcomes.items() if kind == "rejected"]
    assert sorted(map(repr, rejects)) == sorted(map(repr, rejected))
    assert ended.states[-1] == len(records)
    assert ended.states == sorted(ended.states)


@PATIENT
@given(
    st.one_of(cases(), addressed_cases()),
    st.fixed_dictionaries(
        {
            "fails_at": st.lists(st.integers(0, 12), max_size=3),
            "after": st.booleans(),
            "lookups_fail_at": st.lists(st.integers(1, 6), max_size=2),
        }
    ),
    st.sampled_from([0, 1, 3, -1]),
    st.booleans(),
)
def test_interrupted_and_replayed_run_equals_records_in_turn(
    singer, case, faults, max_rejects, roles_first
):
    # Without deletes: a replay cannot restore the opportunity that a role referred to.
    case["records"] = [one for one in case["records"] if not DELETED.items() <= one[1].items()]
    hosts = [(DEALS, {"externalOpportunityId": key, "name": "n"}) for key in "abc"]
    records = [*case["records"], *hosts] if roles_first else [*hosts, *case["records"]]
    fake, seen, done, attempts = FakeMarketo(**faults), [], 0, 0
    while done < len(records):
        out = Witness(fake, done)
        ended = run(singer, fake, **rest_of(case, records, done), max_rejects=max_rejects, out=out)
        assert ended.states == sorted(ended.states)
        done += ended.states[-1] if ended.states else 0
        seen += out.seen
        attempts += 1
        max_rejects = -1 if attempts > 4 else max_rejects
        assert attempts < 12
    lead_of = chosen_lead(case)
    whole = Model(records, "createOrUpdate", lead_of).stored
    assert content(fake) == whole
    # The run is killed after any STATE, and replayed from it.
    for number, held in seen:
        assert Model(records[number:], "createOrUpdate", lead_of, stored=held).stored == whole


def rest_of(case, records, done):
    states = {number - done for number in case["states"] if number > done}
    return {**case, "records": records[done:], "states": states}


MARKETO = st.fixed_dictionaries(
    {"ignores_case": st.booleans(), "most_leads": st.sampled_from([1, 2, 1000])}
)


@PATIENT
@given(addressed_cases(), MARKETO, st.sampled_from([1, 2, 300]))
def test_run_with_lead_lookups_equals_records_in_turn(tmp_path, singer, case, marketo, page):
    fake, records = FakeMarketo(**marketo, page=page), case["records"]
    path = tmp_path / "rejects.jsonl"
    path.unlink(missing_ok=True)
    ended = run(singer, fake, rejects_path=str(path), **case)
    lead_of = chosen_lead(case, **marketo)
    outcomes = (model := Model(records, "createOrUpdate", lead_of)).outcomes
    assert {DEALS: fake.stored[OBJECTS[DEALS]], ROLES: fake.stored[OBJECTS[ROLES]]} == model.stored
    told = Counter((records[number][0], kind) for number, kind in outcomes.items())
    assert counted(ended.succeeded().closing) == told
    rejects = [json.loads(line)["record"] for line in path.read_text().splitlines()]
    rejected = [records[number][1] for number, kind in outcomes.items() if kind == "rejected"]
    assert sorted(map(repr, rejects)) == sorted(map(repr, rejected))
    assert ended.states[-1] == len(records)
    assert ended.states == sorted(ended.states)
    assert not any("@x" in line for line in ended.log)
