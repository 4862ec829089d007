"""Tests of which leads are looked up, and of roles that wait for them."""

from __future__ import annotations

import pytest

from marketo_opps import Page
from tap_marketo_opps.finding.known_leads import KnownLeads
from tap_marketo_opps.finding.lead_stage import LeadStage, lead_stage, with_leads
from tap_marketo_opps.finding.page_result import PageResult
from tap_marketo_opps.finding.stage_plan import StagePlan
from tap_marketo_opps.finding.waiting_stage import MAX_PAGES_WAITING
from tests.tap_marketo_opps.finding.fakes import FakeQuery, page_of
from tests.tap_marketo_opps.helpers import make_resume_point

COLUMNS = {"lead_email": "email"}


class LeadClient:
    """A client that has every lead, does not say that a page is the last, and notes its calls."""

    def leads(self, **asked):
        self.asked = asked
        leads = [{"id": int(each), "email": f"{each}@x.example"} for each in asked["values"]]
        return Page(leads, "more", more=None, request_id=None)


def _stage(**more):
    is_new = more.pop("is_new", lambda _: True)
    return LeadStage(FakeQuery(), COLUMNS, is_new=is_new, **more)


def _roles(*leads, **more):
    records = [{"marketoGUID": f"g{n}", "leadId": lead} for n, lead in enumerate(leads)]
    return PageResult("opportunity_roles", records, **more)


def _asked(stage):
    """Return the lead IDs of the calls that are made now, even if they are not full."""
    stage.flush_partial()
    cursors = []
    while cursor := stage.next_cursor():
        cursors.append(cursor)
    return cursors


def _answered(stage, cursor, *gone):
    leads = [{"id": int(key), "email": f"{key}@x.example"} for key in cursor.keys]
    return list(stage.process(cursor, page_of([each for each in leads if each["id"] not in gone])))


def _emails(results):
    return [role.get("lead_email") for result in results for role in result.records]


def test_roles_go_on_with_what_their_leads_hold():
    stage = _stage()
    assert list(stage.accept(_roles(1, "2", " 3 ", 1))) == []
    (cursor,) = _asked(stage)
    assert list(cursor.keys) == ["1", "2", "3"]
    one, two = "1@x.example", "2@x.example"
    assert _emails(_answered(stage, cursor, 3)) == [one, two, None, one]
    assert stage.is_idle
    assert stage.unmatched == 1


def test_a_lead_is_requested_once_known_gone_or_under_way():
    known_leads = KnownLeads()
    stage = _stage(known=known_leads)
    list(stage.accept(_roles(1, 2)))
    (cursor,) = _asked(stage)
    list(stage.accept(_roles(2, 1)))
    assert _asked(stage) == []
    one = "1@x.example"
    assert _emails(_answered(stage, cursor, 2)) == [one, None, None, one]
    assert known_leads.find([1, 2]).keys() == {1, 2}
    known = list(stage.accept(_roles(1, 2)))
    assert _emails(known) == [one, None]


def test_pages_of_few_new_leads_share_a_call():
    stage = _stage()
    for lead in range(MAX_PAGES_WAITING):
        list(stage.accept(_roles(lead + 1)))
    assert stage.next_cursor() is None
    list(stage.accept(_roles(99)))
    cursor = stage.next_cursor()
    assert len(cursor.keys) == MAX_PAGES_WAITING + 1


def test_300_new_leads_are_requested_at_once():
    stage = _stage()
    list(stage.accept(_roles(*range(1, 302))))
    assert len(stage.next_cursor().keys) == 300
    assert stage.next_cursor() is None


def test_a_page_goes_on_once_all_of_its_leads_have_come():
    stage = _stage()
    list(stage.accept(_roles(*range(1, 302))))
    first = stage.next_cursor()
    (second,) = _asked(stage)
    assert _answered(stage, first) == []
    (page,) = _answered(stage, second)
    assert None not in _emails([page])


def test_pages_go_on_in_their_order_whatever_they_hold():
    stage = _stage()
    list(stage.accept(_roles(1)))
    found = PageResult("opportunities", [{"marketoGUID": "o"}])
    assert list(stage.accept(found)) == []
    (cursor,) = _asked(stage)
    assert [each.stream for each in _answered(stage, cursor)] == [
        "opportunity_roles",
        "opportunities",
    ]
    assert stage.missing_key_count == 0


def test_leads_of_roles_that_are_not_emitted_are_not_requested():
    stage = _stage(is_new=lambda role: role["leadId"] == 1)
    forced = _roles(1, 2, 3, emit_regardless_of_age=lambda role: role["leadId"] == 3)
    list(stage.accept(forced))
    (cursor,) = _asked(stage)
    assert list(cursor.keys) == ["1", "3"]
    assert _emails(_answered(stage, cursor)) == ["1@x.example", None, "3@x.example"]


@pytest.mark.parametrize("lead", [None, "", "seven", 0, -1, 2**63])
def test_a_role_without_a_lead_id_is_counted_and_goes_on(lead):
    stage = _stage()
    (page,) = stage.accept(_roles(lead))
    assert _emails([page]) == [None]
    assert stage.missing_key_count == 1


def test_an_answer_in_two_pages_completes_both():
    stage = _stage()
    list(stage.accept(_roles(1, 2)))
    (cursor,) = _asked(stage)
    one, two = ({"id": number, "email": f"{number}@x.example"} for number in (1, 2))
    assert list(stage.process(cursor, page_of([one], "more"))) == []
    assert _emails(stage.process(cursor, page_of([two]))) == ["1@x.example", "2@x.example"]


def test_the_least_remembered_is_the_capacity():
    known = KnownLeads(capacity=10)
    for number in range(1, 31):
        known.add({number: b"%d" % number})
        recent = range(max(1, number - 9), number + 1)
        assert known.find(recent) == {each: b"%d" % each for each in recent}
    assert len(known.find(range(1, 31))) <= 20


def test_leads_that_cannot_be_kept_are_requested_again(caplog):
    known = KnownLeads()
    known.add({1: b"one"})
    for _ in range(2):
        known.add({2: ["what a full disk refuses"]})
        assert known.find([1, 2]) == {}
    known.add({3: b"three"})
    assert known.find([3]) == {3: b"three"}
    assert caplog.text.count("The cache of leads cannot be used any more") == 1


def test_a_lead_that_is_no_longer_remembered_is_requested_again():
    stage = _stage(known=KnownLeads(capacity=2))
    for leads in ((1, 2), (3, 4), (5, 6)):
        list(stage.accept(_roles(*leads)))
        (cursor,) = _asked(stage)
        _answered(stage, cursor)
    list(stage.accept(_roles(1, 6)))
    (cursor,) = _asked(stage)
    assert list(cursor.keys) == ["1"]
    assert _emails(_answered(stage, cursor)) == ["1@x.example", "6@x.example"]


def test_every_role_without_a_lead_id_is_counted():
    stage = _stage()
    list(stage.accept(_roles(None, 0)))
    list(stage.accept(_roles("seven")))
    assert stage.missing_key_count == 3


def test_leads_are_requested_by_id_with_the_selected_fields_only():
    client = LeadClient()
    stage = lead_stage(client, COLUMNS, lambda role: role["leadId"] != 3)
    list(stage.accept(_roles(1, 2, 3)))
    (cursor,) = _asked(stage)
    page = stage.calls(cursor)(None)()
    assert client.asked == {
        "filter_type": "id",
        "values": ("1", "2"),
        "fields": ["id", "email"],
        "batch_size": 300,
        "next_page_token": None,
    }
    # Both leads are found, so no call for another page is made.
    assert page.more is False
    assert _emails(stage.process(cursor, page)) == ["1@x.example", "2@x.example", None]


def test_leads_are_looked_up_last_for_roles_that_are_new():
    source, lookup, client = object(), object(), LeadClient()
    since = "2026-02-01T00:00:00Z"
    resumes = {"opportunity_roles": make_resume_point(since=since)}
    plan = with_leads(StagePlan(source, [lookup]), client, COLUMNS, resumes)
    assert plan.source is source
    first, stage = plan.lookups
    assert first is lookup
    roles = _roles(1, 2)
    for role, updated_at in zip(roles.records, ("2026-01-31T00:00:00Z", since), strict=True):
        role["updatedAt"] = updated_at
    list(stage.accept(roles))
    (cursor,) = _asked(stage)
    assert stage.calls(cursor)(None)().records == [{"id": 2, "email": "2@x.example"}]
