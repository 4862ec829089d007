"""mutmut without mutants of message texts, which no test could reasonably detect."""

from __future__ import annotations

import typing as t

import libcst as cst
from mutmut.__main__ import cli
from mutmut.mutation import mutators

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

if __name__ == "__main__":
    operators = t.cast("list[t.Any]", mutators.mutation_operators)
    operators[:] = [(kind, _INSTEAD.get(operator, operator)) for kind, operator in operators]
    cli()
