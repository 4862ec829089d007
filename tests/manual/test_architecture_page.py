"""`docs/architecture.md`: its picture, the files that it names, and its examples."""

from __future__ import annotations

import re

import pytest

from tests.manual.pages import ROOT, blocks, page, section
from tests.test_architecture import ARROWS, FOUNDATIONS, PACKAGES, imports, modules, room_of

PAGE = page("architecture.md")
(PICTURE,) = blocks("mermaid", PAGE)
NAMES = re.findall(r"`([\w./]+)`", PAGE)


def part_of(module):
    """Return the name in the picture of what a module belongs to."""
    package = module.partition(".")[0]
    is_foundation = module in FOUNDATIONS.get(package, ())
    return (f"{package}.foundations" if is_foundation else room_of(module)).replace(".", "_")


def closure(arrows):
    """Return each part with all that it leads to."""
    reached = {part: set(targets) for part, targets in arrows.items()}
    for _ in reached:
        for part, targets in reached.items():
            reached[part] = targets.union(*(reached[each] for each in targets))
    return reached


def drawn():
    nodes = re.findall(r'^    (\w+)\["', PICTURE, re.MULTILINE)
    arrows = {node: set() for node in nodes}
    for part, target in re.findall(r"^  (\w+) --> (\w+)$", PICTURE, re.MULTILINE):
        arrows[part].add(target)
    return arrows


def test_the_picture_shows_the_imports_of_the_code():
    real = {part_of(module): set() for module in modules()}
    for module in modules():
        real[part_of(module)] |= {part_of(each) for each in imports(module)} - {part_of(module)}

    assert closure(drawn()) == closure(real)
    assert sum(map(len, drawn().values())) > 15


def test_each_package_is_described():
    rows = re.findall(r"^\| `([\w/]+)` \|", section("Packages", PAGE), re.MULTILINE)

    assert [row for row in rows if not (ROOT / row).is_dir()] == []
    folders = {room for room in ARROWS if (ROOT / room.replace(".", "/")).is_dir()}
    assert {room.replace(".", "/") for room in folders} <= set(rows)
    assert set(PACKAGES) <= set(rows)


@pytest.mark.parametrize("name", sorted({name for name in NAMES if "/" in name}))
def test_every_path_on_the_page_exists(name):
    assert (ROOT / name).exists()


def test_a_link_has_the_name_of_its_file_as_label():
    links = re.findall(r"\[`([\w.]+)`\]\(\.\./([\w/.]+)\)", PAGE)

    assert len(links) > 40
    assert [path for name, path in links if not (ROOT / path).is_file()] == []
    assert [path for name, path in links if path.rpartition("/")[2] != name] == []


@pytest.mark.parametrize("heading", ["The ledger, by an example", "The bookmarks, by an example"])
def test_an_example_on_the_page_is_correct(heading):
    (code,) = blocks("python", section(heading, PAGE))
    assert code.count("assert ") > 1
    exec(compile(code, "architecture.md", "exec"), {})
