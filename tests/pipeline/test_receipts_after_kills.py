"""Receipts of a target that is killed at random moments: complete and correct."""

from __future__ import annotations

import json
import random
import sys

import pytest

from tests.pipeline.processes import Plugin, await_that

pytestmark = pytest.mark.slow

RECORDS = 2_400
STATE_EVERY = 100
KILLS = 6


def messages(first):
    """Return the input from a record on, with STATE messages that count the records before them."""
    properties = {"externalOpportunityId": {}, "name": {}, "amount": {}}
    yield {"type": "SCHEMA", "stream": "deals", "schema": {"properties": properties}}
    for number in range(first, RECORDS):
        record = {"externalOpportunityId": f"D-{number}", "name": "n", "amount": number}
        yield {"type": "RECORD", "stream": "deals", "record": record}
        if (number + 1) % STATE_EVERY == 0:
            yield {"type": "STATE", "value": {"before": number + 1}}


class Delivery:
    """Successive runs of a target, each of which continues after the last emitted state."""

    def __init__(self, sandbox, directory):
        self._directory = directory
        self._sandbox = sandbox
        self._config = {
            **sandbox.credentials,
            "receipts_path": str(directory / "receipts.jsonl"),
            "max_concurrent_calls": 3,
        }
        self.before = 0

    def run(self, calls_until_kill=None):
        """Run to the end, or kill the target after a number of calls; return the exit status."""
        source, states = self._directory / "in", self._directory / "out"
        source.write_text("".join(json.dumps(each) + "\n" for each in messages(self.before)))
        with source.open("rb") as stdin, states.open("wb") as stdout:
            target = Plugin(
                "target-marketo-opps", self._config, self._directory, stdin=stdin, stdout=stdout
            )
            if calls_until_kill is not None:
                wanted = len(self._sandbox.journal()) + calls_until_kill
                await_that(lambda: len(self._sandbox.journal()) >= wanted or not target.running())
                target.kill()
            code = target.wait()
        lines = states.read_text().splitlines()
        if lines:
            self.before = json.loads(lines[-1])["before"]
        return code

    def receipts(self):
        """Return all complete receipt lines of all runs."""
        lines = (self._directory / "receipts.jsonl").read_text().splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("}\n")]


def keys(receipts):
    return {each["key"]["externalOpportunityId"] for each in receipts}


def test_after_kills_receipts_are_complete_and_correct(marketo_sandbox_factory, tmp_path):
    seed = random.randrange(10**6)
    sys.stderr.write(f"seed {seed}\n")
    rng = random.Random(seed)
    sandbox = marketo_sandbox_factory(limits={"enforced": False})
    sandbox.instance.options.latency_ms = 40
    delivery = Delivery(sandbox, tmp_path)
    for _ in range(KILLS):
        if delivery.run(calls_until_kill=rng.randint(1, 6)) == 0:
            break
        held = {one["externalOpportunityId"]: one for one in sandbox.instance.opportunities()}
        receipts = delivery.receipts() if (tmp_path / "receipts.jsonl").exists() else []
        assert {f"D-{number}" for number in range(delivery.before)} <= keys(receipts)
        for each in receipts:
            stored = held[each["key"]["externalOpportunityId"]]
            assert each["status"] in {"created", "updated"}
            assert each["marketoGUID"] == stored["marketoGUID"]
    assert delivery.run() == 0
    assert keys(delivery.receipts()) == {f"D-{number}" for number in range(RECORDS)}
    assert delivery.before == RECORDS
    assert len(sandbox.instance.opportunity_ids()) == RECORDS
