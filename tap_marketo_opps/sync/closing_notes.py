"""Texts on skipped records and similar facts, for the last log lines of a run; pure."""

from __future__ import annotations

import typing as t

from marketo_opps.wording import counted
from tap_marketo_opps.finding.lead_stage import LEADS
from tap_marketo_opps.finding.stage_plan import OPPORTUNITIES

if t.TYPE_CHECKING:
    from tap_marketo_opps.finding.late_entries import LateEntries
    from tap_marketo_opps.finding.waiting_stage import WaitingStage
    from tap_marketo_opps.sync.stream_output import StreamCounts

_NAMED_BY_ROLES = {OPPORTUNITIES: "opportunity", LEADS: "lead"}


def without_key(stream: str, key: str, count: int) -> str:
    """Return a warning about records that were skipped because they have no key.

    Args:
        stream: Name of the stream.
        key: Name of the key field.
        count: Number of the records.
    """
    return (
        f"{counted(count, 'record')} of {stream} skipped: Marketo sent no {key}, which is the key. "
        "Ask Marketo's support."
    )


def unreadable_entries(stream: str, count: int) -> str:
    """Return a warning about entries of the activity log whose changes could not all be read.

    Args:
        stream: Name of the stream that lacks these changes.
        count: Number of the entries.
    """
    return (
        f"Changes in {counted(count, 'entry')} of the activity log could not be read and are "
        f"missing from {stream}. The stream opportunity_activities has all entries as Marketo sent "
        "them."
    )


def misfits(counts: StreamCounts) -> list[str]:
    """Return a sentence on the values set to null because they do not match their field's type.

    It is in a list, which is empty if there are no such values.

    Args:
        counts: Counts of the stream's output.
    """
    if not counts.misfits:
        return []
    return [f"{counted(counts.misfits, 'value')} set to null for not matching the type"]


def too_old(counts: StreamCounts) -> list[str]:
    """Return a sentence on the records skipped because they are older than `start_date`.

    It is in a list, which is empty if no record was skipped.

    Args:
        counts: Counts of the stream's output.
    """
    if not counts.too_old:
        return []
    return [f"{counted(counts.too_old, 'record')} from before start_date skipped"]


def lateness(late: LateEntries | None) -> list[str]:
    """Return a sentence on how late entries of the activity log became visible.

    It is in a list, which is empty if that was not measured.
    """
    if late is None or late.seconds is None:
        return []
    if not late.seconds:
        return ["no entry of the activity log became visible late"]
    return [f"an entry of the activity log became visible {late.seconds:,} s late or more"]


def lookup_notes(lookup: WaitingStage) -> list[str]:
    """Return sentences on keys that a stage did not find in Marketo, or could not look up."""
    return [*_missing_keys(lookup), *_invalid_keys(lookup), *_not_found(lookup)]


def _missing_keys(lookup: WaitingStage) -> list[str]:
    if not lookup.missing_key_count:
        return []
    return [f"{counted(lookup.missing_key_count, 'role')} without {lookup.naming_field}"]


def _invalid_keys(lookup: WaitingStage) -> list[str]:
    if not lookup.invalid_key_count:
        return []
    count, sample = lookup.invalid_key_count, lookup.sample_invalid_keys
    named = ", ".join(map(repr, sample)) + (", ..." if count > len(sample) else "")
    return [f"{counted(count, 'external id')} with a comma not looked up: {named}"]


def _not_found(lookup: WaitingStage) -> list[str]:
    # A lead need not have a role, nor need an opportunity; but a role has both.
    noun = _NAMED_BY_ROLES.get(lookup.stream)
    if not noun or not lookup.unmatched:
        return []
    return [f"{counted(lookup.unmatched, noun)} named by roles not found"]
