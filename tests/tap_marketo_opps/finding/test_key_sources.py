"""Tests of sources of values and lead IDs: settings and files of any format."""

from __future__ import annotations

import os
import tracemalloc

import pytest

from marketo_opps import SettingsError
from tap_marketo_opps.finding.key_sources import FileKeys, LeadRange, ListedKeys
from tap_marketo_opps.finding.lead_ranges import is_valid_lead_id, plain_lead_id

VALUES = [f"OPP-{number}" for number in range(700)]

MORE = (
    "utf-16-le without mark",
    "utf-16-be without mark",
    "quotes",
    "header",
    "quoted header below a blank line",
    "csv",
    "tsv",
    "semicolons",
    "rows of several lines",
    "utf-16-be",
)

DIGEST_OF_A_AND_B = "911169ddaaf146aff539f58c26c489af"


def _of_file(path, column="externalOpportunityId"):
    return FileKeys("filter_values_path", str(path), column=column)


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
        "\n".join(VALUES).encode("utf-16-le"),
        "\n".join(VALUES).encode("utf-16-be"),
        "\n".join(f'"{value}"' for value in VALUES).encode(),
        "\n".join(["External_Opportunity_ID", *VALUES]).encode(),
        "\n".join(["", '"externalopportunityid"', *VALUES]).encode("utf-8-sig"),
        "\n".join(["Name,externalOpportunityId", *(f'"Day, {v}",{v}' for v in VALUES)]).encode(),
        "\n".join(["externalOpportunityId\tName", *(f"{v}\tDay" for v in VALUES)]).encode(),
        "\n".join(["Name;externalOpportunityId", *(f"Day;{v}" for v in VALUES)]).encode(),
        "\r".join(['a,"externalOpportunityId"', *(f'"x\ry","{v}"' for v in VALUES)]).encode(),
        b"\xfe\xff" + "\n".join(VALUES).encode("utf-16-be"),
    ],
    ids=["plain", "bom", "cr", "blank lines", "blanks around", "utf-16", *MORE],
)
def test_one_value_a_line_in_any_common_encoding(tmp_path, encoded):
    path = tmp_path / "values.txt"
    path.write_bytes(encoded)
    source = _of_file(path)
    assert _all(source) == VALUES
    assert source.total == 700
    assert source.digest == ListedKeys("filter_values", VALUES).digest


@pytest.mark.parametrize("kind", ["file", "list", "range"])
def test_chunks_are_full_and_can_be_read_again_from_any_of_them(tmp_path, kind):
    path = tmp_path / "values.txt"
    path.write_text("\n".join(VALUES))
    source = {
        "file": lambda: _of_file(path),
        "list": lambda: ListedKeys("filter_values", VALUES),
        "range": lambda: LeadRange(11, 710),
    }[kind]()
    chunks = list(source.chunks())
    assert [len(chunk.keys) for chunk in chunks] == [300, 300, 100]
    for number, chunk in enumerate(chunks):
        assert list(source.chunks(chunk.start)) == chunks[number:]
        assert list(source.chunks(chunk.end)) == chunks[number + 1 :]


def test_a_value_given_twice_is_requested_once_a_call():
    source = ListedKeys("filter_values", ["a", "b", "a", " b "])
    assert _all(source) == ["a", "b"]
    assert source.total == 4


def test_invalid_keys_are_counted_and_the_first_five_named(tmp_path):
    path = tmp_path / "values.txt"
    path.write_text("\n".join(["fine", *(f"{n},x" for n in range(8))]))
    with pytest.raises(SettingsError, match="line 2, line 3, line 4, line 5, line 6, and 3 more"):
        _of_file(path)


def _told(make, *given):
    with pytest.raises(SettingsError) as told:
        make(*given)
    return str(told.value)


def test_a_value_that_cannot_be_looked_up_is_reported_with_its_place(tmp_path):
    path = tmp_path / "values.txt"
    path.write_text("a\n\nb,c\n")
    rule = "values with a comma cannot be looked up"
    assert (
        _told(ListedKeys, "filter_values", ["a", "", "b,c"]) == f"filter_values: {rule}: value 3."
    )
    assert _told(_of_file, path) == f"filter_values_path: {path}: {rule}: line 3."


def test_a_source_without_values_is_reported(tmp_path):
    path = tmp_path / "values.txt"
    path.write_text(" \n\n")
    assert _told(ListedKeys, "filter_values", []) == "filter_values contains no values."
    assert _told(_of_file, path) == f"filter_values_path: {path} contains no values."


def test_a_file_that_cannot_be_read_is_reported_with_its_setting(tmp_path):
    missing = tmp_path / "missing.txt"
    assert (
        _told(_of_file, missing)
        == f"filter_values_path: cannot read {missing}: No such file or directory."
    )


def test_a_pipe_and_a_directory_are_refused_for_they_are_read_twice(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, tmp_path):
        assert (
            _told(_of_file, path)
            == f"filter_values_path: {path} is not a regular file, and the file is read twice: "
            "write the lines to a file."
        )


@pytest.mark.parametrize(("before", "line"), [("", 1), ("x" * (2**20 - 1) + "\n", 2)])
def test_a_file_that_is_not_text_is_reported_with_its_line(tmp_path, before, line):
    path = tmp_path / "values.txt"
    path.write_bytes(before.encode() + b"\xff\n")
    assert f"{path} is not valid UTF-8 in line {line} or after it: save it as UTF-8" in _told(
        _of_file, path
    )


def test_the_digest_stays_equal_to_that_in_earlier_bookmarks():
    assert ListedKeys("filter_values", ["a", "b"]).digest == DIGEST_OF_A_AND_B
    assert LeadRange(1, 9).digest == "1-9"


@pytest.mark.parametrize(
    "line", ["12a", "-1", "1.5", "٣", "1 2", "9223372036854775808", 5_000 * "1"]
)
def test_what_is_no_lead_id(line):
    assert not is_valid_lead_id(line)


@pytest.mark.parametrize("line", ["12", "9223372036854775807", "000000000000000000000012"])
def test_what_is_a_lead_id(line):
    assert is_valid_lead_id(line)


@pytest.mark.parametrize("spelt", ["12", "12.0", "+12", "1.2e1"])
def test_a_lead_id_however_it_is_spelt(spelt, tmp_path):
    path = tmp_path / "leads.txt"
    path.write_text(f"{spelt}\n1_2\n")
    keys = {"is_valid": lambda key: True, "read_key": plain_lead_id}
    source = FileKeys("lead_ids_path", str(path), column="Id", **keys)
    assert _all(source) == ["12", "1_2"]


def test_a_file_is_never_all_in_memory(tmp_path):
    path = tmp_path / "values.txt"
    path.write_text("".join(f"{number:01000}\n" for number in range(4000)))
    tracemalloc.start()
    try:
        source = _of_file(path)
        assert sum(len(chunk.keys) for chunk in source.chunks()) == 4000
        _, most_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most_bytes < path.stat().st_size / 2


def test_a_range_of_one():
    assert _all(LeadRange(7, 7)) == ["7"]


CSV = 'Id,Email\n7,a@example.com\n"8","b\n\n,@example.com"\n\n,c@example.com\nsmart,d\n'


def test_of_a_csv_file_lines_are_counted_as_an_editor_counts_them(tmp_path):
    path = tmp_path / "leads.csv"
    path.write_text(CSV)
    told = _told(
        lambda: FileKeys("lead_ids_path", str(path), column="id", is_valid=is_valid_lead_id)
    )
    assert told.endswith("line 8.")
    path.write_text(CSV.replace("smart", "9"))
    source = FileKeys("lead_ids_path", str(path), column="id", is_valid=is_valid_lead_id)
    assert [(chunk.start, chunk.end, chunk.keys) for chunk in source.chunks()] == [
        (0, 8, ("7", "8", "9"))
    ]


def test_rows_without_a_key_are_left_out_and_told(tmp_path, caplog):
    path = tmp_path / "leads.csv"
    path.write_text(CSV.replace("smart", "9"))
    FileKeys("lead_ids_path", str(path), column="Id")
    assert f"lead_ids_path: skipped 1 row without Id in {path}." in caplog.text


@pytest.mark.parametrize("first", ["Name,Stage", "a\tb", '"a, b"', "Email,Name"])
def test_columns_without_such_a_header_are_refused_unquoted(tmp_path, first):
    path = tmp_path / "values.csv"
    path.write_text(f"{first}\nann@example.com,+44 20\n")
    assert (
        _told(_of_file, path) == f"filter_values_path: {path} has several columns and no header "
        "externalOpportunityId: add a header that names the column externalOpportunityId, or write "
        "one value per line."
    )


def test_a_first_line_that_names_no_column_is_a_value(tmp_path):
    path = tmp_path / "values.txt"
    path.write_text("Id;Name\nmarketoGUID\n")
    assert _all(_of_file(path)) == ["Id;Name", "marketoGUID"]


def test_an_exact_column_name_takes_precedence_over_a_similar_one(tmp_path):
    path = tmp_path / "values.csv"
    path.write_text("external_opportunity_id,externalOpportunityId\na,b\n")
    assert _all(_of_file(path)) == ["b"]


def test_quotation_marks_that_are_a_part_of_a_value_stay(tmp_path):
    path = tmp_path / "values.txt"
    path.write_text('"The ""big"" deal"\n"Acme" and "Sons"\n"\n')
    assert _all(_of_file(path)) == ['The "big" deal', '"Acme" and "Sons"', '"']


def test_an_unclosed_quotation_mark_is_reported_with_its_line(tmp_path):
    path = tmp_path / "values.csv"
    path.write_text('externalOpportunityId,Name\na,b\nc,"d\n' + "e,f\n" * 50_000)
    assert f"{path} has an unterminated field in line 3 or after it" in _told(_of_file, path)
