"""Test random streams with random faults: replayed from the last STATE, nothing is lost."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import random
import signal
import threading
import time

import pytest

from marketo_opps import MarketoClient
from marketo_opps.plugin.process import ShutdownSignal
from target_marketo_opps.run import RunLimits
from target_marketo_opps.target import TargetMarketoOpps
from tests.pipeline.processes import await_that

pytestmark = pytest.mark.slow

HASTE = 300.0
STREAM_OBJECTS = {
    "deals": "opportunities",
    "tenders": "opportunities",
    "roles": "opportunity_roles",
}
HOSTS = ["host-1", "host-2", "host-3"]
KEYS = ["a", "A ", "b", "c", "d", "e", "f"]
FIELDS = ["amount", "stage", "description", "probability"]


class Killed(BaseException):
    """Stands for the death of the process: the run does nothing more."""


def hasty_client(settings, **options):
    """Return a client whose waits are shorter."""

    def nap(condition: threading.Condition, seconds: float) -> None:
        condition.wait(seconds / HASTE)

    return MarketoClient(settings, clock=lambda: time.monotonic() * HASTE, nap=nap, **options)


SMALL_AND_FAST = {
    "make_client": hasty_client,
    # Otherwise a batch of a few deletes would stay open, and hold every STATE, until the end.
    "limits": RunLimits(max_batch_records=4, state_patience_seconds=0.005),
}


def schema(chance, stream):
    extra = chance.sample(FIELDS, chance.randint(0, len(FIELDS)))
    names = ["externalOpportunityId", "name", "leadId", "role", "_sdc_deleted_at", *extra]
    names = [name for name in names if stream == "roles" or name not in {"leadId", "role"}]
    names = [name for name in names if stream != "roles" or name not in {"name", *FIELDS}]
    return {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {"properties": {name: {} for name in names}},
        "key_properties": [],
    }


def opportunity(chance, stream, key):
    values = {"amount": 5, "stage": "x", "description": "y", "probability": 7}
    chosen = chance.sample(FIELDS, chance.randint(0, 3))
    changes = {
        name: values[name] if chance.random() < 0.3 else fresh(chance, name) for name in chosen
    }
    record = {"externalOpportunityId": key, "name": f"N{chance.randint(0, 99)}", **changes}
    return {"type": "RECORD", "stream": stream, "record": record}


def fresh(chance, name):
    if chance.random() < 0.2:
        return None
    number = chance.randint(0, 99)
    return number if name in {"amount", "probability"} else f"{name} {number}"


def deletion(chance, stream, **key):
    record = {**key, "_sdc_deleted_at": "2026-01-01T00:00:00Z"}
    return {"type": "RECORD", "stream": stream, "record": record}


def random_stream(chance, length):
    """Return random messages; roles belong only to opportunities that are never deleted."""
    messages = [schema(chance, stream) for stream in STREAM_OBJECTS]
    messages += [opportunity(chance, "deals", host) for host in HOSTS]
    makers = [
        lambda: opportunity(
            chance, chance.choice(["deals", "tenders"]), chance.choice(KEYS + HOSTS)
        ),
        lambda: opportunity(chance, "deals", f"single-{chance.randint(0, 10**6)}"),
        lambda: deletion(chance, "tenders", externalOpportunityId=chance.choice(KEYS)),
        lambda: role(chance),
        lambda: role(chance),
        lambda: {"type": "STATE", "value": None},
        lambda: schema(chance, chance.choice(list(STREAM_OBJECTS))),
    ]
    messages += [chance.choices(makers, [6, 6, 1, 3, 1, 3, 1])[0]() for _ in range(length)]
    for number, message in enumerate(messages):
        if message["type"] == "STATE":
            message["value"] = {"next": number + 1}
    return [*messages, {"type": "STATE", "value": {"next": len(messages)}}]


def role(chance):
    key = {
        "externalOpportunityId": chance.choice(HOSTS),
        "leadId": chance.randint(1, 2),
        "role": chance.choice(["Buyer", "User"]),
    }
    if chance.random() < 0.2:
        return deletion(chance, "roles", **key)
    return {
        "type": "RECORD",
        "stream": "roles",
        "record": {**key, "isPrimary": chance.random() < 0.5},
    }


def expected(messages):
    """Return what the instance contains after every message was applied in turn."""
    opportunities, roles = {}, {}
    for message in messages:
        if message["type"] != "RECORD":
            continue
        record = dict(message["record"])
        table = roles if message["stream"] == "roles" else opportunities
        key = tuple(
            comparable(record[name])
            for name in ("externalOpportunityId", "leadId", "role")
            if name in record
        )
        if record.pop("_sdc_deleted_at", None):
            table.pop(key, None)
        else:
            table.setdefault(key, {}).update(record)
    return shape(opportunities.values(), FIELDS), shape(
        roles.values(), ["leadId", "role", "isPrimary"]
    )


def comparable(value):
    return value.rstrip().casefold() if isinstance(value, str) else value


def shape(records, names):
    """Return records in a form that can be compared."""
    rows = [
        [
            comparable(one["externalOpportunityId"]),
            one.get("name"),
            *(number(one.get(n)) for n in names),
        ]
        for one in records
    ]
    return sorted(rows, key=str)


def number(value):
    with contextlib.suppress(TypeError, ValueError):
        return float(value)
    return value


def found(sandbox):
    return (
        shape(sandbox.instance.opportunities(), FIELDS),
        shape(sandbox.instance.roles(), ["leadId", "role", "isPrimary"]),
    )


def resumed(messages, state):
    """Return what a tap sends that resumes from a STATE: its schemas, then the later messages."""
    start = state["next"] if state else 0
    current = {m["stream"]: m for m in messages[:start] if m["type"] == "SCHEMA"}
    return [*current.values(), *messages[start:]]


def trouble(sandbox, chance):
    sandbox.clear_faults()
    kinds = [
        ("611", {"after": True}),
        ("713", {"after": chance.random() < 0.5}),
        ("606", {}),
        ("615", {}),
        ("http_502", {"after": chance.random() < 0.5}),
        ("cut_before", {}),
        ("cut_after_write", {}),
        ("drop_keep_alive", {}),
        ("expire_tokens", {}),
        ("truncated_body", {"after": True}),
    ]
    for fault, options in chance.sample(kinds, chance.randint(0, 3)):
        sandbox.fault(fault, method="POST", probability=0.1, **options)
    if chance.random() < 0.7:
        sandbox.fault("610", method="POST", times=1, skip=chance.randint(5, 60))


def attempt(sandbox, singer, messages, chance):
    """Run the target until it ends in any way; return its last STATE and whether it finished."""
    killed_at = chance.randint(20, 3 * len(messages))
    out, count = io.StringIO(), 0
    with contextlib.redirect_stdout(out):
        target = TargetMarketoOpps(
            config={
                **sandbox.credentials,
                "calls_per_20_seconds": 100,
                "max_concurrent_calls": chance.randint(1, 6),
                "hard_delete": True,
                "stream_objects": STREAM_OBJECTS,
            },
        )
        target.shutdown = ShutdownSignal()
        others = set(threading.enumerate())
        target.run = singer.make_run(target, **SMALL_AND_FAST)
        workers = [thread for thread in threading.enumerate() if thread not in others]
        before_read = target.message_reader.before_read

        def hook(descriptor):
            nonlocal count
            count += 1
            if count == killed_at:
                target.run.end = functools.partial(die, target.run, workers)
                raise Killed
            before_read(descriptor)

        target.message_reader.before_read = hook
        content = "".join(json.dumps(message) + "\n" for message in messages).encode()
        done = False
        with contextlib.suppress(Killed, Exception):
            target.listen(io.BytesIO(content))
            done = True
    states = [json.loads(line) for line in out.getvalue().splitlines()]
    return states[-1] if states else None, done


def die(run, workers, *, deliver_rest):
    """End a run as if its process were killed, but wait for calls that Marketo still applies."""
    del deliver_rest
    run.marketo.client.stop()
    run.close()
    for thread in workers:
        thread.join(timeout=30)


@pytest.mark.parametrize("seed", [*range(20), pytest.param(None, id="fresh")])
def test_run_replayed_from_its_last_state_loses_nothing(
    marketo_sandbox_factory,
    singer,
    seed,
):
    seed = random.randrange(10**9) if seed is None else seed
    chance = random.Random(seed)
    sandbox = marketo_sandbox_factory(
        latency_ms=4,
        faults=[],
        limits={"enforced": False},
    )
    sandbox.instance.add_leads([1, 2])
    messages = random_stream(chance, 250)
    state, done, attempts = None, False, 0
    while not done:
        trouble(sandbox, chance) if attempts < 8 else sandbox.clear_faults()
        last, done = attempt(sandbox, singer, resumed(messages, state), chance)
        state = last or state
        attempts += 1
        assert attempts < 30, f"seed {seed}"
    assert state == {"next": len(messages) - 1}, f"seed {seed}"
    assert found(sandbox) == expected(messages), f"seed {seed}"


def test_a_killed_process_loses_nothing(marketo_sandbox_factory, start_target, tmp_path):
    sandbox = marketo_sandbox_factory(latency_ms=250, limits={"enforced": False})
    messages = [
        {
            "type": "SCHEMA",
            "stream": "deals",
            "schema": {"properties": {"externalOpportunityId": {}, "name": {}}},
        },
    ]
    for number in range(1, 6001):
        record = {"externalOpportunityId": f"K{number % 4000}", "name": f"N{number}"}
        messages.append({"type": "RECORD", "stream": "deals", "record": record})
        if number % 100 == 0:
            messages.append({"type": "STATE", "value": {"next": len(messages) + 1}})
    state = None
    for delay_seconds in (0.15, 0.3, None):
        process = start_target(sandbox, stream_objects=STREAM_OBJECTS, calls_per_20_seconds=100)
        before = len(sandbox.journal())
        feeder = threading.Thread(target=feed, args=(process, resumed(messages, state)))
        feeder.start()
        if delay_seconds is not None:
            await_that(functools.partial(sandbox.journal, before, "sync opportunity"))
            time.sleep(delay_seconds)
            process.signal(signal.SIGKILL)
        feeder.join()
        code, states, _ = process.end()
        assert code == (0 if delay_seconds is None else -signal.SIGKILL)
        state = states[-1] if states else state
        time.sleep(0.2)
    names = {one["externalOpportunityId"]: one["name"] for one in sandbox.instance.opportunities()}
    assert names == {f"K{n % 4000}": f"N{n}" for n in range(1, 6001)}


def feed(process, messages):
    with contextlib.suppress(BrokenPipeError):
        process.send(messages)
        process.popen.stdin.close()
