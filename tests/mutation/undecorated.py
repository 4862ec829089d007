"""Rewriting of decorated functions without decorators, because mutmut skips decorated ones."""

from __future__ import annotations

import libcst as cst

_LEFT_ALONE = frozenset({"staticmethod", "classmethod", "overload", "override", "abstractmethod"})


class _Undecorating(cst.CSTTransformer):
    def leave_FunctionDef(  # noqa: N802 - libcst's name
        self,
        original_node: cst.FunctionDef,
        updated_node: cst.FunctionDef,
    ) -> cst.FunctionDef | cst.FlattenSentinel[cst.BaseStatement]:
        if len(original_node.decorators) != 1:
            return updated_node
        decorator = original_node.decorators[0].decorator
        if _last_name(decorator) in _LEFT_ALONE:
            return updated_node
        name = updated_node.name.value
        wrapped = cst.parse_statement(f"{name} = {cst.Module([]).code_for_node(decorator)}({name})")
        return cst.FlattenSentinel([updated_node.with_changes(decorators=()), wrapped])


def _last_name(decorator: cst.BaseExpression) -> str | None:
    if isinstance(decorator, cst.Attribute):
        return decorator.attr.value
    return decorator.value if isinstance(decorator, cst.Name) else None


def undecorate(source: str) -> str:
    """Replace each decorator by an assignment below: `@property` by `size = property(size)`."""
    return cst.parse_module(source).visit(_Undecorating()).code
