"""`make fuzz SECONDS=3600 SEED=7`: random cases until the time is up, or `CASE=123` alone."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.fuzz.cases import play_case
from tests.fuzz.runs import Tally

CASES_PER_LINE = 100


def main() -> int:
    """Play cases, and print and append the counts; return 1 if a case has failed."""
    asked = _arguments()
    seed = random.randrange(10**6) if asked.seed is None else asked.seed
    tally, failed, began, done = Tally(), [], time.monotonic(), 0

    def counts() -> str:
        seconds = round(time.monotonic() - began)
        told = {"seed": seed, "cases": done, **asdict(tally), "failed": failed}
        return json.dumps({**told, "seconds": seconds})

    while not done if asked.case is not None else time.monotonic() - began < asked.seconds:
        number = done if asked.case is None else asked.case
        if failure := play_case(seed, number, tally):
            failed.append(number)
            _say(failure)
        done += 1
        if done % CASES_PER_LINE == 0:
            _say(counts())
    _say(counts())
    if asked.counts:
        with Path(asked.counts).open("a") as file:
            file.write(f"{counts()}\n")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="duration (default: %(default)s)")
    parser.add_argument("--seed", type=int, help="random seed (default: a new one, printed)")
    parser.add_argument("--case", type=int, help="number of the only case to play")
    parser.add_argument("--counts", help="JSON Lines file to which the counts are appended")
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
