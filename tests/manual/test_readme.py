"""README: the lines that keep a state, the picture at its top, and the words that people search."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from xml.etree import ElementTree as ET

import pytest

from tests.manual.pages import ROOT, page, section

README = page("README.md")
MANUAL = [path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))]
KEEPING = {line for line in README.splitlines() if line.startswith("tail ")}
MESSAGES = page("errors.md") + page("operating.md")
TROUBLES = re.findall(r"^\| ([^|]*\*.*?) \|", section("Troubleshooting", README), re.MULTILINE)
QUOTED = sorted({text for cell in TROUBLES for text in re.findall(r"\*([^*]+)\*", cell)})
PICTURE = ROOT / "docs" / "images" / "overview.svg"
SEARCHED = (
    "rate limit",
    "daily API quota",
    "retry",
    "timeout",
    "backfill",
    "field mapping",
    "dead letters",
    "reconcile",
    "soft delete",
)


@pytest.mark.parametrize(
    ("printed", "kept"),
    [("", 1), ('{"n": 2}\n', 2), ('{"n": 2}\n{"n": 3}\n', 3), ('{"n": 2}\n{"n": ', 1)],
)
def test_a_state_file_is_replaced_only_by_a_complete_state(printed, kept, tmp_path):
    (line,) = KEEPING
    (tmp_path / "state.json").write_text('{"n": 1}')
    (tmp_path / "state.jsonl").write_text(printed)
    subprocess.run(["bash", "-c", line], cwd=tmp_path, check=False, capture_output=True)
    assert json.loads((tmp_path / "state.json").read_text()) == {"n": kept}


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_message_of_troubleshooting_is_one_of_the_manual(quoted):
    # The pages that these are in are held to the code.
    assert len(QUOTED) > 7
    assert re.search(re.escape(quoted).replace(r"\.\.\.", ".+"), MESSAGES)


@pytest.mark.parametrize("words", SEARCHED)
def test_words_searched_for_are_in_readme_and_manual(words):
    assert words.casefold() in README.casefold()
    assert [text for text in MANUAL if words.casefold() in text.casefold()]


def test_the_picture_names_each_program_of_the_project():
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    svg = ET.parse(PICTURE).getroot()
    texts = [each.text for each in svg.iter() if each.tag.endswith("}text")]

    assert scripts.keys() <= set(texts)
    assert f"](docs/images/{PICTURE.name})" in README


def test_the_picture_has_colours_for_a_dark_page():
    text = PICTURE.read_text()
    assert "prefers-color-scheme: dark" in text
    assert "<script" not in text
