"""Tests of the cache of lead fields: what it keeps, what it forgets, and what it tells."""

from __future__ import annotations

import pytest

from tap_marketo_opps.finding import known_leads
from tap_marketo_opps.finding.known_leads import KnownLeads


def _leads(*numbers):
    return {number: b"%d" % number for number in numbers}


def test_leads_are_found_by_their_ids():
    known = KnownLeads()
    known.add(_leads(1, 2))
    known.add(_leads(3))
    assert known.find([1, 3, 4]) == _leads(1, 3)
    assert known.find([]) == {}


def test_a_lead_that_is_added_again_has_its_later_fields():
    known = KnownLeads()
    known.add({1: b"first"})
    known.add({1: b"second"})
    assert known.find([1]) == {1: b"second"}


def test_at_least_as_many_leads_are_kept_as_its_capacity():
    known = KnownLeads(capacity=2)
    for number in range(1, 9):
        known.add(_leads(number))
        assert known.find([number - 1, number]) == _leads(*{max(number - 1, 1), number})


def test_the_oldest_leads_go_when_the_newer_database_is_full():
    known = KnownLeads(capacity=2)
    for number in range(1, 5):
        known.add(_leads(number))
    assert known.find(range(1, 5)) == _leads(1, 2, 3, 4)
    known.add(_leads(5))
    assert known.find(range(1, 6)) == _leads(3, 4, 5)


def test_a_full_newer_database_starts_counting_anew():
    known = KnownLeads(capacity=2)
    for leads in ((1, 2), (3,), (4,)):
        known.add(_leads(*leads))
    assert known.find(range(1, 5)) == _leads(1, 2, 3, 4)


def _find(known):
    assert known.find([1]) == {}


def _add(known):
    known.add(_leads(2))
    assert known.find([2]) == {}


@pytest.mark.parametrize("use", [_find, _add])
def test_a_cache_that_fails_warns_once_and_starts_empty(use, caplog):
    known = KnownLeads(capacity=2)
    for _ in range(2):
        known.add(_leads(1))
        known._newest.close()
        use(known)
        assert known.find([1]) == {}
        (warning,) = [record.getMessage() for record in caplog.records]
    assert "ProgrammingError: Cannot operate on a closed database" in warning
    assert "free space on the disk of temporary files" in warning
    for number in (5, 6, 7):
        known.add(_leads(number))
    assert known.find([5, 6, 7]) == _leads(5, 6, 7)


def test_the_memory_of_a_database_is_bounded():
    database = known_leads._database()
    (kibibytes,) = database.execute("PRAGMA cache_size").fetchone()
    assert -kibibytes * 1024 == pytest.approx(known_leads.CACHE_BYTES, rel=0.01)
