"""mutmut without mutants of message texts, which no test could reasonably detect.

It runs the fastest tests of a mutant first, so that most mutants are detected within a second.
`plain_mutmut.py generate` writes the mutants and runs no tests.
"""

from __future__ import annotations

import sys
import typing as t

import libcst as cst
from mutmut import __main__ as mutmut
from mutmut.mutation import mutators
from mutmut.runners.harness import PytestRunner
from mutmut.state import state

if t.TYPE_CHECKING:
    from collections.abc import Iterable


def _names_and_codes_only(node: cst.BaseString) -> Iterable[cst.BaseString]:
    """Return no mutant for a string with a blank, which is a sentence, and one for any other."""
    if isinstance(node, cst.SimpleString) and " " in node.value:
        return ()
    return list(mutators.operator_string(node))[:1]


def _not_of_log_lines(node: cst.Call) -> Iterable[cst.Call]:
    """Return the mutants of a call's arguments, or none if the call logs a message."""
    name = cst.Module([]).code_for_node(node.func)
    return () if name.startswith(("_LOGGER.", "self.logger.")) else _arguments(node)


_arguments = mutators.operator_arg_removal
_INSTEAD = {mutators.operator_string: _names_and_codes_only, _arguments: _not_of_log_lines}


def _fastest_first(runner: PytestRunner, tests: Iterable[str]) -> list[str]:
    durations = state().duration_by_test
    return _in_given_order(runner, sorted(tests, key=lambda name: (durations.get(name, 0.0), name)))


_in_given_order = PytestRunner._pytest_args_regular_run


def _no_runner(_children: int) -> t.NoReturn:
    """Stand in for the function that mutmut calls once it has written all mutants."""
    raise SystemExit(0)


if __name__ == "__main__":
    operators = t.cast("list[t.Any]", mutators.mutation_operators)
    operators[:] = [(kind, _INSTEAD.get(operator, operator)) for kind, operator in operators]
    setattr(PytestRunner, _in_given_order.__name__, _fastest_first)
    if sys.argv[1:] == ["generate"]:
        sys.argv[1:] = ["run"]
        mutmut.get_mutant_runner = _no_runner
    mutmut.cli()
