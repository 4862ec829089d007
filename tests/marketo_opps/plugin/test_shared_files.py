"""Settings that name one file are found, however its path is written."""

from __future__ import annotations

import os

import pytest

from marketo_opps.plugin.shared_files import errors_of_sharing, shared_file_errors


def is_shared(one, other):
    return bool(errors_of_sharing("a_path", one, {"b_path": other}))


def test_the_sentence_names_both_settings_and_the_file():
    assert errors_of_sharing("a_path", "x", {"b_path": "y", "c_path": "x"}) == [
        "a_path and c_path name the same file (x): give each of them a file of its own."
    ]


def test_each_pair_is_found_once_unless_both_are_only_read():
    config = dict.fromkeys(("out", "other_out", "read", "also_read", "none"), "x")
    found = shared_file_errors(config, ["out", "other_out"], ["read", "also_read"])
    assert [each.partition(" name ")[0] for each in found] == [
        "out and other_out",
        "out and read",
        "out and also_read",
        "other_out and read",
        "other_out and also_read",
    ]


def test_a_setting_is_not_compared_with_itself():
    assert not errors_of_sharing("a_path", "x", {"a_path": "x"})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a working directory with a file, links to it, and other files."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "other").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "symbolic").symlink_to("file")
    (tmp_path / "hard").hardlink_to("file")
    (tmp_path / "dangling").symlink_to("new")
    (tmp_path / "loop").symlink_to("loop")
    return tmp_path


@pytest.mark.parametrize("other", ["file", "./file", "folder/../file", "symbolic", "hard"])
def test_an_existing_file_is_recognized(folder, other):
    assert is_shared("file", other)
    assert is_shared(str(folder / "file"), other)


@pytest.mark.parametrize("other", ["new", "./new", "folder/../new", "dangling"])
def test_a_file_that_does_not_exist_is_recognized(folder, other):
    assert is_shared("new", other)
    assert is_shared(str(folder / "new"), other)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("other", ["other", "new", "loop", "a\0b", "\ud800", "", None, 5, ["file"]])
def test_another_file_or_no_path_is_not_the_file(other):
    assert not is_shared("file", other)
    assert not is_shared(other, "file")


@pytest.mark.parametrize("value", ["", None, 5, ["file"], "a\0b", os.devnull])
def test_equal_values_that_name_no_file_or_a_device_are_taken(value):
    assert not is_shared(value, value)
