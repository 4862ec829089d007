"""Sentences on skipped records in the last log lines of a run."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tap_marketo_opps.sync import closing_notes


def test_records_without_a_key_are_told():
    assert closing_notes.without_key("opportunities", "marketoGUID", 1_234) == (
        "1,234 records of opportunities skipped: Marketo sent no marketoGUID, which is the key. "
        "Ask Marketo's support."
    )


def test_unreadable_entries_are_told():
    assert closing_notes.unreadable_entries("opportunity_changes", 1) == (
        "Changes in 1 entry of the activity log could not be read and are missing from "
        "opportunity_changes. The stream opportunity_activities has all entries as Marketo sent "
        "them."
    )


def test_misfits_and_old_records_are_told_if_there_are_any():
    some, none = SimpleNamespace(misfits=1, too_old=2), SimpleNamespace(misfits=0, too_old=0)
    assert closing_notes.misfits(some) == ["1 value set to null for not matching the type"]
    assert closing_notes.too_old(some) == ["2 records from before start_date skipped"]
    assert closing_notes.misfits(none) == closing_notes.too_old(none) == []


@pytest.mark.parametrize(
    ("late", "told"),
    [
        (None, []),
        (SimpleNamespace(seconds=None), []),
        (SimpleNamespace(seconds=0), ["no entry of the activity log became visible late"]),
        (
            SimpleNamespace(seconds=1_800),
            ["an entry of the activity log became visible 1,800 s late or more"],
        ),
    ],
)
def test_lateness_is_told_if_it_was_measured(late, told):
    assert closing_notes.lateness(late) == told


def notes(stream="opportunities", *, missing=0, invalid=(), count=None, unmatched=0):
    lookup = SimpleNamespace(
        stream=stream,
        naming_field="leadId",
        missing_key_count=missing,
        invalid_key_count=len(invalid) if count is None else count,
        sample_invalid_keys=[*invalid],
        unmatched=unmatched,
    )
    return closing_notes.lookup_notes(lookup)


def test_keys_that_were_not_found_are_told():
    assert notes(missing=1, invalid=["a,b"], unmatched=2) == [
        "1 role without leadId",
        "1 external id with a comma not looked up: 'a,b'",
        "2 opportunities named by roles not found",
    ]
    assert notes("leads", unmatched=1) == ["1 lead named by roles not found"]
    assert notes("opportunity_roles", unmatched=5) == []
    assert notes() == []


def test_only_a_few_invalid_keys_are_named():
    assert notes(invalid=["a,", "b,"], count=2)[0].endswith("not looked up: 'a,', 'b,'")
    assert notes(invalid=["a,", "b,"], count=3)[0].endswith("not looked up: 'a,', 'b,', ...")
