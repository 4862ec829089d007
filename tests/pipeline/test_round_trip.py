"""Round trips of random records: from an instance by tap and target to another instance."""

from __future__ import annotations

import contextlib
import io
import sys
import typing as t
from datetime import date, datetime
from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from marketo_sandbox.instance.describe import OPPORTUNITY
from marketo_sandbox.options import LimitOptions, SandboxOptions
from marketo_sandbox.server.server import SandboxServer
from tap_marketo_opps.tap import TapMarketoOpps
from target_marketo_opps.target import TargetMarketoOpps
from tests.pipeline.compare import differences, held

EXAMPLES = 40
MOST_RECORDS = 12

# Texts that Marketo accepts: no surrogates, no NUL, no comma in keys; it keeps blanks at the ends.
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=40)
NAMES = TEXT.filter(lambda text: text.strip() != "")
KEYS = st.text(st.characters(codec="ascii", categories=("L", "N"), include_characters="-_ "))
MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1))  # noqa: DTZ001 - UTC, see below
VALUES: dict[str, st.SearchStrategy[t.Any]] = {
    "text": TEXT,
    "integer": st.integers(-(2**62), 2**62),
    "score": st.integers(-(2**31), 2**31),
    "percent": st.integers(0, 100),
    "currency": st.decimals(-(10**15), 10**15, places=2).map(str),
    "float": st.decimals(-(10**9), 10**9, places=6).map(str),
    "boolean": st.booleans(),
    "date": st.dates(date(1970, 1, 1), date(2200, 1, 1)).map(date.isoformat),
    "datetime": MOMENTS.map(lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ")),
}
OPTIONAL = {
    field.name: st.none() | VALUES.get(field.data_type, TEXT)
    for field in OPPORTUNITY.fields
    if field.updateable and field.name != "name"
}
RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "externalOpportunityId": KEYS.map(lambda key: f"K{key}"[:50].strip()),
            "name": NAMES,
        },
        optional=OPTIONAL,
    ),
    min_size=1,
    max_size=MOST_RECORDS,
    unique_by=lambda record: record["externalOpportunityId"].casefold(),
)


@pytest.fixture(scope="module")
def instances() -> t.Iterator[tuple[SandboxServer, SandboxServer]]:
    """Return two instances without API limits, because hundreds of runs follow within seconds."""
    first, second = (
        SandboxServer(SandboxOptions(seed=seed, limits=LimitOptions(enforced=False)))
        for seed in (1, 2)
    )
    with first, second:
        yield first, second


def tapped(sandbox: SandboxServer) -> bytes:
    """Return all messages that the tap writes for the records of an instance."""
    written = io.BytesIO()
    with contextlib.redirect_stdout(io.TextIOWrapper(written, write_through=True)):
        tap = TapMarketoOpps(
            config={
                **sandbox.credentials,
                "filter_values": sandbox.instance.opportunity_ids(),
                "calls_per_20_seconds": 100,
            }
        )
        tap.sync_all()
        sys.stdout.flush()
        content = written.getvalue()
        tap.client.close()
        sys.stdout.detach()
    return content


def deliver(content: bytes, sandbox: SandboxServer) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        TargetMarketoOpps(config=dict(sandbox.credentials)).listen(io.BytesIO(content))


@given(records=RECORDS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    print_blob=True,
    phases=[phase for phase in Phase if phase is not Phase.explain],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
def test_random_records_survive_the_round_trip(instances, records):
    source, destination = instances
    source.reset()
    destination.reset()
    written = source.instance.sync(
        OPPORTUNITY, {"action": "createOrUpdate", "input": [dict(record) for record in records]}
    )
    assert {result["status"] for result in written["result"]} == {"created"}

    deliver(tapped(source), destination)

    sent = held(source)
    assert differences(sent, held(destination)) == []
    assert len(sent) == len(records)
    assert all(isinstance(each.get("amount", Decimal()), Decimal) for each in sent.values())
