"""`make soak SECONDS=3600 SEED=7`: a soak test of tap and target, with a summary."""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.soak.soak import Soak
from tests.soak.summary import counts, summary

LONG_SECONDS = 120


def main() -> int:
    """Run the soak test and print a summary; return 1 if it found anything wrong."""
    asked = _arguments()
    seed = random.randrange(10**6) if asked.seed is None else asked.seed
    again = f"make soak SECONDS={asked.seconds:.0f} SEED={seed}"
    _say(f"soak         seed {seed}; repeat this plan with: {again}")
    directory = Path(tempfile.mkdtemp(prefix="marketo-soak-"))
    size = asked.opportunities or (1_500 if asked.seconds >= LONG_SECONDS else 400)
    began = time.monotonic()
    soak = Soak(seed, directory, size)
    try:
        soak.run(asked.seconds, asked.runs)
        seconds = time.monotonic() - began
        _say(*summary(soak, seconds))
        if asked.counts:
            with Path(asked.counts).open("a") as file:
                file.write(f"{json.dumps({'seed': seed, **counts(soak, seconds)})}\n")
    finally:
        soak.close()
    return _verdict(soak.tally.findings, directory)


def _verdict(findings: list[str], directory: Path) -> int:
    _say(*(f"FINDING      {finding}" for finding in findings))
    if findings:
        _say(f"result       {len(findings)} findings; databases, state and output: {directory}")
        return 1
    shutil.rmtree(directory)
    _say("result       passed: no record lost, no problem unreported")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.soak", description=__doc__)
    duration = "duration without the last runs (default: %(default)s)"
    parser.add_argument("--seconds", type=float, default=600, help=duration)
    parser.add_argument("--runs", type=int, default=0, help="least number of disturbed runs")
    parser.add_argument("--seed", type=int, help="random seed (default: a new one, printed)")
    parser.add_argument("--opportunities", type=int, help="opportunities in the source at start")
    parser.add_argument("--counts", help="JSON Lines file to which the counts are appended")
    return parser.parse_args()


def _say(*lines: str) -> None:
    for line in lines:
        sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
