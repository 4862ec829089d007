"""Selection of the activity types to read among those of an instance; pure.

Types are identified by name, because IDs may differ between instances. In practice the IDs are the
same everywhere, so a type whose name is missing is identified by its usual ID.
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
"""Standard names of the activity types that the tap reads, and their usual IDs."""

ABOUT_OPPORTUNITIES = tuple(name for name in NUMBERS if name != MERGE_LEADS)

_SUBJECT = "opportunity"


@dataclass(frozen=True, slots=True)
class FollowedTypes:
    """The activity types of an instance that the tap reads.

    Attributes:
        names: Maps IDs of the types about opportunities to their standard names.
        merges: IDs of the types about merged leads.
        missing: Standard names of types that the instance does not have.
        warnings: Sentences on missing types, and on types identified only by their ID.
        notes: Sentences on types about opportunities that the tap does not read.
    """

    names: Mapping[int, str]
    merges: tuple[int, ...] = ()
    missing: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def followed_types(listed: Mapping[str, int]) -> FollowedTypes:
    """Return the activity types to read.

    Args:
        listed: Maps names of the instance's activity types to their IDs.

    Raises:
        NoActivityTypesError: None of the types is about opportunities.
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
    """Return the activity types that the instance has under their usual ID but under another name.

    Args:
        listed: Maps names of the instance's activity types to their IDs.
        by_name: Maps the IDs of the types found by their standard name to that name.

    Returns:
        A dict from each ID to a pair of names: the standard name, and the instance's own.
    """
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
