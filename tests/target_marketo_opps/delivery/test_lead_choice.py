"""Test how leads are chosen and remembered, and how many values are looked up per call."""

from __future__ import annotations

import random
import re

import pytest

from target_marketo_opps.delivery.known_leads import KnownLeads
from target_marketo_opps.delivery.lead_choice import TOO_MANY, LeadMatch, found_leads
from target_marketo_opps.delivery.lead_query import LeadAnswer
from target_marketo_opps.delivery.lookup_size import LookupSize


def lead(number, email, created="2026-01-01T00:00:00Z"):
    return {"id": number, "email": email, "createdAt": created}


@pytest.fixture
def known():
    """Return known leads after a lookup of some values that returned some leads."""

    def learn(values, *records, many="reject", too_many=()):
        leads = KnownLeads(many)
        answer = LeadAnswer(values, found_leads(records, "email"), too_many=set(too_many))
        return leads, leads.add(answer)

    return learn


def test_lead_id_may_be_a_number_or_a_string():
    records = [lead(1, "a"), lead("2", " b "), lead(3.0, 7), lead("4 ", "d")]
    found = found_leads(records, "email")
    assert [(each.lead_id, each.value) for each in found] == [
        (1, "a"),
        (2, "b"),
        (3, "7"),
        (4, "d"),
    ]


@pytest.mark.parametrize("number", [None, "", "x", 1.5, -1, True, "²", 2**64, "9" * 9_999])
def test_lead_without_an_id_is_skipped(number):
    assert found_leads([lead(number, "a")], "email") == []


def test_lead_id_has_at_most_eighteen_digits():
    records = [lead("9" * 18, "a"), lead("9" * 19, "b")]
    assert [each.value for each in found_leads(records, "email")] == ["a"]


@pytest.mark.parametrize(
    ("count", "code", "words"),
    [
        (0, "1004", "No lead with this 'email'"),
        (1_000, "1007", "1,000 leads have this 'email'.* lead_lookup_many$"),
        (TOO_MANY, "1007", "Over 1,000 leads have this 'email'.*lead_lookup_field"),
    ],
)
def test_reject_reason_tells_how_many_leads_were_found(count, code, words):
    reason = LeadMatch(None, count).reject_reason("email")
    assert reason.code == code
    assert re.match(words, reason.message)


def test_lead_on_two_pages_counts_once():
    assert len(found_leads([lead(1, "a"), lead(1, "a")], "email")) == 1


def test_value_without_leads_is_remembered(known):
    leads, told = known(["a", "b"], lead(1, "a"))
    assert leads.match("a") == LeadMatch(1, 1)
    assert leads.match("b") == LeadMatch(None, 0)
    assert leads.match("c") is None
    assert told == ([1, 0], 0)


@pytest.mark.parametrize(("many", "chosen"), [("reject", None), ("oldest", 7), ("newest", 5)])
def test_lead_lookup_many_chooses_among_several_leads(known, many, chosen):
    records = [
        lead(6, "a", "2026-01-02T00:00:00Z"),
        lead(7, "a", "2026-01-02T00:30:00+02:00"),
        lead(5, "a", "2026-01-02T01:00:00"),
    ]
    assert known(["a"], *records, many=many)[0].match("a") == LeadMatch(chosen, 3)


@pytest.mark.parametrize(("many", "chosen"), [("oldest", 5), ("newest", 7)])
def test_leads_created_at_the_same_time_are_ordered_by_id(known, many, chosen):
    records = [lead(6, "a"), lead(7, "a"), lead(5, "a")]
    assert known(["a"], *records, many=many)[0].match("a").lead_id == chosen


def test_leads_are_ordered_by_id_if_a_date_is_invalid(known):
    records = [lead(6, "a", None), lead(7, "a", "1999-01-01T00:00:00Z")]
    assert known(["a"], *records, many="oldest")[0].match("a").lead_id == 6


def test_over_1000_leads_are_ambiguous_with_any_setting(known):
    leads, told = known(["a", "b"], lead(1, "b"), many="oldest", too_many=["a"])
    assert leads.match("a") == LeadMatch(None, TOO_MANY)
    assert told == ([1], 0)


def test_over_1000_leads_match_every_spelling_if_case_is_ignored(known):
    leads, _ = known(["A@x", "b"], lead(1, "B"), too_many=["A@x"])
    assert leads.ignores_case
    assert leads.match("a@X") == LeadMatch(None, TOO_MANY)


def test_spellings_differ_until_marketo_ignores_case(known):
    leads, _ = known(["a@x"], lead(1, "a@x"))
    assert leads.match("A@x") is None
    assert not leads.ignores_case
    leads.add(LeadAnswer(["B@x"], found_leads([lead(2, "b@x")], "email")))
    assert leads.ignores_case
    assert leads.match("A@X") == leads.match("a@x") == LeadMatch(1, 1)
    assert leads.match("b@x") == leads.match("b@X") == LeadMatch(2, 1)


def test_lead_with_the_exact_spelling_is_preferred(known):
    leads, _ = known(["ann@x"], lead(1, "Ann@x"), lead(2, "ann@x"))
    assert leads.match("ann@x") == LeadMatch(2, 1)
    assert leads.match("Ann@x") == LeadMatch(1, 1)
    # No lead has this spelling, so both leads match it.
    assert leads.match("ANN@x") == LeadMatch(None, 2)


def test_spellings_of_a_value_without_leads_are_remembered(known):
    leads, _ = known(["None@x", "b@x"], lead(2, "B@x"))
    assert leads.match("none@X") == LeadMatch(None, 0)


def test_unrequested_leads_are_counted(known):
    leads, told = known(["a"], lead(1, "a"), lead(2, "z"))
    assert told == ([1], 1)
    assert leads.match("z") is None


def test_results_beyond_the_memory_limit_are_remembered():
    leads = KnownLeads("reject", cache_bytes=100_000)
    values = [f"somebody.of.some.length.{number}@example.com" for number in range(20_000)]
    for start in range(0, len(values), 300):
        part = values[start : start + 300]
        records = [lead(start + at + 1, value) for at, value in enumerate(part)]
        leads.add(LeadAnswer(part, found_leads(records, "email")))
    assert all(leads.match(value) == (at + 1, 1) for at, value in enumerate(values))


# Number of values per call


def asked(matches_of, *, values=40_000):
    """Return the number of calls, pages and refusals that looking up some values takes."""
    size, done, pages, refused, calls = LookupSize(), 0, 0, 0, 0
    while done < values:
        matches = [matches_of(number) for number in range(done, min(values, done + size.values))]
        done += len(matches)
        calls += 1
        pages += max(1, -(-sum(matches) // 300))
        refused += sum(matches) > 1000
        size.learn(matches)
    return calls, pages, refused


def test_lookups_are_full_if_each_value_has_one_lead():
    assert asked(lambda _: 1)[:2] == (134, 134)
    assert asked(lambda number: number % 10 > 0)[:2] == (134, 134)


def test_lookups_with_three_percent_duplicates_fit_on_a_page():
    source = random.Random(7)
    _, pages, _ = asked(lambda _: 2 if source.random() < 0.03 else 1)
    assert pages < 134 * 1.15


def test_lookups_of_values_with_many_leads_are_rarely_refused():
    calls, pages, refused = asked(lambda _: 20, values=4_000)
    assert refused == 1
    assert pages <= 4_000 * 20 / 300 * 1.2
    assert calls < 100


def test_one_value_with_many_leads_keeps_lookups_large():
    size = LookupSize()
    size.learn([900])
    size.learn([1] * 299)
    size.learn([1] * 1_000)
    assert size.values > 250


def test_lookup_has_at_least_one_value():
    size = LookupSize()
    size.learn([1_000_000])
    assert size.values == 1


@pytest.mark.parametrize("matches", [[0] * 300, [2] + [0] * 299, [1] * 300])
def test_lookup_has_at_most_300_values(matches):
    size = LookupSize()
    size.learn(matches)
    assert size.values == 300


@pytest.mark.parametrize(("leads", "values"), [(2, 150), (3, 100), (4, 75)])
def test_values_with_equally_many_leads_fill_a_page(leads, values):
    size = LookupSize()
    size.learn([leads] * 300)
    assert size.values == values
