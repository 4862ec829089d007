"""Test which lookups of leads are sent when, and what becomes of the roles that wait for them."""

from __future__ import annotations

from concurrent.futures import Future
from types import SimpleNamespace
from unittest.mock import Mock

from marketo_opps import MarketoObject, decode_record, encode_record
from target_marketo_opps.delivery.batches import Operation, OutboundRecord, WantedLead
from target_marketo_opps.delivery.counters import RunCounters
from target_marketo_opps.delivery.known_leads import KnownLeads
from target_marketo_opps.delivery.lead_choice import found_leads
from target_marketo_opps.delivery.lead_counts import LeadCounts
from target_marketo_opps.delivery.lead_lookup import LeadLookup
from target_marketo_opps.delivery.lead_query import LeadAnswer
from target_marketo_opps.delivery.reject_policy import RejectPolicy
from target_marketo_opps.delivery.rejects import RejectsFile
from target_marketo_opps.delivery.waiting import WaitingRecords
from target_marketo_opps.settings import TargetSettings
from target_marketo_opps.state.ledger import Ledger
from target_marketo_opps.state.state_release import StateRelease

KEYS = ("externalOpportunityId", "leadId")


class Calls:
    """Calls in flight that the test answers one by one."""

    def __init__(self, most):
        self.most, self.started = most, []

    @property
    def has_room(self):
        return len(self.started) < self.most

    def start(self, call, argument, take):
        self.started.append((call, argument, take))


class Bench:
    """Lookups in an instance whose leads, by address, the test sets; it ignores case."""

    def __init__(self, *, most_calls=9, strange=()):
        self.leads, self.too_many, self.strange = {}, set(), strange
        self.known, self.calls, self.asked = KnownLeads("reject"), Calls(most_calls), []
        self.ledger, self.states, self.rejects = Ledger(), [], Mock(spec=RejectsFile)
        self.waiting, self.counters = WaitingRecords(self.ledger), RunCounters()
        self.counters.register_stream("s")
        self.counts = LeadCounts("email")
        release = StateRelease(
            self.ledger, self.states.append, before_write=lambda: None, clock=lambda: 0.0
        )
        self.lookup = LeadLookup(
            SimpleNamespace(field="email", find=self.find),
            self.known,
            waiting=self.waiting,
            calls=self.calls,
            states=release,
            rejects=RejectPolicy(self.counters, self.rejects, TargetSettings(max_rejects=-1)),
            counts=self.counts,
        )

    def find(self, values):
        self.asked.append(list(values))
        found = [
            {"id": lead, "email": address}
            for lead, address in self.leads.items()
            if address.casefold() in {value.casefold() for value in values}
        ]
        leads = found_leads([*found, *self.strange], "email")
        too_many = {value for value in values if value in self.too_many}
        return LeadAnswer(values, leads, too_many=too_many, calls=1)

    def role(self, opportunity, address, line=1):
        target = self.waiting.batches.target(MarketoObject.OPPORTUNITY_ROLES, Operation.SYNC, KEYS)
        body, source = encode_record({KEYS[0]: opportunity}), b'{"record":{}}'
        key = (opportunity,)
        one = OutboundRecord("s", target, key, key, body, "s", source)
        one.wanted = WantedLead(address, line)
        return one

    def admit(self, *addresses):
        """Take a role for each address; return for each whether its lead was known."""
        roles = [self.role(f"K{number}", each) for number, each in enumerate(addresses)]
        return [self.lookup.admit(role, role.wanted) for role in roles]

    def answer(self):
        call, argument, take = self.calls.started.pop(0)
        future = Future()
        future.set_result(call(argument))
        take(future)

    @property
    def placed(self):
        """Return opportunity and lead of each role that is in a batch."""
        self.waiting.batches.close_all()
        bodies = [decode_record(one.body) for batch in self.waiting.closed for one in batch.records]
        return [(body[KEYS[0]], body["leadId"]) for body in bodies]

    @property
    def told(self):
        """Return key and reason of each reject."""
        rejects = [call.args[0] for call in self.rejects.write.call_args_list]
        return [(each.key[KEYS[0]], each.reasons[0].code) for each in rejects]


def addresses(count):
    return [f"a{number}@x" for number in range(count)]


def test_lookup_is_sent_once_it_is_full():
    bench = Bench()
    bench.leads = dict(enumerate(addresses(300), start=1))
    bench.admit(*addresses(299))
    assert bench.lookup.is_pending
    assert not bench.calls.started
    bench.admit("a299@x")
    bench.answer()
    assert bench.asked == [addresses(300)]
    assert not bench.lookup.is_pending
    assert len(bench.placed) == 300
    assert "300 found, 0 not found, 0 ambiguous, 1 lookup call" in bench.counts.summary()


def test_full_lookups_wait_for_room_among_the_calls():
    bench = Bench(most_calls=1)
    bench.admit(*addresses(650))
    assert len(bench.calls.started) == 1
    bench.answer()
    bench.lookup.start_full()
    assert [len(argument) for _, argument, _ in bench.calls.started] == [300]
    bench.lookup.start_all()
    bench.answer()
    bench.lookup.start_full()
    assert not bench.calls.started
    bench.lookup.start_all()
    bench.answer()
    assert [len(each) for each in bench.asked] == [300, 300, 50]
    assert not bench.lookup.is_pending


def test_role_of_a_known_lead_does_not_wait():
    bench = Bench()
    bench.leads = {7: "a@x"}
    bench.admit("a@x")
    bench.lookup.start_all()
    bench.answer()
    role = bench.role("K9", "a@x")
    assert bench.lookup.admit(role, role.wanted)
    assert decode_record(role.body) == {KEYS[0]: "K9", "leadId": 7}
    assert role.wanted is None
    assert not bench.lookup.is_pending


def test_role_known_to_have_no_lead_is_rejected_at_once():
    bench = Bench()
    bench.admit("a@x", "a@x")
    bench.ledger.state("behind", now=0)
    bench.lookup.start_all()
    assert bench.states == []
    bench.answer()
    assert bench.states == ["behind"]
    assert bench.waiting.held_bytes == 0
    role = bench.role("K9", "a@x", line=1_234)
    assert not bench.lookup.admit(role, role.wanted)
    assert bench.told == [(key, "1004") for key in ("K0", "K1", "K9")]
    assert "1 not found (3 roles rejected)" in bench.counts.summary()
    (line,) = bench.counters.causes.lines()
    assert line.endswith(": K0 (line 1), K1 (line 1), K9 (line 1,234)")


def test_spellings_do_not_share_a_call_and_get_the_lead_of_either():
    bench = Bench()
    bench.leads = {7: "A@x"}
    bench.admit("a@x", "A@x", "a@x")
    bench.lookup.start_all()
    bench.answer()
    # Marketo ignores case, so the answer holds for both spellings.
    assert bench.asked == [["a@x"]]
    assert sorted(bench.placed) == [("K0", 7), ("K1", 7), ("K2", 7)]


def test_spelling_without_an_answer_is_looked_up_next():
    bench = Bench()
    bench.admit("a@x", "A@x")
    bench.lookup.start_all()
    bench.answer()
    assert bench.told == [("K0", "1004")]
    assert bench.lookup.is_pending
    bench.lookup.start_all()
    bench.answer()
    assert bench.asked == [["a@x"], ["A@x"]]
    assert bench.told == [("K0", "1004"), ("K1", "1004")]


def test_of_three_spellings_each_is_looked_up_and_told():
    bench = Bench()
    bench.admit("a@x", "A@x", "a@X")
    for _ in range(3):
        bench.lookup.start_all()
        bench.answer()
    assert bench.asked == [["a@x"], ["A@x"], ["a@X"]]
    assert bench.told == [("K0", "1004"), ("K1", "1004"), ("K2", "1004")]


def test_overdue_role_sends_the_lookups_unless_its_own_is_sent():
    bench = Bench(most_calls=1)
    first, second = bench.role("K0", "A@x"), bench.role("K1", "b@x")
    bench.lookup.admit(first, first.wanted)
    bench.lookup.start_all()
    bench.lookup.admit(second, second.wanted)
    bench.calls.most = 9
    bench.lookup.start_overdue(first)
    bench.lookup.start_overdue(bench.role("K2", "c@x"))
    assert [argument for _, argument, _ in bench.calls.started] == [["A@x"]]
    bench.lookup.start_overdue(second)
    assert [argument for _, argument, _ in bench.calls.started] == [["A@x"], ["b@x"]]


def test_value_of_too_many_leads_rejects_its_roles():
    bench = Bench()
    bench.too_many = {"a@x"}
    bench.leads = {7: "b@x"}
    bench.admit("a@x", "b@x")
    bench.lookup.start_all()
    bench.answer()
    assert bench.told == [("K0", "1007")]
    assert bench.placed == [("K1", 7)]
    assert "1 found, 0 not found, 1 ambiguous (1 role rejected)" in bench.counts.summary()


def test_strange_leads_are_warned_of_once(caplog):
    bench = Bench(strange=[{"id": 9, "email": "z@x"}])
    for address in ("a@x", "b@x"):
        bench.admit(address)
        bench.lookup.start_all()
        bench.answer()
    (record,) = caplog.records
    assert "by 'email' returned 1 lead that were not asked for" in record.getMessage()


def test_later_lookups_are_smaller_if_values_have_many_leads():
    bench = Bench()
    bench.leads = dict.fromkeys(range(1, 20), "a@x")
    bench.admit("a@x")
    bench.lookup.start_all()
    bench.answer()
    bench.admit(*[f"b{number}@x" for number in range(299)])
    assert bench.calls.started
    assert len(bench.calls.started[0][1]) < 100
