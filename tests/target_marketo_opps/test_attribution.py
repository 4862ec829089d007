"""Test the log line about opportunities that attribution cannot use."""

from __future__ import annotations

import logging

import pytest

NAMES = ("externalOpportunityId", "leadId", "role", "isPrimary")
DATE = {"externalCreatedDate": "2026-01-02T03:04:05Z"}


@pytest.fixture
def sandbox(marketo_sandbox):
    marketo_sandbox.instance.add_leads([1])
    return marketo_sandbox


def role(singer, key, **values):
    return singer.record("roles", externalOpportunityId=key, leadId=1, role="Buyer", **values)


def run(singer, sandbox, *messages, **settings):
    schemas = [
        singer.schema(properties=("externalOpportunityId", "name", *DATE)),
        singer.schema("roles", NAMES),
    ]
    chosen = {"stream_objects": {"roles": "opportunity_roles"}, **settings}
    return singer.run(sandbox, [*schemas, *messages], **chosen).succeeded()


def told(caplog):
    """Return level and text of the log lines about attribution."""
    lines = [(r.levelno, r.getMessage()) for r in caplog.records]
    return [line for line in lines if line[1].startswith("Attribution")]


def test_opportunities_without_roles_or_dates_are_counted(sandbox, singer, caplog):
    messages = [singer.opportunity(key, **DATE) for key in "abcd"]
    messages += [role(singer, key, isPrimary=key != "c") for key in "abc"]
    run(singer, sandbox, *messages)
    ((level, line),) = told(caplog)
    assert level == logging.INFO
    assert line == (
        "Attribution: of 4 opportunities delivered, 1 got no role in this run, 2 no primary "
        "role, and 0 no externalCreatedDate."
    )


@pytest.mark.parametrize("lacking", ["date", "primary", "role"])
def test_mostly_incomplete_opportunities_are_a_warning(sandbox, singer, caplog, lacking):
    date = {} if lacking == "date" else DATE
    messages = [singer.opportunity(key, **date) for key in "abc"]
    keys = "a" if lacking == "role" else "abc"
    messages += [role(singer, key, isPrimary=lacking != "primary") for key in keys]
    run(singer, sandbox, *messages)
    ((level, line),) = told(caplog)
    assert level == logging.WARNING
    assert "Deliver what is missing." in line


def test_null_date_counts_as_missing(sandbox, singer, caplog):
    messages = [
        singer.opportunity("a", externalCreatedDate=None),
        role(singer, "a", isPrimary=True),
    ]
    run(singer, sandbox, *messages)
    assert "and 1 no externalCreatedDate" in told(caplog)[0][1]


def test_rejected_roles_count_as_missing(sandbox, singer, caplog):
    messages = [singer.opportunity("a", **DATE), role(singer, "nowhere", isPrimary=True)]
    run(singer, sandbox, *messages, max_rejects=1)
    assert told(caplog)[0][0] == logging.WARNING
    assert "1 got no role in this run" in told(caplog)[0][1]


def test_existing_opportunities_cause_no_warning(sandbox, singer, caplog):
    deals = [singer.opportunity(key, **DATE) for key in "abc"]
    run(singer, sandbox, *deals, *(role(singer, key, isPrimary=True) for key in "abc"))
    caplog.clear()
    run(singer, sandbox, *deals, role(singer, "a"))
    ((level, line),) = told(caplog)
    assert level == logging.INFO
    assert "of 3 opportunities delivered, 2 got no role in this run" in line


@pytest.mark.parametrize("which", ["opportunities", "roles"])
def test_attribution_is_not_logged_for_only_one_object(sandbox, singer, caplog, which):
    singer.run(sandbox, [singer.schema(), singer.opportunity("a")]).succeeded()
    caplog.clear()
    message = singer.opportunity("b") if which == "opportunities" else role(singer, "a")
    run(singer, sandbox, message)
    assert told(caplog) == []
