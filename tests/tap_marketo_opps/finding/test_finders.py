"""Tests of the calls that each finder makes, and of the records that it finds."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from marketo_opps import ObjectDescription, Page
from marketo_opps.plugin.process import ShutdownSignal
from marketo_opps.plugin.workers import Workers
from tap_marketo_opps.finding.activity_types import FollowedTypes
from tap_marketo_opps.finding.finders import ActivityFinder, FilterFinder, LeadFinder
from tap_marketo_opps.finding.key_sources import LeadRange, ListedKeys
from tap_marketo_opps.finding.newness import Sweep
from tap_marketo_opps.finding.pipeline import Pipeline
from tap_marketo_opps.finding.prefetch import OrderedPrefetcher
from tap_marketo_opps.finding.queries import filterable_fields
from tap_marketo_opps.finding.resume_point import ResumePoint

EARLY, MIDDLE, LATE = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z"
NEVER = "2999-01-01T00:00:00Z"
NOW = datetime(2026, 4, 1, tzinfo=UTC)
BOTH = {"opportunities": ("name",), "opportunity_roles": ("role",)}
OPPORTUNITIES = {"opportunities": ("name",)}
ROLES = {"opportunity_roles": ("role",)}
LOG = {"opportunity_activities": ("leadId",)}
ROLE_FIELDS = ("role", "externalOpportunityId", "leadId", "updatedAt")
OPPORTUNITY_FIELDS = ("name", "externalOpportunityId", "updatedAt")


def _page(records, token=None):
    return Page(records, token, more=token is not None, request_id=None)


class Client:
    """A client of an instance with three opportunities, two with roles; records its calls."""

    opportunities = (
        {"marketoGUID": "g1", "externalOpportunityId": "o1", "region": "North", "updatedAt": LATE},
        {"marketoGUID": "g2", "externalOpportunityId": "o2", "region": "North", "updatedAt": EARLY},
        {"marketoGUID": "g3", "externalOpportunityId": None, "region": "South", "updatedAt": LATE},
    )
    roles = (
        {"marketoGUID": "r1", "externalOpportunityId": "o1", "leadId": 1, "updatedAt": EARLY},
        {"marketoGUID": "r2", "externalOpportunityId": "o2", "leadId": 2, "updatedAt": LATE},
        {"marketoGUID": "r3", "leadId": 2, "updatedAt": LATE},
    )
    log = (
        {"leadId": 1, "activityDate": EARLY},
        {"leadId": 2, "activityDate": LATE},
        {"leadId": 9, "activityDate": LATE},
    )
    aliases = {"dedupeFields": "externalOpportunityId", "idField": "marketoGUID"}  # noqa: RUF012

    def __init__(self, *log):
        self.asked = []
        self._log = log or (self.log,)

    def query(self, obj, *, filter_values, **asked):
        self.asked.append((str(obj), asked, tuple(filter_values)))
        field = self.aliases.get(asked["filter_type"], asked["filter_type"])
        held = self.opportunities if str(obj) == "opportunities" else self.roles
        return _page([one for one in held if str(one.get(field)) in filter_values])

    def paging_token(self, since):
        self.asked.append(since)
        return "first"

    def activities(self, **asked):
        self.asked.append(asked)
        token = asked["next_page_token"]
        number = int(token) if token.isdigit() else 0
        return _page(self._log[number], str(number + 1) if self._log[number + 1 :] else None)


def _call(obj, filter_type, fields, *values):
    asked = {"filter_type": filter_type, "fields": fields, "batch_size": 200}
    return (obj, asked | {"next_page_token": None}, values)


@dataclass
class Found:
    """The records that a finder found: stream, GUID, and True if emitted regardless of age."""

    emitted: list
    source: object
    asked: list
    positions: list


def _resumes(fields, since=None, **more):
    """Return a resume point for each stream that is read."""
    plain = dict.fromkeys(("seen", "cursor", "log_from", "at"))
    began = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")
    point = ResumePoint(**{**plain, "fingerprint": "", "began": began, "since": since, **more})
    return dict.fromkeys(fields, point)


def _found(finder, fields, since=None, client=None, **more):
    client = client or Client()
    plan = finder.stages(client, 200, fields, _resumes(fields, since, **more))
    workers = Workers(1, "marketo-read")
    prefetcher = OrderedPrefetcher(workers, 3, ShutdownSignal())
    emitted, positions = [], []
    for result in Pipeline(plan.source, plan.lookups, prefetcher).results():
        emitted += [
            (result.stream, each.get("marketoGUID"), result.emit_regardless_of_age(each))
            for each in result.records
        ]
        positions.append(result.resolve_position())
    workers.close()
    return Found(emitted, plan.source, client.asked, positions)


def _filter(filter_type, *values):
    return FilterFinder(filter_type, ListedKeys("filter_values", values))


def _leads(*swept_before):
    return LeadFinder(LeadRange(1, 3), swept_before)


def _log(*sweeps):
    types = FollowedTypes({34: "Add to Opportunity", 36: "Update Opportunity"}, merges=(32,))
    return ActivityFinder(lambda: types, [Sweep(*sweep) for sweep in sweeps])


def test_by_filter_roles_follow_the_opportunities_found():
    found = _found(_filter("region", "North", "South", "East"), BOTH)
    assert found.emitted == [
        ("opportunities", "g1", False),
        ("opportunities", "g2", False),
        ("opportunities", "g3", False),
        ("opportunity_roles", "r1", True),
        ("opportunity_roles", "r2", True),
    ]
    fields = ("name", "region", "externalOpportunityId", "updatedAt")
    assert found.asked == [
        _call("opportunities", "region", fields, "North", "South", "East"),
        _call("opportunity_roles", "externalOpportunityId", ROLE_FIELDS, "o1", "o2"),
    ]
    assert (found.source.noun, found.source.unmatched) == ("value", 1)


def test_by_filter_without_roles_few_fields_are_requested():
    found = _found(_filter("region", "North"), OPPORTUNITIES)
    assert [each[1] for each in found.emitted] == ["g1", "g2"]
    assert found.asked == [
        _call("opportunities", "region", ("name", "region", "updatedAt"), "North")
    ]


@pytest.mark.parametrize("filter_type", ["dedupeFields", "externalOpportunityId"])
def test_by_filter_roles_alone_are_looked_up_by_external_id(filter_type):
    found = _found(_filter(filter_type, "o1", "o8"), ROLES)
    assert found.emitted == [("opportunity_roles", "r1", False)]
    assert found.asked == [
        _call("opportunity_roles", "externalOpportunityId", ROLE_FIELDS, "o1", "o8")
    ]
    assert (found.source.noun, found.source.unmatched) == ("value", 1)


def test_by_filter_roles_alone_by_other_values_take_two_stages():
    found = _found(_filter("idField", "g2"), ROLES)
    assert found.emitted[1:] == [("opportunity_roles", "r2", True)]
    assert found.asked == [
        _call(
            "opportunities", "idField", ("marketoGUID", "externalOpportunityId", "updatedAt"), "g2"
        ),
        _call("opportunity_roles", "externalOpportunityId", ROLE_FIELDS, "o2"),
    ]
    assert found.source.unmatched == 0


@pytest.mark.parametrize(("filter_type", "fields"), [("dedupeFields", ROLES), ("region", BOTH)])
def test_by_filter_an_interrupted_run_resumes_where_it_stopped(filter_type, fields):
    at = {"next": 1, "open": [], "done": 1, "unmatched": 1}
    found = _found(_filter(filter_type, "East", "North"), fields, at=at)
    assert found.asked[0][2] == ("North",)
    assert found.source.keys_done == 2


def test_what_is_looked_up_has_a_label():
    source = ListedKeys("filter_values", ["North"])
    assert FilterFinder("region", source).fingerprint_label == f"filter region {source.digest}"
    assert _leads().fingerprint_label == "lead_ids 1-3"
    assert _log().fingerprint_label == "activities"


def test_by_leads_opportunities_are_written_before_their_roles():
    found = _found(_leads(), BOTH)
    assert found.emitted == [
        ("opportunities", "g1", True),
        ("opportunities", "g2", True),
        ("opportunity_roles", "r1", False),
        ("opportunity_roles", "r2", False),
        ("opportunity_roles", "r3", False),
    ]
    assert found.asked == [
        _call("opportunity_roles", "leadId", ROLE_FIELDS, "1", "2", "3"),
        _call("opportunities", "dedupeFields", OPPORTUNITY_FIELDS, "o1", "o2"),
    ]
    assert (found.source.noun, found.source.unmatched) == ("lead", 1)


def test_by_leads_roles_are_requested_with_their_opportunity():
    asked = _found(_leads(), OPPORTUNITIES).asked
    assert asked[0] == _call("opportunity_roles", "leadId", ROLE_FIELDS[1:], "1", "2", "3")


def test_by_leads_nothing_follows_where_opportunities_are_not_wanted():
    found = _found(_leads(), ROLES)
    assert [each[1] for each in found.emitted] == ["r1", "r2", "r3"]
    assert found.asked == [_call("opportunity_roles", "leadId", ROLE_FIELDS, "1", "2", "3")]


def test_what_new_leads_lead_to_is_emitted_however_old():
    # The roles of the second lead are told in any case; so is the opportunity that they lead to.
    assert _found(_leads("lead_ids 1-1"), BOTH, since=NEVER).emitted == [
        ("opportunities", "g1", False),
        ("opportunities", "g2", True),
        ("opportunity_roles", "r1", False),
        ("opportunity_roles", "r2", True),
        ("opportunity_roles", "r3", True),
    ]


def test_an_old_opportunity_is_emitted_if_its_role_is_new():
    emitted = _found(_leads(), BOTH, since=MIDDLE).emitted
    assert emitted[:2] == [("opportunities", "g1", False), ("opportunities", "g2", True)]


def test_by_the_log_opportunities_come_before_their_roles():
    found = _found(_log(), BOTH, log_from=EARLY)
    assert [each[:2] for each in found.emitted] == [
        ("opportunity_activities", None),
        ("opportunity_activities", None),
        ("opportunity_activities", None),
        ("opportunities", "g1"),
        ("opportunities", "g2"),
        ("opportunity_roles", "r1"),
        ("opportunity_roles", "r2"),
        ("opportunity_roles", "r3"),
    ]
    assert found.asked == [
        datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC),
        {"next_page_token": "first", "activity_type_ids": (32, 34, 36), "batch_size": 200},
        _call("opportunity_roles", "leadId", ROLE_FIELDS, "1", "2", "9"),
        _call("opportunities", "dedupeFields", OPPORTUNITY_FIELDS, "o1", "o2"),
    ]


def _forced(found):
    return {guid: force for _, guid, force in found.emitted if guid}


def test_by_the_log_a_new_role_forces_its_old_opportunity():
    found = _found(_log(), BOTH, since=MIDDLE, cursor=MIDDLE, log_from=EARLY)
    # The first has a new opportunity and an old role, the second a new role.
    assert _forced(found) == {"r1": False, "r2": False, "r3": False, "g1": False, "g2": True}


def test_by_the_log_touched_leads_bring_no_old_records():
    found = _found(_log(), BOTH, since=NEVER, cursor=EARLY, log_from=EARLY)
    assert not any(_forced(found).values())


def test_by_the_log_a_merged_lead_is_read_whole():
    entry = {"leadId": 2, "activityDate": MIDDLE, "activityTypeId": 32}
    client = Client([{"leadId": 1, "activityDate": LATE}, entry])
    found = _found(_log(), BOTH, since=NEVER, client=client, log_from=EARLY)
    assert _forced(found) == {"r1": False, "r2": True, "r3": True, "g1": False, "g2": True}
    assert [each[0] for each in found.emitted].count("opportunity_activities") == 1


def test_by_the_log_leads_beyond_a_sweep_bring_old_records():
    found = _found(_log(("lead_ids 1-1", NEVER)), BOTH, since=NEVER, log_from=EARLY)
    assert _forced(found) == {"r1": False, "r2": True, "r3": True, "g1": False, "g2": True}
    assert not any(_forced(_found(_log(("lead_ids 1-9", NEVER)), BOTH, since=NEVER)).values())


def test_the_log_alone_is_read_without_merges():
    found = _found(_log(), LOG, log_from=EARLY)
    assert found.asked[1]["activity_type_ids"] == (34, 36)


def test_by_the_log_it_is_read_up_to_the_beginning_of_the_run():
    begun = _found(_log(), LOG)
    assert begun.asked[0] == datetime(2026, 3, 31, 23, 59, 59, tzinfo=UTC)
    assert begun.emitted == []
    assert len(_found(_log(), LOG, log_from=MIDDLE).emitted) == 2


def test_by_the_log_nothing_follows_where_only_the_log_is_wanted():
    found = _found(_log(), LOG, log_from=EARLY)
    assert len(found.emitted) == 3
    assert len(found.asked) == 2
    # One STATE a page is enough.
    assert len(found.positions) == 1


def test_by_the_log_a_position_carries_the_pending_leads():
    found = _found(_log(), BOTH, log_from=EARLY, cursor=MIDDLE)
    assert found.positions[0]["keys"] == {"always": "", "if_new": "1,2,9"}
    assert found.positions[-1]["keys"] == {"always": "", "if_new": ""}


def test_by_the_log_too_many_leads_do_not_hold_opportunities_up():
    pages = [
        [{"leadId": lead, "activityDate": LATE} for lead in range(first, first + 50)]
        for first in range(1, 3000, 50)
    ]
    asked = _found(_log(), BOTH, client=Client(*pages), log_from=EARLY).asked
    kinds = [call[0] if isinstance(call, tuple) else "log" for call in asked[1:]]
    assert kinds.count("opportunities") == 1
    assert kinds.index("opportunities") < kinds.index("log") + 30
    assert kinds.count("opportunity_roles") == 10


@pytest.mark.parametrize("fields", [ROLES, LOG | ROLES])
def test_by_the_log_no_unwanted_opportunity_is_requested(fields):
    found = _found(_log(), fields, log_from=EARLY)
    assert [each[1] for each in found.emitted] == [None, None, None, "r1", "r2", "r3"]
    assert len(found.asked) == 3


def test_by_the_log_roles_are_read_for_their_opportunities():
    asked = _found(_log(), OPPORTUNITIES, log_from=EARLY).asked
    assert asked[2] == _call("opportunity_roles", "leadId", ROLE_FIELDS[1:], "1", "2", "9")
    assert asked[3][2] == ("o1", "o2")


def test_an_interrupted_log_resumes_where_it_stopped():
    at = {"token": "next", "reached": LATE, "keys": {"always": "7", "if_new": ""}}
    found = _found(_log(), BOTH, log_from=EARLY, at=at)
    assert found.asked[0]["next_page_token"] == "next"
    assert found.asked[1][2] == ("7", "1", "2", "9")


def test_a_field_is_requested_once_though_finding_needs_it_too():
    selected = {"opportunity_roles": ("leadId", "role")}
    assert _found(_leads(), selected).asked[0][1]["fields"] == (
        "leadId",
        "role",
        "externalOpportunityId",
        "updatedAt",
    )


def test_fields_searchable_by_themselves_and_aliases_filter():
    searched = (("region",), ("externalOpportunityId", "leadId"), ("marketoGUID",))
    description = ObjectDescription("", "marketoGUID", (), searched, ())
    assert filterable_fields(description) == ["dedupeFields", "idField", "region", "marketoGUID"]


# Moments and positions at their very edges, where a record could be passed over


def test_a_scan_of_leads_resumes_where_it_stopped():
    at = {"next": 600, "open": [[300, "token"]], "done": 300, "unmatched": 7}
    finder = LeadFinder(LeadRange(1, 1000))
    source = finder.stages(Client(), 300, ROLES, _resumes(ROLES, at=at)).source
    assert (source.noun, source.keys_done, source.unmatched) == ("lead", 300, 7)
    half_read = source.next_cursor()
    assert (half_read.start, half_read.token, next(iter(half_read.keys))) == (300, "token", "301")
    assert half_read.resumed_midway
    untouched = source.next_cursor()
    assert (untouched.start, untouched.token, next(iter(untouched.keys))) == (600, None, "601")


@pytest.mark.parametrize(
    ("swept_before", "new"),
    [
        (["lead_ids 1-9"], [None]),
        (["lead_ids 1-5"], ["6", 8, None]),
        # Of two streams only one knows the later ones.
        (["lead_ids 1-5", "lead_ids 1-9"], ["6", 8, None]),
        (["lead_ids 1-7", "lead_ids 4-9"], [2, 8, None]),
        (["lead_ids 1-3", "lead_ids 7-9"], [2, 5, "6", 8, None]),
        (["lead_ids 1-5", "lead_ids 0123abcd"], ["6", 8, None]),
    ],
)
def test_only_leads_beyond_the_ranges_swept_before_are_new(swept_before, new):
    finder = LeadFinder(LeadRange(1, 10), swept_before)
    leads = [2, 5, "6", 8, None]
    assert [lead for lead in leads if finder.is_of_new_lead({"leadId": lead})] == new


@pytest.mark.parametrize("swept_before", [[], ["lead_ids 1-3"]])
def test_no_role_is_forced_where_no_other_range_was_swept(swept_before):
    emitted = _found(_leads(*swept_before), BOTH).emitted
    assert not any(force for stream, _, force in emitted if stream in ROLES)
