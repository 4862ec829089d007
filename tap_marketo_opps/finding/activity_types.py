"""Which types of activities are followed on an instance, and what users are told of it; pure.

Types are known by their names, which every instance lists with its own ids; in practice the ids are
the same everywhere, so where a name is not found the number is.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from tap_marketo_opps.errors import NoActivityTypesError

if t.TYPE_CHECKING:
    from collections.abc import Mapping

ADD, REMOVE, UPDATE = "Add to Opportunity", "Remove from Opportunity", "Update Opportunity"
MERGE_LEADS = "Merge Leads"
NUMBERS = {
    ADD: 34,
    REMOVE: 35,
    UPDATE: 36,
    MERGE_LEADS: 32,
}
"""Standard names of the types that are followed, and their ids in practice."""

ABOUT_OPPORTUNITIES = tuple(name for name in NUMBERS if name != MERGE_LEADS)

_SUBJECT = "opportunity"


@dataclass(frozen=True, slots=True)
class FollowedTypes:
    """The types of an instance that are followed.

    Attributes:
        names: Ids of those about opportunities, and their standard names.
        merges: Ids of those that tell of leads merged into another.
        missing: Standard names of those that the instance does not have.
        warnings: Sentences on what is not seen, or only taken for what it is.
        notes: Sentences on what is left aside.
    """

    names: Mapping[int, str]
    merges: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def followed_types(listed: Mapping[str, int]) -> FollowedTypes:
    """Choose among the types that an instance lists, by name and id.

    Raises:
        NoActivityTypesError: None of them is about opportunities.
    """
    by_name = _found_by_name(listed)
    by_number = _found_by_number(listed, by_name)
    names = {**by_name, **{number: name for number, (name, _) in by_number.items()}}
    about = {number: name for number, name in names.items() if name in ABOUT_OPPORTUNITIES}
    if not about:
        raise NoActivityTypesError(
            f"This instance has none of the activity types {', '.join(ABOUT_OPPORTUNITIES)}, so "
            "nothing can be found in the activity log: use find_by: filter or lead_ids."
        )
    missing = tuple(name for name in NUMBERS if name not in names.values())
    return FollowedTypes(
        names=about,
        merges=tuple(number for number, name in names.items() if name == MERGE_LEADS),
        missing=missing,
        warnings=(*map(_missing_sentence, missing), *_renamed_sentences(by_number)),
        notes=tuple(_other_sentences(listed, names)),
    )


def _found_by_name(listed: Mapping[str, int]) -> dict[int, str]:
    standard = {_comparable(name): name for name in NUMBERS}
    return {
        number: standard[_comparable(name)]
        for name, number in listed.items()
        if _comparable(name) in standard
    }


def _found_by_number(
    listed: Mapping[str, int], by_name: Mapping[int, str]
) -> dict[int, tuple[str, str]]:
    """Return ids of types that go by other names: the standard name of each, and its own."""
    own_names = {number: name for name, number in listed.items()}
    return {
        number: (name, own_names[number])
        for name, number in NUMBERS.items()
        if name not in by_name.values() and number in own_names and number not in by_name
    }


def _comparable(name: str) -> str:
    return str(name).strip().casefold()


def _missing_sentence(name: str) -> str:
    return (
        f"This instance has no activity type {name}: changes that only such entries of the log "
        "record are missed. Run a sweep from time to time (find_by: lead_ids)."
    )


def _renamed_sentences(by_number: Mapping[int, tuple[str, str]]) -> list[str]:
    return [
        f"No activity type is named {name}: reading type {number}, {own_name!r}, instead."
        for number, (name, own_name) in by_number.items()
    ]


def _other_sentences(listed: Mapping[str, int], followed: Mapping[int, str]) -> list[str]:
    others = [
        f"{name!r} ({number})"
        for name, number in listed.items()
        if _SUBJECT in _comparable(name) and number not in followed
    ]
    if not others:
        return []
    return [f"Activity types about opportunities that are not read: {', '.join(others)}."]
