"""Collects the error and warning messages from the source code."""

from __future__ import annotations

import ast
import re
import typing as t
from dataclasses import dataclass

from tests.manual.pages import ROOT

PACKAGES = ("marketo_opps", "tap_marketo_opps", "target_marketo_opps")
# What the fake Marketo answers with, and how a demo fails, is for the sandbox's own page.
LEFT_OUT = ROOT / "marketo_opps" / "sandbox"
# Called with the text of a message, besides the constructors of errors.
TELLING = {
    *("warning", "error", "critical", "Reason", "_tell"),
    *("unexpected_response", "_unexpected_response", "_unexpected"),
}
WORDS = 4


@dataclass(frozen=True)
class Template:
    """The text of a message, with `...` for its variable parts, and its place in the source."""

    text: str
    where: str

    @property
    def first_words(self) -> str:
        """Return the first words that are constant; empty if there are too few."""
        parts = [part.strip() for part in self.text.split("...")]
        told = next((part for part in parts if part.count(" ") >= 2), "")
        return " ".join(told.split()[:WORDS]).rstrip(".,:;(")


def templates() -> list[Template]:
    """Return every message of the three packages."""
    paths = [path for each in PACKAGES for path in sorted((ROOT / each).rglob("*.py"))]
    return [
        template for path in paths if LEFT_OUT not in path.parents for template in _in_file(path)
    ]


def _in_file(path: t.Any) -> t.Iterator[Template]:
    tree = ast.parse(path.read_text())
    functions = {each.name: each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and _tells(call):
            for argument in call.args:
                for text in _texts(argument, functions):
                    yield Template(text, f"{path.name}:{call.lineno}")


def _tells(call: ast.Call) -> bool:
    name = _name(call.func)
    return name in TELLING or name == "__init__" or name.endswith("Error")


def _name(node: ast.expr) -> str:
    return getattr(node, "id", getattr(node, "attr", ""))


def _texts(node: ast.expr, functions: dict[str, ast.FunctionDef]) -> t.Iterator[str]:
    """Yield the texts of an argument, or those that a called function of the file returns."""
    if isinstance(node, ast.Call) and _name(node.func) in functions:
        for each in ast.walk(functions[_name(node.func)]):
            if isinstance(each, ast.Return) and each.value is not None:
                yield from _texts(each.value, {})
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield re.sub(r"%(?:\.\d)?[a-z]", "...", node.value)
    elif isinstance(node, ast.JoinedStr):
        yield "".join(
            str(part.value) if isinstance(part, ast.Constant) else "..." for part in node.values
        )
    elif isinstance(node, ast.BinOp):
        yield from _texts(node.left, functions)
