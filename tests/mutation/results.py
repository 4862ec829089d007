"""What became of the mutants: a table row a module, and every survivor as a diff."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from collections import Counter

if t.TYPE_CHECKING:
    from pathlib import Path

PASSED = frozenset({"survived", "untested"})

Fates = dict[str, str]
"""A mutant's name to what became of it."""

_FATES = {0: "survived", 5: "untested", 33: "untested", None: "not run"}


def fates(copy: Path, modules: list[str]) -> Fates:
    """What became of the mutants of these modules in one run of mutmut."""
    found: Fates = {}
    for module in modules:
        meta = copy / "mutants" / (module.replace(".", "/") + ".py.meta")
        codes = json.loads(meta.read_text())["exit_code_by_key"]
        # Whatever else a run of tests may end by, it noticed.
        found |= {name: _FATES.get(code, "killed") for name, code in codes.items()}
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


def told(copy: Path, modules: list[str], fates: Fates) -> str:
    """Survivors first, the table last."""
    rows = []
    for module in modules:
        count = Counter(fate for name, fate in fates.items() if name.startswith(f"{module}."))
        kinds = (count[kind] for kind in ("killed", "survived", "untested", "not run"))
        rows.append(f"| {module} | {count.total()} | {' | '.join(map(str, kinds))} |")
    diffs = [_diff(copy, name) for name, fate in fates.items() if fate in PASSED]
    head = "| module | mutants | killed | survived | untested | not run |\n| --- " + "| --- " * 5
    return "\n\n".join([*diffs, "\n".join([f"{head}|", *rows])]) + "\n"
