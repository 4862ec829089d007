"""Values and lead ids, from settings and from files of any kind."""

from __future__ import annotations

import tracemalloc

import pytest

from marketo_opps import SettingsError
from tap_marketo_opps.finding.key_sources import FileKeys, LeadRange, ListedKeys, is_invalid_lead_id

VALUES = [f"OPP-{number}" for number in range(700)]

DIGEST_OF_A_AND_B = "911169ddaaf146aff539f58c26c489af"


def _all(source, start=0):
    return [key for chunk in source.chunks(start) for key in chunk.keys]


@pytest.mark.parametrize(
    "encoded",
    [
        "\n".join(VALUES).encode(),
        "\r\n".join(VALUES).encode("utf-8-sig"),
        "\r".join(VALUES).encode() + b"\r",
        "\n\n  \n".join(VALUES).encode(),
        "\n".join(f"  {value}\t" for value in VALUES).encode(),
        "\r\n".join(VALUES).encode("utf-16"),
        b"\xfe\xff" + "\n".join(VALUES).encode("utf-16-be"),
    ],
    ids=["plain", "bom", "cr", "blank lines", "blanks around", "utf-16", "utf-16-be"],
)
def test_one_value_a_line_in_any_common_encoding(tmp_path, encoded):
    path = tmp_path / "values.txt"
    path.write_bytes(encoded)
    source = FileKeys("filter_values_path", str(path))
    assert _all(source) == VALUES
    assert source.total == 700
    assert source.digest == ListedKeys("filter_values", VALUES).digest


@pytest.mark.parametrize("kind", ["file", "list", "range"])
def test_chunks_are_full_and_can_be_read_again_from_any_of_them(tmp_path, kind):
    path = tmp_path / "values.txt"
    path.write_text("\n".join(VALUES))
    source = {
        "file": lambda: FileKeys("filter_values_path", str(path)),
        "list": lambda: ListedKeys("filter_values", VALUES),
        "range": lambda: LeadRange(11, 710),
    }[kind]()
    chunks = list(source.chunks())
    assert [len(chunk.keys) for chunk in chunks] == [300, 300, 100]
    for number, chunk in enumerate(chunks):
        assert list(source.chunks(chunk.start)) == chunks[number:]
        assert list(source.chunks(chunk.end)) == chunks[number + 1 :]


def test_a_value_given_twice_is_asked_for_once_a_call():
    source = ListedKeys("filter_values", ["a", "b", "a", " b "])
    assert _all(source) == ["a", "b"]
    assert source.total == 4


def test_every_key_that_cannot_be_looked_up_is_counted_and_the_first_are_named(tmp_path):
    path = tmp_path / "values.txt"
    path.write_text("\n".join(["fine", *(f"{n},x" for n in range(8))]))
    with pytest.raises(SettingsError, match=r"line 2 '0,x', .*, line 6 '4,x', and 3 more"):
        FileKeys("filter_values_path", str(path))


def _told(make, *given):
    with pytest.raises(SettingsError) as told:
        make(*given)
    return str(told.value)


def test_a_value_that_cannot_be_looked_up_is_told_with_its_place(tmp_path):
    path = tmp_path / "values.txt"
    path.write_text("a\n\nb,c\n")
    rule = "a value that holds a comma cannot be looked up"
    assert (
        _told(ListedKeys, "filter_values", ["a", "", "b,c"])
        == f"filter_values: {rule}: value 3 'b,c'."
    )
    assert (
        _told(FileKeys, "filter_values_path", str(path))
        == f"filter_values_path: {path}: {rule}: line 3 'b,c'."
    )


def test_a_source_without_values_is_told(tmp_path):
    path = tmp_path / "values.txt"
    path.write_text(" \n\n")
    assert _told(ListedKeys, "filter_values", []) == "filter_values holds no values."
    assert (
        _told(FileKeys, "filter_values_path", str(path))
        == f"filter_values_path: {path} holds no values."
    )


def test_a_file_that_cannot_be_read_is_told_with_its_setting(tmp_path):
    missing = tmp_path / "missing.txt"
    assert (
        _told(FileKeys, "lead_ids_path", str(missing))
        == f"lead_ids_path: cannot read {missing}: No such file or directory."
    )
    assert (
        _told(FileKeys, "lead_ids_path", str(tmp_path))
        == f"lead_ids_path: {tmp_path} is no regular file."
    )


@pytest.mark.parametrize(("before", "line"), [("", 1), ("x" * (2**20 - 1) + "\n", 2)])
def test_a_file_that_is_no_text_is_told_with_the_line_from_which_on(tmp_path, before, line):
    path = tmp_path / "values.txt"
    path.write_bytes(before.encode() + b"\xff\n")
    assert f"{path} is not text in UTF-8, in line {line} or after it: save it as UTF-8" in _told(
        FileKeys, "filter_values_path", str(path)
    )


def test_the_digest_stays_what_it_is_for_bookmarks_of_earlier_runs_hold_it():
    assert ListedKeys("filter_values", ["a", "b"]).digest == DIGEST_OF_A_AND_B
    assert LeadRange(1, 9).digest == "1-9"


@pytest.mark.parametrize("line", ["12a", "-1", "1.5", "٣", "1 2"])
def test_what_is_no_lead_id(line):
    assert is_invalid_lead_id(line)
    assert not is_invalid_lead_id("12")


def test_a_file_is_never_all_in_memory(tmp_path):
    path = tmp_path / "values.txt"
    path.write_text("".join(f"{number:01000}\n" for number in range(4000)))
    tracemalloc.start()
    try:
        source = FileKeys("filter_values_path", str(path))
        assert sum(len(chunk.keys) for chunk in source.chunks()) == 4000
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < path.stat().st_size / 2


def test_a_range_of_one():
    assert _all(LeadRange(7, 7)) == ["7"]
