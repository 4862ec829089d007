"""Test `diff_path`: a dry run predicts what the real run does."""

from __future__ import annotations

import json

import pytest
from singer_sdk.exceptions import ConfigValidationError

from tests.target_marketo_opps.helpers import calls, stored

DELETED = "2026-01-01T00:00:00Z"
ACTIONS = {
    "created": "create",
    "updated": "update",
    "unchanged": "unchanged",
    "deleted": "delete",
    "left_alone": "leave_alone",
    "rejected": "reject",
}


def foretold_and_done(sandbox, singer, directory, messages, **settings):
    """Return the actions that a dry run predicts, and those in the receipts of the real run."""
    given = {"max_rejects": -1, **settings}
    diff, receipts = directory / "diff.jsonl", directory / "receipts.jsonl"
    before = stored(sandbox)
    singer.run(sandbox, messages, dry_run=True, diff_path=str(diff), **given).succeeded()
    assert stored(sandbox) == before
    singer.run(sandbox, messages, receipts_path=str(receipts), **given).succeeded()
    lines = [json.loads(line) for line in diff.read_text().splitlines()]
    done = [json.loads(line) for line in receipts.read_text().splitlines()]
    return (
        sorted((json.dumps(each["key"]), each["action"]) for each in lines),
        sorted((json.dumps(each["key"]), ACTIONS[each["status"]]) for each in done),
        lines,
    )


def test_each_field_that_changes_has_its_old_and_new_value(marketo_sandbox, singer, tmp_path):
    schema = singer.schema(properties=("externalOpportunityId", "name", "amount", "stage"))
    old = singer.opportunity("a", name="A", amount=10, stage="Open")
    singer.run(marketo_sandbox, [schema, old]).succeeded()
    new = singer.opportunity("a", name="A", amount=12.5, stage=None)
    foretold, done, lines = foretold_and_done(
        marketo_sandbox, singer, tmp_path, [schema, new, singer.opportunity("b", name="B")]
    )
    assert foretold == done
    assert lines[0] == {
        "stream": "opportunities",
        "object": "opportunities",
        "key": {"externalOpportunityId": "a"},
        "action": "update",
        "changes": {
            "amount": {"old": 10, "new": 12.5},
            "stage": {"old": "Open", "new": None},
        },
    }
    assert lines[1]["changes"] == {"name": {"old": None, "new": "B"}}


@pytest.mark.parametrize("action", ["createOrUpdate", "createOnly", "updateOnly"])
@pytest.mark.parametrize("skip_unchanged", [True, False])
def test_dry_run_predicts_what_the_run_does(
    marketo_sandbox, singer, tmp_path, action, skip_unchanged
):
    singer.run(
        marketo_sandbox, [singer.schema(), singer.opportunity("same"), singer.opportunity("other")]
    ).succeeded()
    messages = [
        singer.schema(),
        singer.opportunity("same"),
        singer.opportunity("other", name="New"),
        singer.opportunity("new"),
        singer.opportunity("bad", name=""),
        singer.opportunity("other", _sdc_deleted_at=DELETED),
        singer.opportunity("other"),
        singer.opportunity("new"),
        singer.opportunity("same", name="X"),
    ]
    foretold, done, _ = foretold_and_done(
        marketo_sandbox,
        singer,
        tmp_path,
        messages,
        action=action,
        skip_unchanged=skip_unchanged,
        merge_versions=False,
        hard_delete=True,
    )
    assert foretold == done


def test_a_record_that_is_not_written_has_a_line_without_changes(marketo_sandbox, singer, tmp_path):
    messages = [
        singer.schema("deals", ("externalOpportunityId", "amount", "_sdc_deleted_at")),
        singer.record("deals", externalOpportunityId="stays", _sdc_deleted_at=DELETED),
        singer.record("deals", externalOpportunityId="bad", amount="much"),
    ]
    path = tmp_path / "diff.jsonl"
    settings = {"stream_objects": {"deals": "opportunities"}, "max_rejects": 1}
    singer.run(marketo_sandbox, messages, dry_run=True, diff_path=str(path), **settings).succeeded()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert sorted(lines, key=lambda line: line["action"]) == [
        {
            "stream": "deals",
            "object": "opportunities",
            "key": {"externalOpportunityId": key},
            "action": action,
            "changes": {},
        }
        for key, action in (("stays", "leave_alone"), ("bad", "reject"))
    ]


def test_a_full_disk_names_the_setting(marketo_sandbox, singer):
    messages = [singer.schema(), singer.opportunity("a")]
    run = singer.run(marketo_sandbox, messages, dry_run=True, diff_path="/dev/full")
    assert "diff_path" in str(run.error)
    assert "Free disk space and run again." in str(run.error)


def test_roles_of_opportunities_in_the_same_input_are_created(
    marketo_sandbox_factory, singer, tmp_path
):
    marketo_sandbox = marketo_sandbox_factory(leads=3)
    singer.run(marketo_sandbox, [singer.schema(), singer.opportunity("there")]).succeeded()
    roles = [
        singer.record("people", externalOpportunityId=key, leadId=1, role="Buyer")
        for key in ("coming", "there", "never")
    ]
    messages = [
        singer.schema("people", ("externalOpportunityId", "leadId", "role")),
        *roles,
        singer.schema(),
        singer.opportunity("coming"),
    ]
    foretold, done, lines = foretold_and_done(
        marketo_sandbox,
        singer,
        tmp_path,
        messages,
        stream_objects={"people": "opportunity_roles"},
    )
    assert foretold == done
    actions = {
        each["key"]["externalOpportunityId"]: each["action"]
        for each in lines
        if "role" in each["key"]
    }
    assert actions == {"coming": "create", "there": "create", "never": "reject"}


def test_a_diff_costs_one_read_for_three_hundred_records(marketo_sandbox, singer, tmp_path):
    records = [singer.opportunity(f"D-{number}") for number in range(650)]
    before = len(calls(marketo_sandbox, "query opportunity"))
    singer.run(
        marketo_sandbox,
        [singer.schema(), *records],
        dry_run=True,
        diff_path=str(tmp_path / "diff.jsonl"),
    ).succeeded()
    assert len(calls(marketo_sandbox, "query opportunity")) - before == 3
    assert len((tmp_path / "diff.jsonl").read_text().splitlines()) == 650


def test_a_diff_without_a_dry_run_is_refused(marketo_sandbox, singer, tmp_path):
    with pytest.raises(ConfigValidationError) as caught:
        singer.run(marketo_sandbox, [], diff_path=str(tmp_path / "diff.jsonl")).succeeded()
    assert any("diff_path needs dry_run" in error for error in caught.value.errors)
