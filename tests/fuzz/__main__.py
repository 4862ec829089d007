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


def main() -> int:
    """Play cases, and print and append the counts; return 1 if a case has failed."""
    asked = _arguments()
    seed = random.randrange(10**6) if asked.seed is None else asked.seed
    tally, failed, began = Tally(), [], time.monotonic()
    numbers = range(asked.case, asked.case + 1) if asked.case is not None else range(10**9)
    done = 0
    for number in numbers:
        if asked.case is None and time.monotonic() - began > asked.seconds:
            break
        failure = play_case(seed, number, tally)
        done += 1
        if failure:
            failed.append(number)
            _say(failure)
    counts = {"seed": seed, "cases": done, **asdict(tally), "failed": failed}
    counts["seconds"] = round(time.monotonic() - began)
    _say(json.dumps(counts))
    if asked.counts:
        with Path(asked.counts).open("a") as file:
            file.write(f"{json.dumps(counts)}\n")
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
