"""Results of mutation testing: a table with a row per module, and a diff per survivor."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from collections import Counter

if t.TYPE_CHECKING:
    from pathlib import Path

PASSED = frozenset({"survived", "untested"})

Outcomes = dict[str, str]
"""A mutant's name to what became of it."""

_OUTCOMES = {0: "survived", 5: "untested", 33: "untested", None: "not run"}


def outcomes(copy: Path, modules: list[str]) -> Outcomes:
    """Return the outcome of each mutant of the modules; of none before mutmut has made them."""
    found: Outcomes = {}
    for module in modules:
        meta = copy / "mutants" / (module.replace(".", "/") + ".py.meta")
        codes = json.loads(meta.read_text())["exit_code_by_key"] if meta.exists() else {}
        # Any other exit status of the tests means that they detected the mutant.
        found |= {name: _OUTCOMES.get(code, "killed") for name, code in codes.items()}
    return found


def _diff(copy: Path, mutant: str) -> str:
    shown = subprocess.run(
        [sys.executable, "-m", "mutmut", "show", mutant],
        cwd=copy,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    lines = [line for line in shown.splitlines() if not line.startswith(("---", "+++"))]
    return "\n".join(line for line in lines if line.startswith(("#", "@@", "-", "+")))


def report(copy: Path, modules: list[str], outcomes: Outcomes) -> str:
    """Return the report: the survivors first, the table last."""
    rows = []
    for module in modules:
        count = Counter(
            outcome for name, outcome in outcomes.items() if name.startswith(f"{module}.")
        )
        kinds = (count[kind] for kind in ("killed", "survived", "untested", "not run"))
        rows.append(f"| {module} | {count.total()} | {' | '.join(map(str, kinds))} |")
    diffs = [_diff(copy, name) for name, outcome in outcomes.items() if outcome in PASSED]
    head = "| module | mutants | killed | survived | untested | not run |\n| --- " + "| --- " * 5
    return "\n\n".join([*diffs, "\n".join([f"{head}|", *rows])]) + "\n"
