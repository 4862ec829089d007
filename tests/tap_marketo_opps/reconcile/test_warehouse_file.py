"""Tests of the file of the warehouse's rows: its chunks, counts and digest, and its errors."""

from __future__ import annotations

import logging
import os

import pytest

from marketo_opps import SettingsError
from tap_marketo_opps.errors import ChangedFileError
from tap_marketo_opps.reconcile.warehouse_file import Row, WarehouseFile

SETTING = "reconcile_opportunities_path"


@pytest.fixture
def file_of(tmp_path):
    """Return a function that returns a file with these lines."""
    path = tmp_path / "rows.csv"

    def make(*lines):
        path.write_text("".join(f"{line}\n" for line in lines))
        return WarehouseFile(SETTING, str(path))

    return make


def _rows(count, first=0):
    return [f"g{number}" for number in range(first, first + count)]


def _spans(file):
    return [(chunk.start, chunk.end, len(chunk.rows)) for chunk in file.chunks()]


def test_rows_have_all_cells_and_their_number_among_those_with_a_guid(file_of, caplog):
    file = file_of("marketoGUID,name", "a,x", ",y", "b,z")
    (chunk,) = file.chunks()
    assert chunk.rows == (Row(0, "a", ("a", "x")), Row(1, "b", ("b", "z")))
    assert (chunk.start, chunk.end) == (0, 2)
    assert [*file.columns] == ["marketoGUID", "name"]
    assert (file.total, file.repeated) == (2, 0)
    (warning,) = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warning.startswith(f"{SETTING}: skipped 1 row without marketoGUID in {file.path}")


@pytest.mark.parametrize(
    ("count", "spans"),
    [
        (1, [(0, 1, 1)]),
        (299, [(0, 299, 299)]),
        (300, [(0, 300, 300)]),
        (301, [(0, 300, 300), (300, 301, 1)]),
        (601, [(0, 300, 300), (300, 600, 300), (600, 601, 1)]),
    ],
)
def test_a_chunk_has_the_guids_of_one_call(file_of, count, spans):
    file = file_of(*_rows(count))
    assert _spans(file) == spans
    assert file.total == count


def test_of_rows_with_the_same_guid_in_a_chunk_the_last_counts(file_of):
    file = file_of("marketoGUID,name", "a,old", "b,x", "A,new")
    (chunk,) = file.chunks()
    assert [row.cells for row in chunk.rows] == [("A", "new"), ("b", "x")]
    assert (file.total, file.repeated) == (3, 1)


def test_a_repeated_guid_makes_room_for_another_in_its_chunk(file_of):
    file = file_of(*_rows(299), "g5", *_rows(2, first=299))
    assert _spans(file) == [(0, 301, 300), (301, 302, 1)]
    assert file.repeated == 1


def test_the_same_guid_in_two_chunks_is_not_repeated(file_of):
    file = file_of(*_rows(300), "g5")
    assert _spans(file) == [(0, 300, 300), (300, 301, 1)]
    assert file.repeated == 0


def test_the_digest_tells_other_rows_and_more_rows(file_of):
    digests = [
        file_of(*rows).digest for rows in (["a", "b"], ["b", "a"], ["a"], ["a", "a"], ["a", "A"])
    ]
    assert len({*digests}) == 5
    assert file_of("a", "b").digest == digests[0]
    assert file_of("marketoGUID,name", "a,x", "b,y").digest == digests[0]


def test_a_file_knows_its_setting_and_when_it_was_made(file_of, tmp_path):
    os.utime(file_of("a").path, (0, 1_767_323_045))
    file = WarehouseFile(SETTING, str(tmp_path / "rows.csv"))
    assert (file.setting, file.path) == (SETTING, str(tmp_path / "rows.csv"))
    assert file.made_at == "2026-01-02T03:04:05Z"


def test_guids_that_cannot_be_looked_up_are_named_by_their_rows(file_of, tmp_path):
    rows = ["good,1", '"bad,1",2', *(f"g{number},3" for number in range(299)), '"bad,2",4']
    with pytest.raises(SettingsError) as caught:
        file_of("marketoGUID,name", *rows)
    where = f"{SETTING}: {tmp_path / 'rows.csv'}"
    rule = "not a marketoGUID, which has no blanks, commas, quotation marks or brackets"
    assert str(caught.value) == f"{where}: {rule}: row 2, row 302."


@pytest.mark.parametrize(
    "line",
    [
        "<html><body>login</body></html>",
        '{"marketoGUID":"g1"}',
        "(1 row)",
        "g1|Ann|ann@b.example",
        "g1;Ann",
        "PK\x03\x04",
        "'g1'",
    ],
)
def test_lines_that_are_no_guids_are_an_error(file_of, line):
    with pytest.raises(SettingsError, match=r"not a marketoGUID, which has .*: row 2\."):
        file_of("g0", line)


def test_guids_of_any_other_form_are_taken(file_of):
    file = file_of("{dff23271-f996-47d7-984f-f2676861b5fb}", "dff23271_F996", "12")
    assert file.total == 3


@pytest.mark.parametrize("lines", [[], ["marketoGUID,name"], ["marketoGUID,name", ",x"]])
def test_a_file_without_guids_is_an_error(file_of, lines):
    with pytest.raises(SettingsError, match=f"^{SETTING}: .*rows.csv contains no values.$"):
        file_of(*lines)


@pytest.mark.parametrize("path", ["missing.csv", "."])
def test_a_file_that_cannot_be_read_is_named_with_its_setting(tmp_path, path):
    with pytest.raises(SettingsError, match=f"^{SETTING}: "):
        WarehouseFile(SETTING, str(tmp_path / path))


@pytest.mark.parametrize("change", [lambda rows: rows[1:], lambda rows: [*rows, "more"]])
def test_a_file_that_changes_between_the_readings_is_an_error(file_of, tmp_path, change):
    rows = _rows(400)
    file = file_of(*rows)
    (tmp_path / "rows.csv").write_text("\n".join(change(rows)))
    with pytest.raises(ChangedFileError) as caught:
        [*file.chunks()]
    assert SETTING in str(caught.value)
    assert file.path in str(caught.value)


def test_a_cell_that_changes_between_the_readings_is_an_error(file_of):
    file = file_of("marketoGUID,name", "a,old")
    file_of("marketoGUID,name", "a,new")
    with pytest.raises(ChangedFileError):
        [*file.chunks()]
