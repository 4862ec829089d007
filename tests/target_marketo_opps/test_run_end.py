"""The end of a run: everything is delivered that can be, and told once."""

from __future__ import annotations

import re

import pytest

from target_marketo_opps.errors import InputError
from tests.target_marketo_opps.helpers import stored

pytestmark = pytest.mark.slow

INVALID = b"not json"


def closing_lines(run):
    return [line for line in run.log if line.endswith(" s.") and "calls" in line]


@pytest.mark.parametrize("last", [[], [INVALID]])
def test_the_closing_line_is_logged_once_with_the_seconds(marketo_sandbox, singer, last):
    messages = [singer.schema(), singer.opportunity("a"), *last]
    run = singer.run(marketo_sandbox, messages)
    (line,) = closing_lines(run)
    assert line == run.closing
    assert 0 <= float(re.search(r"([\d.]+) s\.$", line)[1]) < 60


def test_records_before_an_invalid_line_are_delivered(marketo_sandbox, singer):
    messages = [singer.schema(), singer.opportunity("a"), singer.state("end"), INVALID]
    run = singer.run(marketo_sandbox, messages)
    assert isinstance(run.error, InputError)
    assert [*stored(marketo_sandbox)] == ["a"]
    assert run.states == ["end"]


def test_if_they_cannot_be_the_line_is_still_what_is_reported(marketo_sandbox, singer):
    marketo_sandbox.fault("603", operation="sync opportunity")
    messages = [singer.schema(), singer.opportunity("a"), singer.state("end"), INVALID]
    run = singer.run(marketo_sandbox, messages)
    assert isinstance(run.error, InputError)
    assert "1 not delivered" in run.closing
    assert run.states == []


def test_the_rejects_file_is_named(marketo_sandbox, singer, tmp_path):
    path = tmp_path / "rejects.jsonl"
    messages = [singer.schema(), singer.opportunity("a", amount="much")]
    run = singer.run(marketo_sandbox, messages, max_rejects=1, rejects_path=str(path))
    assert f"All rejected records were written to '{path}'." in run.log


@pytest.mark.parametrize("by_address", [False, True])
def test_a_dry_run_predicts_the_calls_of_the_run(marketo_sandbox, singer, by_address):
    marketo_sandbox.seed(1)
    marketo_sandbox.instance.add_lead_records([{"id": 1, "email": "ann@x"}])
    (deal,) = marketo_sandbox.instance.opportunity_ids(0, 1)
    lead = {"lead_email": "ann@x"} if by_address else {"leadId": 1}
    messages = [
        singer.schema("roles", ("externalOpportunityId", "role", *lead)),
        singer.record("roles", externalOpportunityId=deal, role="Buyer", **lead),
    ]
    settings = {"stream_objects": {"roles": "opportunity_roles"}}
    if by_address:
        settings["lead_lookup_field"] = "email"
    predicted = singer.run(marketo_sandbox, messages, dry_run=True, **settings).succeeded()
    (line,) = (line for line in predicted.log if "would make about" in line)
    done = singer.run(marketo_sandbox, messages, **settings).succeeded()
    made = int(re.search(r"(\d+) calls, ", done.closing)[1])
    assert f"would make about {made} calls" in line
