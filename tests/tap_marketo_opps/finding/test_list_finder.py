"""Tests of the calls, the order of records and the saved keys of `find_by: lead_list`."""

from __future__ import annotations

from marketo_opps.plugin.process import ShutdownSignal
from tap_marketo_opps.finding.list_finder import LeadListFinder, listed_at
from tap_marketo_opps.finding.pipeline import Pipeline
from tap_marketo_opps.finding.prefetch import OrderedPrefetcher
from tests.tap_marketo_opps.finding.fakes import AtOnce, page_of
from tests.tap_marketo_opps.helpers import make_resume_point

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-03-01T00:00:00Z"
BOTH = {"opportunities": ("name",), "opportunity_roles": ("role",)}


class Client:
    """A client of an instance with a list of two leads, on two pages; records its calls."""

    roles = (
        {"marketoGUID": "r1", "externalOpportunityId": "o1", "leadId": 1, "updatedAt": LATE},
        {"marketoGUID": "r2", "externalOpportunityId": "o1", "leadId": 2, "updatedAt": EARLY},
        {"marketoGUID": "r3", "leadId": 2, "updatedAt": LATE},
        {"marketoGUID": "r9", "externalOpportunityId": "o9", "leadId": 9, "updatedAt": LATE},
    )
    opportunities = (
        {"marketoGUID": "g1", "externalOpportunityId": "o1", "updatedAt": EARLY},
        {"marketoGUID": "g9", "externalOpportunityId": "o9", "updatedAt": LATE},
    )

    def __init__(self):
        self.asked = []

    def list_members(self, list_id, *, next_page_token, **asked):
        self.asked.append((list_id, next_page_token, asked))
        return page_of([{"id": 2}]) if next_page_token else page_of([{"id": 1}], "second")

    def query(self, obj, *, filter_values, next_page_token, **asked):
        self.asked.append((str(obj), [*filter_values], asked))
        field = "leadId" if asked["filter_type"] == "leadId" else "externalOpportunityId"
        held = self.opportunities if str(obj) == "opportunities" else self.roles
        return page_of([one for one in held if str(one.get(field)) in filter_values])


def _stages(fields=BOTH, client=None, at=None):
    resumes = dict.fromkeys(fields, make_resume_point(at=at))
    return LeadListFinder(7).stages(client or Client(), 200, fields, resumes)


def _results(stages):
    """Return the results of all pages: stream, GUIDs, and the position after the page if any."""
    prefetcher = OrderedPrefetcher(AtOnce(), 3, ShutdownSignal())
    for result in Pipeline(stages.source, stages.lookups, prefetcher).results():
        position = result.resolve_position()
        yield result.stream, [each.get("marketoGUID") for each in result.records], position


def test_the_members_are_read_then_their_roles_and_opportunities():
    client = Client()
    assert [*_results(_stages(client=client))]
    members = {"fields": ("id",), "batch_size": 200}
    roles = ("role", "externalOpportunityId", "leadId", "updatedAt")
    opportunities = ("name", "externalOpportunityId", "updatedAt")
    query = {"batch_size": 200}
    assert client.asked == [
        (7, None, members),
        (7, "second", members),
        ("opportunity_roles", ["1", "2"], query | {"filter_type": "leadId", "fields": roles}),
        ("opportunities", ["o1"], query | {"filter_type": "dedupeFields", "fields": opportunities}),
    ]


def test_an_opportunity_is_written_before_its_roles():
    written = [(stream, guids) for stream, guids, _ in _results(_stages()) if guids]
    assert written == [("opportunities", ["g1"]), ("opportunity_roles", ["r1", "r2", "r3"])]


def test_without_the_stream_of_opportunities_only_roles_are_read():
    stages = _stages({"opportunity_roles": ("role",)})
    assert len(stages.lookups) == 1
    written = [(stream, guids) for stream, guids, _ in _results(stages) if guids]
    assert written == [("opportunity_roles", ["r1", "r2", "r3"])]


def test_keys_without_a_record_and_roles_without_a_key_are_counted():
    stages = _stages()
    roles, opportunities = stages.lookups
    assert [*_results(stages)]
    assert (roles.missing_key_count, opportunities.missing_key_count) == (0, 1)
    for lookup, keys in ((roles, 2), (opportunities, 1)):
        assert (lookup.keys_done, lookup.unmatched, lookup.echoes) == (keys, 0, 0)


def test_a_position_has_the_leads_whose_records_are_not_written_yet():
    positions = [position for *_, position in _results(_stages()) if position]
    saved = [each["keys"]["if_new"] for each in positions]
    assert (saved[0], saved[-1]) == ("1", "")
    assert {each["token"] for each in positions} == {"second"}


def test_an_interrupted_run_goes_on_behind_the_pages_that_it_has_read():
    client = Client()
    at = {"token": "second", "done": 1, "keys": {"always": "", "if_new": "3"}}
    assert [*_results(_stages(client=client, at=at))]
    assert client.asked[0][:2] == (7, "second")
    assert client.asked[1][:2] == ("opportunity_roles", ["3", "2"])


def test_a_list_is_as_of_seven_days_before_its_sweep():
    assert listed_at(LeadListFinder(7), "2026-03-08T01:02:03Z") == "2026-03-01T01:02:03Z"
