"""`python -m tests.mutation MODULE ...`: mutation testing of modules with `mutmut`.

It works in a copy of the repository; docs/mutation.md has the results so far.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutation import chosen_tests, results
from tests.mutation.suites import SUITES, Suite
from tests.mutation.undecorated import undecorate

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Mutate modules and print the surviving mutants; return 1 if tests fail without mutation."""
    asked = _arguments()
    directory = asked.directory or Path(tempfile.mkdtemp(prefix="marketo-mutation-"))
    modules = [_with_package(name) for name in asked.modules]
    for package in sorted({name.partition(".")[0] for name in modules}):
        chosen = [name for name in modules if name.partition(".")[0] == package]
        try:
            if asked.tests:
                outcomes = _judge_by(directory / package, SUITES[package], chosen, asked.tests)
            else:
                outcomes = _judge(directory / package, SUITES[package], chosen, asked.children)
        except subprocess.CalledProcessError as error:
            status = error.returncode
            sys.stderr.write(f"mutmut or the tests failed with exit status {status}; see above\n")
            return 1
        sys.stdout.write(results.report(directory / package / "fast", chosen, outcomes))
    sys.stdout.write(f"All results are in {directory}\n")
    return 0


def _judge(directory: Path, suite: Suite, modules: list[str], children: int) -> results.Outcomes:
    """Return the outcome of each mutant: by the fast tests, then by the thorough ones."""
    paths = [_path(name) for name in modules]
    fast, thorough = directory / "fast", directory / "thorough"
    _copy(fast, paths, suite.configuration(paths, suite.fast))
    for module in modules:
        _mutmut(fast, _not_run(fast, module), children)
    outcomes = results.outcomes(fast, modules)
    passed = [name for name, outcome in outcomes.items() if outcome in results.PASSED]
    if suite.thorough and passed:
        _copy(thorough, paths, suite.configuration(paths, suite.thorough))
        before = results.outcomes(thorough, modules)
        _mutmut(thorough, [n for n in passed if before.get(n, "not run") == "not run"], children)
        again = results.outcomes(thorough, modules)
        outcomes |= {name: again[name] for name in passed if again[name] != "untested"}
    return outcomes


def _judge_by(
    directory: Path, suite: Suite, modules: list[str], tests: list[str]
) -> results.Outcomes:
    """Return the outcome of each mutant by chosen tests only."""
    paths = [_path(name) for name in modules]
    copy = directory / "fast"
    _copy(copy, paths, suite.configuration(paths, suite.fast))
    if not results.outcomes(copy, modules):
        _run(copy, "generate")
    for module in modules:
        chosen_tests.judge(copy / "mutants", module, tests)
    return results.outcomes(copy, modules)


def _not_run(copy: Path, module: str) -> list[str]:
    """Return the mutants of a module that have no outcome yet, as names or as a pattern."""
    outcomes = results.outcomes(copy, [module])
    if not outcomes:
        return [f"{module}.*"]
    return [name for name, outcome in outcomes.items() if outcome == "not run"]


def _with_package(name: str) -> str:
    if name.partition(".")[0] not in SUITES:
        raise SystemExit(f"{name} is not a module of one of the packages {', '.join(SUITES)}")
    return name


def _copy(copy: Path, paths: list[str], configuration: str) -> None:
    """Copy the files that git tracks, in their present state, and configure mutmut."""
    if copy.exists():
        return
    listed = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)
    for path in paths:
        (copy / path).write_text(undecorate((copy / path).read_text()))
    project = copy / "pyproject.toml"
    project.write_text(project.read_text() + configuration)


def _path(module: str) -> str:
    return module.replace(".", "/") + ".py"


def _mutmut(copy: Path, mutants: list[str], children: int) -> None:
    if mutants:
        _run(copy, "run", f"--max-children={children}", *mutants)


def _run(copy: Path, *arguments: str) -> None:
    """Run mutmut; CI=1 keeps hypothesis from deadlines and new examples."""
    mutmut = Path(__file__).with_name("plain_mutmut.py")
    subprocess.run(
        [sys.executable, str(mutmut), *arguments],
        cwd=copy,
        env={**os.environ, "CI": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.mutation", description=__doc__)
    modules = "modules to mutate, such as target_marketo_opps.state.ledger"
    parser.add_argument("modules", nargs="+", help=modules)
    tests = "test files to judge by, one process per mutant (default: the tests of the package)"
    parser.add_argument("--tests", nargs="+", metavar="FILE", help=tests)
    children = "number of parallel processes (default: %(default)s)"
    parser.add_argument("--children", type=int, default=os.cpu_count() or 2, help=children)
    directory = "working directory; an existing one is continued (default: a temporary one)"
    parser.add_argument("--directory", type=Path, help=directory)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
