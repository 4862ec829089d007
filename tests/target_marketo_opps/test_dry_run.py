"""Dry runs: what a run would do is predicted, and nothing is written to Marketo."""

from __future__ import annotations

import pytest

from tests.target_marketo_opps.helpers import calls, syncs

pytestmark = pytest.mark.slow


def test_nothing_is_written_and_outcomes_are_logged(marketo_sandbox, singer):
    marketo_sandbox.seed(350)
    ids = marketo_sandbox.instance.opportunity_ids(0, 350)
    before = marketo_sandbox.instance.opportunities()
    messages = [
        singer.schema(),
        *(singer.opportunity(key) for key in [*ids, "new", "newer"]),
        singer.record(externalOpportunityId=ids[0], _sdc_deleted_at="2026-01-01"),
        singer.opportunity(ids[0]),
        singer.opportunity("bad", amount="much"),
        singer.state("end"),
    ]
    run = singer.run(
        marketo_sandbox,
        messages,
        dry_run=True,
        hard_delete=True,
        max_rejects=1,
        daily_call_limit=1000,
    ).succeeded()
    assert marketo_sandbox.instance.opportunities() == before
    assert syncs(marketo_sandbox) == calls(marketo_sandbox, "delete opportunity") == []
    assert run.states == []
    assert run.closing.startswith(
        "Dry run, if Marketo accepts every record: opportunities: 3 created, 350 updated, "
        "1 deleted, 0 unchanged, 0 left alone, 1 rejected; "
    )
    assert any("would make about 5 calls" in line for line in run.log)
    assert any("daily_call_limit allows" in line for line in run.log)


def test_all_rejects_are_found_before_the_run_fails(marketo_sandbox, singer):
    messages = [singer.schema(), *(singer.opportunity(f"K{n}", amount="x") for n in range(7))]
    run = singer.run(marketo_sandbox, messages, dry_run=True)
    assert "max_rejects" in str(run.error)
    assert "7 rejected" in run.closing


@pytest.mark.parametrize(
    ("action", "summary"),
    [
        (
            "createOnly",
            "1 created, 0 updated, 0 deleted, 0 unchanged, 0 left alone, 1 rejected",
        ),
        (
            "updateOnly",
            "0 created, 1 updated, 0 deleted, 0 unchanged, 0 left alone, 1 rejected",
        ),
    ],
)
def test_prediction_depends_on_the_action(marketo_sandbox, singer, action, summary):
    singer.run(marketo_sandbox, [singer.schema(), singer.opportunity("old")]).succeeded()
    messages = [singer.schema(), singer.opportunity("old"), singer.opportunity("new")]
    run = singer.run(
        marketo_sandbox, messages, dry_run=True, action=action, max_rejects=1
    ).succeeded()
    assert summary in run.closing


@pytest.mark.parametrize("action", ["createOrUpdate", "updateOnly"])
@pytest.mark.parametrize("dry_run", [True, False])
def test_record_changed_by_the_run_is_not_unchanged(marketo_sandbox, singer, action, dry_run):
    olds = [singer.opportunity("old", amount=1), singer.opportunity("same", amount=1)]
    singer.run(marketo_sandbox, [singer.schema(), *olds]).succeeded()
    changed = singer.opportunity("old", amount=2)
    messages = [singer.schema(), *olds, changed, *olds]
    run = singer.run(
        marketo_sandbox,
        messages,
        dry_run=dry_run,
        action=action,
        skip_unchanged=True,
        merge_versions=False,
    ).succeeded()
    assert "0 created, 2 updated, 0 deleted, 3 unchanged" in run.closing


def test_record_deleted_by_the_run_is_not_unchanged(marketo_sandbox, singer):
    old = singer.opportunity("old", amount=1)
    singer.run(marketo_sandbox, [singer.schema(), old]).succeeded()
    gone = singer.opportunity("old", _sdc_deleted_at="2026-01-01")
    run = singer.run(
        marketo_sandbox,
        [singer.schema(), gone, old],
        dry_run=True,
        hard_delete=True,
        skip_unchanged=True,
    ).succeeded()
    assert "1 created, 0 updated, 1 deleted, 0 unchanged" in run.closing


def test_rejected_record_keeps_its_values_in_marketo(marketo_sandbox, singer):
    old = singer.opportunity("old", amount=1)
    singer.run(marketo_sandbox, [singer.schema(), old]).succeeded()
    messages = [singer.schema(), singer.opportunity("old", amount=2), old]
    settings = {"action": "createOnly", "skip_unchanged": True, "max_rejects": 1}
    for dry_run in (True, False):
        run = singer.run(marketo_sandbox, messages, dry_run=dry_run, **settings).succeeded()
        assert "0 created, 0 updated, 0 deleted, 1 unchanged" in run.closing


def test_a_failing_lookup_ends_the_run(marketo_sandbox, singer):
    marketo_sandbox.fault("603", operation="query opportunity")
    messages = [singer.schema(), singer.opportunity("a")]
    run = singer.run(marketo_sandbox, messages, dry_run=True)
    assert "603" in str(run.error)
    assert "0 created" in run.closing


def test_guids_are_looked_up_as_guids(marketo_sandbox, singer):
    marketo_sandbox.seed(1)
    (guid,) = [each["marketoGUID"] for each in marketo_sandbox.instance.opportunities()]
    unknown = "".join(reversed(guid))
    messages = [
        singer.schema(properties=("marketoGUID", "name")),
        *(singer.record(marketoGUID=each, name="n") for each in (guid, unknown)),
    ]
    settings = {"action": "updateOnly", "dedupe_by": "idField", "max_rejects": 1}
    run = singer.run(marketo_sandbox, messages, dry_run=True, **settings).succeeded()
    assert "0 created, 1 updated, 0 deleted, 0 unchanged, 0 left alone, 1 rejected" in run.closing


VERSIONS = [{"amount": 2}, {"name": "Deal old"}, {"amount": 2}, {"amount": 1}]


def test_versions_are_compared_with_all_that_went_before(marketo_sandbox, singer):
    old = singer.opportunity("old", amount=1)
    singer.run(marketo_sandbox, [singer.schema(), old]).succeeded()
    messages = [
        singer.schema(),
        *(singer.record(externalOpportunityId="old", **each) for each in VERSIONS),
    ]
    settings = {"skip_unchanged": True, "merge_versions": False, "max_concurrent_calls": 1}
    for dry_run in (True, False):
        run = singer.run(marketo_sandbox, messages, dry_run=dry_run, **settings).succeeded()
        assert "0 created, 2 updated, 0 deleted, 2 unchanged" in run.closing


def test_what_the_run_would_have_created_is_not_looked_up_again(marketo_sandbox, singer):
    messages = [singer.schema(), *(singer.opportunity("new", amount=n) for n in (1, 2, 2))]
    run = singer.run(
        marketo_sandbox, messages, dry_run=True, skip_unchanged=True, merge_versions=False
    ).succeeded()
    assert "1 created, 1 updated, 0 deleted, 1 unchanged" in run.closing
    assert len(calls(marketo_sandbox, "query opportunity")) == 1


def test_the_opportunity_of_roles_is_looked_up_once(marketo_sandbox, singer):
    marketo_sandbox.seed(1, leads=2)
    (deal,) = marketo_sandbox.instance.opportunity_ids(0, 1)
    role = {"externalOpportunityId": deal, "leadId": 1}
    messages = [
        singer.schema("opportunity_roles", ("externalOpportunityId", "leadId", "role")),
        *(singer.record("opportunity_roles", **role, role=f"R{n}") for n in range(301)),
    ]
    objects = {"opportunity_roles": "opportunity_roles"}
    run = singer.run(
        marketo_sandbox, messages, dry_run=True, stream_objects=objects, max_concurrent_calls=1
    ).succeeded()
    assert "opportunity_roles: 301 created" in run.closing
    assert len(calls(marketo_sandbox, "query role")) == 2
    assert len(calls(marketo_sandbox, "query opportunity")) == 1
