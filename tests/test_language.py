"""The language of the repository: docstrings open with a verb, names of tests are short."""

from __future__ import annotations

import ast
import typing as t
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = (
    "marketo_opps",
    "tap_marketo_opps",
    "target_marketo_opps",
    "marketo_sandbox",
    "benchmarks",
    "examples",
)
MOST_OBLIQUE = 0.03
MOST_CHARACTERS = 60

# A function's docstring opens with one of these. Add a verb that says what a function does; not
# "have", "let", "tell", "get", "go" or "see", which can mean anything.
VERBS = """
abort accept add advance allow append apply ask assign await begin block bring build bump
calculate call cancel change check choose claim clear close collect compare compile complete
compute configure confirm connect consume convert copy count create decide declare decode delay
delete deliver describe detach determine disable discard discover dismiss do draw drop emit
empty enable encode end enqueue ensure enter escape estimate evaluate execute exit expand expire
explain extend extract fail fetch fill filter find finish fire flatten flush force forget format
forward generate guess handle hash hold ignore include increment initialize insert inspect
install intercept interrupt join keep launch leave limit load lock log look make map mark match
materialize measure merge move normalize note notify open park parse pass pause perform pick
poll pop prefetch prepare prevent print process produce promote propagate provide prune publish
put query queue quote raise read rebuild receive reconcile record redact reduce reformat refuse
register reject release reload remember remove rename render reopen repeat replace report
request require reserve reset resolve respond restart restore resume retry return rewrite rotate
run save scan schedule scrub search seed select send separate serve set settle show shut
simulate skip sleep sort split spread start stop store submit subscribe subtract sum summarize
switch sync take terminate test throttle track translate trim truncate try unblock undo unlock
unpark unwrap update upsert use validate verify wait warn watch withdraw wrap write yield
"""


class Docstring(t.NamedTuple):
    """The first line of a function's docstring, and where it stands."""

    where: str
    text: str

    @property
    def is_oblique(self) -> bool:
        opening, follower = (*self.text.rstrip(".").split(), "", "")[:2]
        is_noun = follower == "of" and opening != "Warn"
        return is_noun or opening.rstrip(",:;").lower() not in VERBS.split()


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [each for each in ast.walk(tree) if isinstance(each, kinds)]


def docstrings(folder: Path) -> list[Docstring]:
    return [
        Docstring(f"{path.relative_to(ROOT)}:{each.lineno}", text.splitlines()[0])
        for path in sorted(folder.rglob("*.py"))
        for each in functions(path)
        if (text := ast.get_docstring(each))
    ]


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_of_functions_open_with_a_verb(package):
    every = docstrings(ROOT / package)
    oblique = [each for each in every if each.is_oblique]

    assert every
    assert len(oblique) <= MOST_OBLIQUE * len(every), "\n".join(
        f"{each.where}: {each.text}" for each in oblique
    )


@pytest.mark.parametrize(
    ("text", "is_oblique"),
    [
        ("Return the key.", False),
        ("Count, then write.", False),
        ("The key of a record.", True),
        ("Whether it is one.", True),
        ("True if it is one.", True),
        ("`count` as text.", True),
        ("Count of the keys.", True),
        ("Warn of each key.", False),
        ("Returns the key.", True),
    ],
)
def test_a_noun_phrase_is_oblique_and_an_imperative_is_not(text, is_oblique):
    assert Docstring("", text).is_oblique == is_oblique


def test_names_of_tests_have_up_to_60_characters():
    names = {
        f"{path.relative_to(ROOT)}:{each.lineno}": each.name.removeprefix("test_")
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for each in functions(path)
        if each.name.startswith("test_")
    }
    long = [
        f"{where}: {name} ({len(name)})"
        for where, name in names.items()
        if len(name) > MOST_CHARACTERS
    ]

    assert len(names) > 1_000
    assert not long, "\n".join(long)
