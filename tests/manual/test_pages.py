"""Tests of the reader that runs the manual's shell blocks."""

from __future__ import annotations

import pytest

from tests.manual.pages import Reader, section

PAGE = """
# A page
```sh
mkdir -p inner && cd inner
export KEPT=1
lost=2
```
Then:
```sh
# No heading
echo "$KEPT ${lost:-} $(basename "$PWD") ENDPOINT"
```
## Inner
```sh
false | true
echo never
```
# Next
```json
{}
```
"""


@pytest.fixture
def reader(tmp_path):
    directory = tmp_path / "there"
    directory.mkdir()
    return Reader(PAGE, directory, {"ENDPOINT": "mine"})


def test_a_block_continues_where_the_previous_one_ended(reader):
    reader.does("mkdir")

    assert reader.does("echo").stdout == "1  inner mine\n"


def test_a_block_ends_at_its_first_failure(reader):
    reader.does()
    reader.does()

    assert reader.does("false", code=1).stdout == ""


def test_an_unexpected_failure_is_an_error(reader):
    with pytest.raises(AssertionError, match="echo never"):
        reader.does_the_rest()


def test_an_unexpected_block_is_an_error(reader):
    with pytest.raises(AssertionError, match="another block is next"):
        reader.does("echo")


def test_third_party_programs_have_stand_ins(reader):
    reader.has("mkdir", "echo stood in; /bin/mkdir inner")

    assert reader.does().stdout == "stood in\n"


def test_a_section_ends_at_the_next_heading_of_its_level():
    assert section("A page", PAGE).count("```sh") == 3
    assert section("Inner", PAGE).count("```") == 2
    assert section("Next", PAGE).count("```json") == 1
