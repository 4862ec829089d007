"""Killed at any moment and started again with its last STATE, the tap loses nothing."""

from __future__ import annotations

import os
import random

import pytest

LIMITS = {"enforced": False}


@pytest.fixture
def rng():
    seed = int(os.environ.get("TAP_TEST_SEED", random.SystemRandom().randrange(10**6)))
    print(f"TAP_TEST_SEED={seed}")
    return random.Random(seed)


def _settings(rng, sandbox, tmp_path):
    ids = sandbox.instance.opportunity_ids()
    leads = sandbox.instance.lead_ids()
    regions = sorted({o["region"] for o in sandbox.instance.opportunities() if o.get("region")})
    path = tmp_path / "values.txt"
    path.write_text("\n".join(ids))
    return rng.choice(
        [
            {"filter_values": ids},
            {"filter_values_path": str(path)},
            {"filter_type": "region", "filter_values": regions},
            {"find_by": "lead_ids", "lead_id_from": min(leads), "lead_id_to": max(leads)},
            {"find_by": "activities", "start_date": "2020-01-01T00:00:00Z"},
        ]
    )


def _by_key(records):
    return {record["marketoGUID"]: record for record in records}


@pytest.mark.parametrize("attempt", range(12))
def test_killed_anywhere_while_records_change_the_union_of_all_attempts_is_complete(
    attempt, rng, marketo_sandbox_factory, catalog_of, sync, tmp_path
):
    sandbox = marketo_sandbox_factory(
        opportunities=rng.randrange(50, 400),
        leads=rng.randrange(20, 200),
        seed=rng.randrange(1000),
        short_pages=rng.choice([0, 0.3]),
        limits=LIMITS,
    )
    config = {
        **sandbox.credentials,
        **_settings(rng, sandbox, tmp_path),
        "batch_size": rng.choice([7, 20, 50, 300]),
        "max_concurrent_calls": rng.randrange(1, 11),
    }
    streams = rng.choice(
        [("opportunities",), ("opportunity_roles",), ("opportunities", "opportunity_roles")]
    )
    catalog = catalog_of(sandbox, *streams)
    whole = sync(config, catalog=catalog)
    assert any(whole.records(stream) for stream in streams)
    size = sum(len(str(message)) for message in whole.messages)

    emitted = {stream: {} for stream in streams}
    state, finished = None, False
    for _ in range(60):
        most_bytes = rng.randrange(200, size) if rng.random() < 0.9 else None
        output = sync(config, catalog=catalog, state=state, most_bytes=most_bytes)
        state = output.state or state
        for stream in streams:
            emitted[stream].update(_by_key(output.records(stream)))
        finished = state and all(
            state["bookmarks"].get(stream, {}).get("resume", 1) is None for stream in streams
        )
        if finished:
            break
        if rng.random() < 0.5:
            sandbox.instance.expire_page_tokens()
        if rng.random() < 0.3:
            sandbox.instance.expire_tokens()
        if rng.random() < 0.7:
            changed = rng.sample(sandbox.instance.opportunity_ids(), 5)
            sandbox.instance.change(changed, {"nextStep": f"call {rng.random()}"})
    assert finished
    # What changed after its page was read comes with the next run.
    last = sync(config, catalog=catalog, state=state)
    now = sync(config, catalog=catalog)
    for stream in streams:
        emitted[stream].update(_by_key(last.records(stream)))
        assert _by_key(now.records(stream)).items() <= emitted[stream].items()
