"""Which lead takes the role, by themselves: choosing, remembering, and how many to ask for."""

from __future__ import annotations

import random

import pytest

from target_marketo_opps.delivery.known_leads import KnownLeads
from target_marketo_opps.delivery.lead_choice import TOO_MANY, LeadMatch, found_leads
from target_marketo_opps.delivery.lead_query import LeadAnswer
from target_marketo_opps.delivery.lookup_size import LookupSize


def lead(number, email, created="2026-01-01T00:00:00Z"):
    return {"id": number, "email": email, "createdAt": created}


@pytest.fixture
def known():
    """What a run has learnt, given the values asked for and the leads that Marketo answers."""
    opened = []

    def learn(values, *records, many="reject", too_many=()):
        opened.append(KnownLeads(many))
        answer = LeadAnswer(values, found_leads(records, "email"), too_many=set(too_many))
        return opened[-1], opened[-1].add(answer)

    yield learn
    for each in opened:
        each.close()


def test_a_lead_is_read_however_marketo_writes_its_id():
    records = [lead(1, "a"), lead("2", " b "), lead(3.0, 7), lead("4 ", "d")]
    found = found_leads(records, "email")
    assert [(each.lead_id, each.value) for each in found] == [
        (1, "a"),
        (2, "b"),
        (3, "7"),
        (4, "d"),
    ]


@pytest.mark.parametrize("number", [None, "", "x", 1.5, -1, True, "²", 2**64, "9" * 9_999])
def test_a_lead_without_an_id_is_of_no_use(number):
    assert found_leads([lead(number, "a")], "email") == []


def test_a_lead_that_comes_on_two_pages_is_one():
    assert len(found_leads([lead(1, "a"), lead(1, "a")], "email")) == 1


def test_a_value_that_nobody_has_is_known_as_such(known):
    leads, told = known(["a", "b"], lead(1, "a"))
    assert leads.match("a") == LeadMatch(1, 1)
    assert leads.match("b") == LeadMatch(None, 0)
    assert leads.match("c") is None
    assert told == ([1, 0], 0)


@pytest.mark.parametrize(("many", "chosen"), [("reject", None), ("oldest", 7), ("newest", 5)])
def test_of_several_leads_the_setting_chooses(known, many, chosen):
    records = [
        lead(6, "a", "2026-01-02T00:00:00Z"),
        lead(7, "a", "2026-01-01T00:00:00+00:00"),
        lead(5, "a", "2026-01-02T01:00:00"),
    ]
    assert known(["a"], *records, many=many)[0].match("a") == LeadMatch(chosen, 3)


@pytest.mark.parametrize(("many", "chosen"), [("oldest", 5), ("newest", 7)])
def test_leads_of_one_moment_go_by_their_ids(known, many, chosen):
    records = [lead(6, "a"), lead(7, "a"), lead(5, "a")]
    assert known(["a"], *records, many=many)[0].match("a").lead_id == chosen


def test_where_a_date_cannot_be_read_all_go_by_their_ids(known):
    records = [lead(6, "a", None), lead(7, "a", "1999-01-01T00:00:00Z")]
    assert known(["a"], *records, many="oldest")[0].match("a").lead_id == 6


def test_a_value_with_too_many_leads_is_ambiguous_whatever_the_setting(known):
    leads, told = known(["a", "b"], lead(1, "b"), many="oldest", too_many=["a"])
    assert leads.match("a") == LeadMatch(None, TOO_MANY)
    assert told == ([1], 0)


def test_spellings_are_two_values_until_marketo_shows_that_they_are_one(known):
    leads, _ = known(["a@x"], lead(1, "a@x"))
    assert leads.match("A@x") is None
    assert not leads.ignores_case
    leads.add(LeadAnswer(["B@x"], found_leads([lead(2, "b@x")], "email")))
    assert leads.ignores_case
    assert leads.match("A@X") == leads.match("a@x") == LeadMatch(1, 1)
    assert leads.match("b@x") == leads.match("b@X") == LeadMatch(2, 1)


def test_the_lead_with_just_that_spelling_comes_first(known):
    leads, _ = known(["ann@x"], lead(1, "Ann@x"), lead(2, "ann@x"))
    assert leads.match("ann@x") == LeadMatch(2, 1)
    assert leads.match("Ann@x") == LeadMatch(1, 1)
    # None has this one, so both may be meant.
    assert leads.match("ANN@x") == LeadMatch(None, 2)


def test_spellings_of_what_nobody_has_are_known_too(known):
    leads, _ = known(["None@x", "b@x"], lead(2, "B@x"))
    assert leads.match("none@X") == LeadMatch(None, 0)


def test_leads_that_nobody_asked_for_are_counted(known):
    leads, told = known(["a"], lead(1, "a"), lead(2, "z"))
    assert told == ([1], 1)
    assert leads.match("z") is None


def test_what_does_not_fit_into_memory_is_known_all_the_same():
    leads = KnownLeads("reject", cache_bytes=100_000)
    values = [f"somebody.of.some.length.{number}@example.com" for number in range(20_000)]
    for start in range(0, len(values), 300):
        part = values[start : start + 300]
        records = [lead(start + at + 1, value) for at, value in enumerate(part)]
        leads.add(LeadAnswer(part, found_leads(records, "email")))
    assert all(leads.match(value) == (at + 1, 1) for at, value in enumerate(values))
    leads.close()


# How many values a call asks for


def asked(matches_of, *, values=40_000):
    """How many calls, pages and refusals so many values take."""
    size, done, pages, refused, calls = LookupSize(), 0, 0, 0, 0
    while done < values:
        matches = [matches_of(number) for number in range(done, min(values, done + size.values))]
        done += len(matches)
        calls += 1
        pages += max(1, -(-sum(matches) // 300))
        refused += sum(matches) > 1000
        size.learn(matches)
    return calls, pages, refused


def test_where_no_value_has_several_leads_calls_are_full():
    assert asked(lambda _: 1)[:2] == (134, 134)
    assert asked(lambda number: number % 10 > 0)[:2] == (134, 134)


def test_where_three_of_a_hundred_have_two_leads_few_calls_take_two_pages():
    source = random.Random(7)
    _, pages, _ = asked(lambda _: 2 if source.random() < 0.03 else 1)
    assert pages < 134 * 1.15


def test_where_values_have_many_leads_few_calls_are_refused():
    calls, pages, refused = asked(lambda _: 20, values=4_000)
    assert refused == 1
    assert pages <= 4_000 * 20 / 300 * 1.2
    assert calls < 100


def test_one_value_with_very_many_leads_does_not_make_calls_small():
    size = LookupSize()
    size.learn([900])
    size.learn([1] * 299)
    size.learn([1] * 1_000)
    assert size.values > 250


def test_at_least_one_value_is_asked_for():
    size = LookupSize()
    size.learn([1_000_000])
    assert size.values == 1
