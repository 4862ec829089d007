"""A table of malformed responses that Marketo or a proxy may send, with the expected outcomes.

Each row is run with the plugins that it concerns. The outcome is either the correct result, or a
non-zero exit status with one sentence; never a traceback, a secret, a hang, or exit status 0 with
missing records. Rows about behaviour that Adobe does not document come in both variants.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.pipeline.malformed_responses import (
    describing,
    envelopes,
    gateway,
    identity,
    log,
    pages,
    writes,
)
from tests.pipeline.malformed_responses.runs import TapRun, TargetRun, with_history, with_leads

TABLES = (identity, gateway, envelopes, describing, pages, log, writes)
ROWS = [row for table in TABLES for row in table.ROWS]
OPEN = (
    "moreResult in queries",
    "how long page tokens live",
    "an insert without name",
    "reading beside a CRM sync",
    "the roles' describe beside a CRM sync",
    "a role without its opportunity",
    "a role without its lead",
    "what attributeName holds",
    "what a merge logs",
    "what an unchanged or deleted deal logs",
    "name or apiName in describe",
)


def parameter(row):
    marks = [pytest.mark.long] if row.long else []
    marks += [pytest.mark.xfail(reason=row.pending)] if row.pending else []
    return pytest.param(row, id=row.name, marks=marks)


@pytest.mark.parametrize("row", [parameter(row) for row in ROWS])
def test_a_malformed_response_is_handled_or_reported(row, marketo_sandbox_factory, tmp_path):
    runs = []
    if row.of_tap:
        source = with_history(marketo_sandbox_factory(seed=3, **row.options))
        runs.append(TapRun(row, source, tmp_path))
    if row.of_target:
        destination = with_leads(marketo_sandbox_factory(seed=4, **row.options))
        runs.append(TargetRun(row, destination, tmp_path))
    for run in runs:
        run.check()


def test_undocumented_behaviour_is_tested_in_both_variants():
    ways = Counter(row.open for row in ROWS if row.open)
    assert ways.keys() == set(OPEN)
    assert [point for point, rows in ways.items() if rows < 2] == []


def test_each_row_has_a_unique_name():
    assert [name for name, rows in Counter(row.name for row in ROWS).items() if rows > 1] == []
