"""The picture in docs/architecture.md: which part of the code imports which, as Mermaid."""

from __future__ import annotations

import typing as t

from tests.test_architecture import FOUNDATIONS, PACKAGES, ROOT, imports, modules, room_of

Arrows = dict[str, set[str]]
_FOUNDATION = "foundations"


def part_of(module: str) -> str:
    """Return the part that a module belongs to: its room, or its package's foundations."""
    package = module.partition(".")[0]
    if module in FOUNDATIONS.get(package, ()):
        return f"{package}.{_FOUNDATION}"
    return room_of(module)


def arrows() -> Arrows:
    """Return each part with the parts that its modules import."""
    found: Arrows = {part_of(module): set() for module in modules()}
    for module in modules():
        part = part_of(module)
        found[part] |= {part_of(each) for each in imports(module)} - {part}
    return found


def drawn(found: Arrows) -> Arrows:
    """Return the arrows without those that are implied by two others in a row."""
    reach: Arrows = {}

    def reachable(part: str) -> set[str]:
        if part not in reach:
            reach[part] = set(found[part]).union(*map(reachable, found[part]))
        return reach[part]

    return {
        part: {each for each in targets if not any(each in reachable(o) for o in targets - {each})}
        for part, targets in found.items()
    }


def mermaid() -> str:
    """Return the flowchart as a fenced Mermaid block."""
    found = drawn(arrows())
    lines = ["```mermaid", "flowchart TD"]
    for package in PACKAGES:
        lines += _box(package, [part for part in sorted(found) if _package(part) == package])
    lines += [
        f"  {_name(part)} --> {_name(each)}"
        for part, targets in sorted(found.items())
        for each in sorted(targets)
    ]
    return "\n".join([*lines, "```"])


def _box(package: str, parts: t.Sequence[str]) -> list[str]:
    nodes = [f'    {_name(part)}["{_label(part)}"]' for part in parts]
    return [f"  subgraph {package}_box [{package}]", *nodes, "  end"]


def _package(part: str) -> str:
    return part.partition(".")[0]


def _name(part: str) -> str:
    return part.replace(".", "_")


def _label(part: str) -> str:
    package, _, rest = part.partition(".")
    if rest == _FOUNDATION:
        names = sorted(each.rpartition(".")[2] for each in FOUNDATIONS[package])
        return ", ".join(names)
    if (ROOT / package / rest).is_dir():
        return f"{rest}/" if rest else f"modules of {package}"
    return rest
