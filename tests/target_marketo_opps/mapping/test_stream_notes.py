"""What is told of properties and values that were not written."""

from __future__ import annotations

from target_marketo_opps.mapping.stream_notes import StreamNotes

FIELDS = ["name", "amount"]


def test_without_anything_to_tell_there_is_no_line():
    notes = StreamNotes("deals")
    assert [*notes.warnings(), *notes.remarks()] == []


def test_properties_without_a_field_are_named_with_similar_ones():
    notes = StreamNotes("deals")
    for name in ("amuont", "mood", "amuont"):
        notes.note_unknown(name, FIELDS)
    notes.note_unknown("mood", ["moody"])
    assert [*notes.warnings()] == [
        (
            "Stream 'deals': the instance has no field for 'amuont' (near: 'amount'), 'mood'; not "
            "written. Name Marketo's field in field_map, as in "
            '{"deals": {"amuont": "..."}}, or see the setting unknown_fields.'
        )
    ]


def test_unknown_properties_are_left_out_if_they_are_ignored():
    notes = StreamNotes("deals", logs_unknown=False)
    notes.note_unknown("mood", FIELDS)
    assert [*notes.warnings()] == []


def test_fields_that_cannot_be_written_and_missing_numbers_are_told():
    notes = StreamNotes("deals")
    for name in ("fiscal", "createdAt", "fiscal"):
        notes.note_unwritable(name)
    notes.missing_numbers += 1_234
    assert [*notes.warnings()] == [
        "Stream 'deals': Marketo does not allow updates of 'fiscal', 'createdAt'; not written.",
        "Stream 'deals': values that are NaN or infinite, treated as null: 1,234.",
    ]


def test_properties_behind_an_exact_name_are_told():
    notes = StreamNotes("deals")
    notes.note_overruled(["Name", "NAME"], "name")
    assert [*notes.remarks()] == [
        f"Stream 'deals': property '{each}' is not written in records that have 'name', which is "
        "the exact name of the field."
        for each in ("Name", "NAME")
    ]
