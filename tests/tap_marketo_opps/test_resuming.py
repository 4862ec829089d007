"""Tests that a tap killed at any time and resumed with its last STATE loses nothing."""

from __future__ import annotations

import functools
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter

import pytest

from marketo_opps import ConnectionSettings, DailyLimitError, DailyQuotaError, MarketoClient
from tests.tap_marketo_opps.helpers import UnpacedTap, by_filter, by_lead_ids

pytestmark = pytest.mark.slow

LIMITS = {"enforced": False}
SEED = int(os.environ.get("TAP_TEST_SEED", random.SystemRandom().randrange(10**6)))


@pytest.fixture
def rng(request):
    """Return a random generator whose seed is printed with a failure."""
    sys.stdout.write(f"TAP_TEST_SEED={SEED}\n")
    return random.Random(f"{SEED} {request.node.name}")


@pytest.fixture
def world(rng, marketo_sandbox_factory, tmp_path):
    """Return an instance, and settings that find some of its records."""
    sandbox = marketo_sandbox_factory(
        opportunities=rng.randrange(50, 400),
        leads=rng.randrange(20, 200),
        seed=rng.randrange(1000),
        short_pages=rng.choice([0, 0.3]),
        activity_scan=rng.choice([5, 1000]),
        limits=LIMITS,
    )
    config = {
        **sandbox.credentials,
        **_settings(rng, sandbox, tmp_path),
        "batch_size": rng.choice([7, 20, 50, 300]),
        "max_concurrent_calls": rng.randrange(1, 11),
    }
    return sandbox, config


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


def _is_finished(state, streams):
    bookmarks = (state or {}).get("bookmarks", {})
    return all(bookmarks.get(stream, {}).get("resume", 1) is None for stream in streams)


def _disturb(rng, sandbox):
    if rng.random() < 0.5:
        sandbox.instance.expire_page_tokens()
    if rng.random() < 0.3:
        sandbox.instance.expire_tokens()
    if rng.random() < 0.7:
        changed = rng.sample(sandbox.instance.opportunity_ids(), 5)
        sandbox.instance.change(changed, {"nextStep": f"call {rng.random()}"})


@pytest.mark.parametrize("number", range(8))
def test_runs_killed_while_records_change_are_complete_together(
    number, rng, world, catalog_of, sync
):
    sandbox, config = world
    streams = rng.choice(
        [("opportunities",), ("opportunity_roles",), ("opportunities", "opportunity_roles")]
    )
    catalog = catalog_of(sandbox, *streams)
    whole = sync(config, catalog=catalog)
    assert any(whole.records(stream) for stream in streams)
    size = sum(len(str(message)) for message in whole.messages)

    emitted = {stream: {} for stream in streams}
    state = None
    for _ in range(60):
        most_bytes = rng.randrange(200, size) if rng.random() < 0.9 else None
        output = sync(config, catalog=catalog, state=state, most_bytes=most_bytes)
        state = output.state or state
        for stream in streams:
            emitted[stream].update(_by_key(output.records(stream)))
        if _is_finished(state, streams):
            break
        _disturb(rng, sandbox)
    assert _is_finished(state, streams)
    # What changed after its page was read comes with the next run.
    last = sync(config, catalog=catalog, state=state)
    now = sync(config, catalog=catalog)
    for stream in streams:
        emitted[stream].update(_by_key(last.records(stream)))
        due = _by_key(_due(now.records(stream), whole, stream))
        assert due.items() <= emitted[stream].items()


def _due(records, whole, stream):
    """Return the records found at first or changed since, which a resumed run must emit."""
    log_until = whole.bookmark(stream).get("log_until", "")
    ids = {*whole.ids(stream)}
    return [each for each in records if each["marketoGUID"] in ids or each["updatedAt"] > log_until]


def _halved(sync, config, catalog):
    """Return the output of a whole run, and of another that was killed half-way."""
    whole = sync(config, catalog=catalog)
    size = sum(len(json.dumps(message)) for message in whole.messages)
    return whole, sync(config, catalog=catalog, most_bytes=size // 2)


def test_only_pages_that_were_in_flight_are_read_again(sandbox, catalog_of, sync):
    config = by_filter(sandbox, batch_size=20, max_concurrent_calls=3)
    catalog = catalog_of(sandbox, "opportunities")
    before = len(sandbox.journal())
    whole, part = _halved(sync, config, catalog)
    calls = len(sandbox.journal()) - before
    rest = sync(config, catalog=catalog, state=part.state)
    calls_of_rest = len(sandbox.journal()) - before - calls
    again = set(part.ids()) & set(rest.ids())
    assert sorted({*part.ids(), *rest.ids()}) == sorted(whole.ids())
    assert len(again) <= 20
    pages = 400 // 20
    assert calls_of_rest - 1 <= pages - len(part.states) + 1


def test_a_page_token_that_has_expired_costs_one_chunk(sandbox, catalog_of, sync, caplog):
    caplog.set_level("INFO")
    config = by_filter(sandbox, batch_size=20, max_concurrent_calls=1)
    catalog = catalog_of(sandbox, "opportunities")
    whole, part = _halved(sync, config, catalog)
    sandbox.instance.expire_page_tokens()
    rest = sync(config, catalog=catalog, state=part.state)
    assert sorted({*part.ids(), *rest.ids()}) == sorted(whole.ids())
    assert "Marketo no longer accepts a page token" in caplog.text
    chunks_half_read = len(json.loads(part.bookmark()["resume"])["at"]["open"])
    assert chunks_half_read == 1
    assert len(rest.ids()) <= 300


def test_with_an_expired_token_the_log_resumes_at_the_last_activity(
    sandbox, catalog_of, sync, caplog
):
    caplog.set_level("INFO")
    config = {
        **sandbox.credentials,
        "find_by": "activities",
        "start_date": "2020-01-01T00:00:00Z",
        "batch_size": 10,
    }
    catalog = catalog_of(sandbox, "opportunity_activities")
    whole, part = _halved(sync, config, catalog)
    sandbox.instance.expire_page_tokens()
    rest = sync(config, catalog=catalog, state=part.state)
    stream = "opportunity_activities"
    assert sorted({*part.ids(stream), *rest.ids(stream)}) == sorted(whole.ids(stream))
    assert "Marketo no longer accepts the page token of the activity log" in caplog.text
    assert len({*part.ids(stream)} & {*rest.ids(stream)}) <= 20


def test_sparse_log_pages_advance_with_pending_leads_in_the_state(
    marketo_sandbox_factory, catalog_of, sync
):
    sandbox = marketo_sandbox_factory(
        opportunities=200, leads=120, seed=3, activity_scan=3, limits=LIMITS
    )
    config = {
        **sandbox.credentials,
        "find_by": "activities",
        "start_date": "2020-01-01T00:00:00Z",
        "max_concurrent_calls": 1,
    }
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles", "opportunity_activities")
    whole, calls = _counted(sandbox, lambda: sync(config, catalog=catalog))
    assert calls["activities"] > 40
    assert calls["query role"] <= 2
    assert calls["query opportunity"] == 1

    part, calls_of_part = _counted(
        sandbox, lambda: sync(config, catalog=catalog, most_bytes=len(sync.raw) // 6)
    )
    assert json.loads(part.bookmark()["resume"])["at"]["keys"]["if_new"]
    assert not part.records()
    rest, calls_of_rest = _counted(sandbox, lambda: sync(config, catalog=catalog, state=part.state))

    for stream in ("opportunities", "opportunity_roles", "opportunity_activities"):
        assert {*part.ids(stream), *rest.ids(stream)} == {*whole.ids(stream)}
    both = calls_of_part["activities"] + calls_of_rest["activities"]
    assert both <= calls["activities"] + 3


def _counted(sandbox, run):
    """Return the output of a run, and its calls by operation."""
    before = len(sandbox.journal())
    return run(), Counter(call["operation"] for call in sandbox.journal()[before:])


@pytest.mark.parametrize(
    "changed",
    [{"batch_size": 30}, {"start_date": "2020-01-01T00:00:00Z"}, {"filter_type": "region"}],
)
def test_changed_settings_start_afresh_and_a_line_says_so(
    sandbox, catalog_of, sync, caplog, changed
):
    caplog.set_level("INFO")
    config = by_filter(sandbox, batch_size=20)
    catalog = catalog_of(sandbox, "opportunities")
    _, part = _halved(sync, config, catalog)
    assert "starting over" not in caplog.text
    config |= changed
    rest = sync(config, catalog=catalog, state=part.state)
    assert "starting over" in caplog.text
    assert sorted(rest.ids()) == sorted(sync(config, catalog=catalog).ids())


def test_a_changed_selection_starts_afresh(sandbox, catalog_of, sync):
    config = by_lead_ids(sandbox, batch_size=20)
    _, part = _halved(sync, config, catalog_of(sandbox, "opportunities"))
    both = catalog_of(sandbox, "opportunities", "opportunity_roles")
    rest = sync(config, catalog=both, state=part.state)
    assert sorted(rest.ids("opportunity_roles")) == sorted(
        role["marketoGUID"] for role in sandbox.instance.roles()
    )


def test_the_bookmark_never_passes_the_start_of_the_first_attempt(sandbox, catalog_of, sync):
    config = by_filter(sandbox, batch_size=20)
    catalog = catalog_of(sandbox, "opportunities")
    _, part = _halved(sync, config, catalog)
    began = json.loads(part.bookmark()["resume"])["began"]
    sandbox.advance(600)
    early, late = part.records()[0], sync(config, catalog=catalog).records()[-1]
    ids = [early["externalOpportunityId"], late["externalOpportunityId"]]
    sandbox.instance.change(ids, {"stage": "Won"})
    rest = sync(config, catalog=catalog, state=part.state)
    assert rest.bookmark()["replication_key_value"] == began
    assert max(record["updatedAt"] for record in rest.records()) > began
    next_run = sync(config, catalog=catalog, state=rest.state)
    assert set(ids) <= set(next_run.ids(key="externalOpportunityId"))


def test_records_with_the_very_moment_of_the_bookmark_come_again(sandbox, catalog_of, sync):
    config = by_filter(sandbox)
    catalog = catalog_of(sandbox, "opportunities")
    sandbox.advance(60)
    ids = sandbox.instance.opportunity_ids()[:5]
    sandbox.instance.change(ids, {"stage": "Won"})
    sandbox.advance(60)
    first = sync(config, catalog=catalog)
    second = sync(config, catalog=catalog, state=first.state)
    newest = first.bookmark()["replication_key_value"]
    assert {record["updatedAt"] for record in second.records()} == {newest}
    assert set(second.ids(key="externalOpportunityId")) <= set(ids)
    assert second.records()


def test_the_next_run_finishes_a_refresh_merged_by_meltano(sandbox, catalog_of, sync, merged):
    config = by_filter(sandbox, batch_size=20)
    catalog = catalog_of(sandbox, "opportunities")
    first = sync(config, catalog=catalog)
    _, refresh = _halved(sync, config, catalog)
    state = merged(first.state, refresh.state)
    rest = sync(config, catalog=catalog, state=state)
    assert {*refresh.ids(), *rest.ids()} == {*first.ids()}
    assert rest.bookmark()["resume"] is None


BY_LOG = {"find_by": "activities", "start_date": "2020-01-01T00:00:00Z"}


@pytest.mark.parametrize("what", ["batch_size", "fields", "streams"])
@pytest.mark.parametrize("way", ["activities", "filter", "lead_ids"])
def test_an_interrupted_full_refresh_stays_one_whatever_has_changed(
    sandbox, catalog_of, sync, merged, *, way, what
):
    values = {"filter": by_filter, "lead_ids": by_lead_ids}.get(way)
    config = values(sandbox) if values else {**sandbox.credentials, **BY_LOG}
    config |= {"batch_size": 20, "start_date": "2020-01-01T00:00:00Z"}
    both = ("opportunities", "opportunity_roles")
    catalog = catalog_of(sandbox, *both)
    first = sync(config, catalog=catalog)
    sandbox.advance(3600)
    _, refresh = _halved(sync, config, catalog)
    state = merged(first.state, refresh.state)
    if what == "batch_size":
        config["batch_size"] = 30
    elif what == "fields":
        catalog = catalog_of(sandbox, *both, fields={"name"})
    else:
        catalog = catalog_of(sandbox, "opportunities")
    # Interrupted once more: it is still one.
    part = sync(config, catalog=catalog, state=state, most_bytes=len(sync.raw) // 3)
    config["batch_size"] = 40
    rest = sync(config, catalog=catalog, state=merged(state, part.state or {}))
    assert {*rest.ids()} == {*first.ids()}
    assert rest.bookmark()["resume"] is None


def test_a_finished_refresh_merged_by_meltano_has_no_position(sandbox, catalog_of, sync, merged):
    config = by_filter(sandbox, batch_size=20)
    catalog = catalog_of(sandbox, "opportunities")
    _, interrupted = _halved(sync, config, catalog)
    refresh = sync(config, catalog=catalog)
    state = merged(interrupted.state, refresh.state)
    assert state["bookmarks"]["opportunities"]["resume"] is None
    assert len(sync(config, catalog=catalog, state=state).ids()) < 20


@pytest.mark.parametrize("garbage", ["", "{}", "[1]", "null", '{"v": 99}', "x" * 50, 7, {"a": 1}])
def test_a_position_that_is_none_is_passed_over_with_a_warning(
    sandbox, catalog_of, sync, garbage, caplog
):
    state = {"bookmarks": {"opportunities": {"resume": garbage}}}
    output = sync(by_filter(sandbox), catalog=catalog_of(sandbox, "opportunities"), state=state)
    assert len(output.ids()) == 400
    assert "Cannot resume the interrupted run of opportunities" in caplog.text


class ImpatientTap(UnpacedTap):
    """A tap that waits a hundredth of the time before retries."""

    @functools.cached_property
    def client(self):
        return MarketoClient(
            ConnectionSettings.from_config(self.config),
            nap=lambda condition, seconds: condition.wait(seconds / 100),
            pacing_window_seconds=self.pacing_window_seconds,
        )


def test_under_mixed_faults_every_record_comes_exactly_once(
    marketo_sandbox_factory, catalog_of, sync
):
    sandbox = marketo_sandbox_factory(opportunities=600, leads=300, limits=LIMITS)
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    for fault in ("604", "611", "713", "http_502", "cut_before", "truncated_body"):
        sandbox.fault(fault, probability=0.015)
    sandbox.fault("drop_keep_alive", probability=0.05)
    sandbox.fault("expire_tokens", times=2, skip=5)
    output = sync(by_lead_ids(sandbox, batch_size=40), catalog=catalog, tap_class=ImpatientTap)
    roles = sandbox.instance.roles()
    assert sorted(output.ids("opportunity_roles")) == sorted(r["marketoGUID"] for r in roles)
    assert sorted(output.ids(key="externalOpportunityId")) == sorted(
        {r["externalOpportunityId"] for r in roles}
    )
    outcomes = {call["outcome"] for call in sandbox.journal()}
    assert len(outcomes) > 3


def test_a_run_ended_by_the_daily_quota_is_resumed_by_the_next(sandbox, catalog_of, sync, caplog):
    caplog.set_level("INFO")
    config = by_filter(sandbox, batch_size=20, max_concurrent_calls=2)
    catalog = catalog_of(sandbox, "opportunities")
    sandbox.fault("607", skip=8)
    with pytest.raises(DailyQuotaError, match=r"607 .*06:00 UTC"):
        sync(config, catalog=catalog)
    part = sync.written
    assert "To resume, run again with the last saved state" in caplog.text
    assert part.records()
    sandbox.clear_faults()
    rest = sync(config, catalog=catalog, state=part.state)
    assert sorted({*part.ids(), *rest.ids()}) == sorted(
        o["marketoGUID"] for o in sandbox.instance.opportunities()
    )


def test_a_run_that_ends_before_its_first_page_names_no_state(sandbox, catalog_of, sync, caplog):
    caplog.set_level("INFO")
    catalog = catalog_of(sandbox, "opportunities")
    sandbox.fault("607")
    with pytest.raises(DailyQuotaError):
        sync(by_filter(sandbox), catalog=catalog)
    assert sync.written.states == []
    assert "No STATE was written yet: run again with the same state as before." in caplog.text


def test_the_users_own_daily_limit_ends_the_run_with_how_far_it_got(
    sandbox, catalog_of, sync, caplog
):
    caplog.set_level("INFO")
    catalog = catalog_of(sandbox, "opportunities")
    used = sum(1 for call in sandbox.journal() if call["operation"] != "identity")
    config = by_filter(sandbox, batch_size=20, daily_call_limit=used + 12)
    with pytest.raises(DailyLimitError, match="daily_call_limit"):
        sync(config, catalog=catalog)
    part = sync.written
    assert 0 < len(part.ids()) < 400
    assert "of 400 values" in caplog.text
    rest = sync({**config, "daily_call_limit": None}, catalog=catalog, state=part.state)
    assert len({*part.ids(), *rest.ids()}) == 400


def _read_and_kill(command, most_lines):
    """Return the output of a process until it was killed, and its exit status."""
    messages = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as tap:
        for line in tap.stdout:
            messages.append(json.loads(line))
            if len(messages) == most_lines:
                # It may have ended by itself, with lines in the pipe that are lost as well.
                tap.send_signal(signal.SIGKILL)
                return messages, None
        return messages, tap.wait()


def test_kill_9_again_and_again_loses_nothing(rng, marketo_sandbox_factory, catalog_of, tmp_path):
    sandbox = marketo_sandbox_factory(opportunities=400, leads=10, latency_ms=10, limits=LIMITS)
    files = {name: tmp_path / f"{name}.json" for name in ("config", "catalog", "state")}
    files["config"].write_text(json.dumps(by_filter(sandbox, batch_size=20)))
    files["catalog"].write_text(json.dumps(catalog_of(sandbox, "opportunities")))
    files["state"].write_text("{}")
    command = [sys.executable, "-m", "tap_marketo_opps"]
    command += [part for name, path in files.items() for part in (f"--{name}", str(path))]
    seen, codes = set(), []
    while 0 not in codes and len(codes) < 25:
        messages, code = _read_and_kill(command, rng.randrange(1, 150))
        codes.append(code)
        seen |= {m["record"]["marketoGUID"] for m in messages if m["type"] == "RECORD"}
        if states := [m["value"] for m in messages if m["type"] == "STATE"]:
            files["state"].write_text(json.dumps(states[-1]))
    assert codes[-1] == 0
    assert len(codes) > 2
    assert seen == {o["marketoGUID"] for o in sandbox.instance.opportunities()}
