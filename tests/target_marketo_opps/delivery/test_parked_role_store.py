"""Test the database of parked roles: selection by key and opportunity, order, contents."""

from __future__ import annotations

from decimal import Decimal

import pytest

from marketo_opps import MarketoObject, Reason, decode_record
from target_marketo_opps.delivery.batches import BatchTarget, Operation, OutboundRecord
from target_marketo_opps.delivery.parked_role_store import ParkedRole, ParkedRoleStore

KEY_FIELDS = ("externalOpportunityId", "leadId", "role")
TARGET = BatchTarget(
    MarketoObject.OPPORTUNITY_ROLES, Operation.SYNC, KEY_FIELDS, parks_orphans=True
)
WHY = (Reason("1004", "Opportunity not found"),)


@pytest.fixture
def roles():
    return ParkedRoleStore()


def role(opportunity, lead, *, checkpoint=0):
    body = b'{"externalOpportunityId":"%b","leadId":%d,"n":1.500}' % (opportunity.encode(), lead)
    key = (opportunity.casefold(), str(lead), "buyer")
    record = OutboundRecord("s", TARGET, key, key[:1], body, "arrived", b'{"record":{"n":1.500}}')
    return ParkedRole(record, checkpoint, WHY, "r#1")


def told(parked):
    return [(each.record.key[0], int(each.record.key[1])) for each in parked]


def test_parked_role_is_returned_unchanged(roles):
    parked = role("A", 1, checkpoint=7)
    roles.add(parked)
    (found,) = roles.take_of_opportunity("a")
    assert (found.checkpoint, found.reasons, found.request_id) == (7, WHY, "r#1")
    record = found.record
    assert (record.stream, record.source_stream) == ("s", "arrived")
    assert (record.key, record.ordering_keys) == (("a", "1", "buyer"), ("a",))
    assert (record.body, record.source) == (parked.record.body, parked.record.source)
    assert decode_record(record.body)["n"] == Decimal("1.500")
    assert record.target is TARGET


def test_roles_are_taken_in_the_order_of_their_arrival(roles):
    for number in (3, 1, 2):
        roles.add(role("a", number))
        roles.add(role("b", number))
    assert told(roles.take_of_opportunity("a")) == [("a", 3), ("a", 1), ("a", 2)]
    assert len(roles) == 3
    assert roles.take_of_opportunity("a") == []
    assert told(roles.take_any()) == [("b", 3), ("b", 1), ("b", 2)]
    assert not roles


def test_first_role_with_a_key_is_found_by_its_spelling(roles):
    for number, opportunity in enumerate(("D", "d", "D", "d")):
        roles.add(role(opportunity, 1, checkpoint=number))
    found = [roles.first_with_key_of(role(name, 1).record) for name in ("d", "D")]
    assert [each.checkpoint for each in found] == [1, 0]
    assert roles.first_with_key_of(role("D ", 1).record) is None


def test_roles_are_taken_up_to_a_size(roles):
    for number in range(5):
        roles.add(role("a", number))
    each = roles.first_with_key_of(role("a", 0).record).record.own_bytes
    assert told(roles.take_any(most_bytes=1)) == [("a", 0)]
    assert told(roles.take_of_opportunity("a", most_bytes=2 * each)) == [("a", 1), ("a", 2)]
    assert roles.waits_for("a")
    assert told(roles.take_of_opportunity("a", most_bytes=9 * each)) == [("a", 3), ("a", 4)]
    assert not roles.waits_for("a")


def test_dismissed_roles_are_taken_in_portions(roles):
    for number in range(4):
        roles.add(role("a", number))
        roles.add(role("b", number))
    roles.dismiss_key(("b", "2", "buyer"))
    roles.dismiss_opportunity("a")
    assert not roles.waits_for("a")
    assert roles.first_with_key_of(role("b", 2).record) is None
    assert len(roles) == 3
    # Roles that arrive later are not dismissed.
    roles.add(role("a", 9))
    assert told(roles.take_dismissed(most_bytes=1)) == [("a", 0)]
    assert told(roles.take_dismissed()) == [("a", 1), ("a", 2), ("b", 2), ("a", 3)]
    assert roles.take_dismissed() == []
    assert len(roles) == 4
    assert told(roles.take_any()) == [("b", 0), ("b", 1), ("b", 3), ("a", 9)]


def test_roles_dismissed_one_by_one_are_all_taken(roles):
    for _ in range(2):
        roles.add(role("a", 1))
        roles.dismiss_opportunity("a")
    assert told(roles.take_dismissed(most_bytes=1)) == [("a", 1)]
    assert told(roles.take_dismissed()) == [("a", 1)]


def test_opportunities_are_looked_up_again_after_a_while(roles):
    for name, checkpoint in [("A", 0), ("a", 1), ("b", 1), ("c", 2)]:
        roles.add(role(name, 1, checkpoint=checkpoint))

    def due(now, count=9):
        return roles.opportunities_to_look_up(count, until=1, looked_up_before=now - 300, now=now)

    assert sorted(map(str.casefold, due(1000))) == ["a", "b"]
    assert due(1299) == []
    assert len(due(1300, count=1)) == 1
    assert len(due(1301)) == 1


def test_all_opportunities_are_looked_up_in_small_calls(roles):
    for name in "abcdefg":
        roles.add(role(name, 1))
        roles.add(role(name, 2))
    asked = [
        roles.opportunities_to_look_up(3, until=0, looked_up_before=700, now=1000) for _ in range(4)
    ]
    assert [len(each) for each in asked] == [3, 3, 1, 0]
    assert sorted(name for each in asked for name in each) == list("abcdefg")
