"""Tests of files of values or leads that change while a run reads them."""

from __future__ import annotations

import itertools
import os

import pytest

from marketo_opps import SettingsError
from tap_marketo_opps.finding.key_sources import FileKeys
from tap_marketo_opps.finding.lead_ranges import is_valid_lead_id
from tests.odd_pages import change_pages

VALUES = [f"OPP-{number:07}" for number in range(3000)]
TOLD = r"{} was changed or removed while this run was reading it: .* run again with the last"


def _text(values):
    return "".join(f"{value}\n" for value in values)


def _overwrite(path, content):
    """Overwrite a file in place, keeping its times, and its size if the length is the same."""
    before = path.stat()
    with path.open("r+b") as file:
        file.truncate()
        file.write(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def _replace(path, content):
    other = path.with_suffix(".new")
    other.write_bytes(content)
    other.replace(path)


CHANGES = {
    "one value another": _text([*VALUES[:2500], "OPP-9999999", *VALUES[2501:]]).encode(),
    "two values exchanged": _text(
        [*VALUES[:2500], VALUES[2799], *VALUES[2501:2799], VALUES[2500], *VALUES[2800:]]
    ).encode(),
    "a line more before": _text([*VALUES[:2400], "", *VALUES[2400:]]).encode(),
    "truncated within": _text(VALUES[:2500]).encode(),
    "truncated at a chunk": _text(VALUES[:2700]).encode(),
    "emptied": b"",
    "grown": _text([*VALUES, "OPP-9999999"]).encode(),
    "no text": _text(VALUES[:2700]).encode() + b"\xe9\n",
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "values.txt"
    path.write_text(_text(VALUES))
    return path


def _source(path):
    return FileKeys("filter_values_path", str(path), column="externalOpportunityId")


@pytest.mark.parametrize("change", [_overwrite, _replace])
@pytest.mark.parametrize("content", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("start", [0, 2100])
def test_of_a_changed_file_no_other_value_is_handed_out(path, change, content, start):
    source = _source(path)
    change(path, content)
    chunks = source.chunks(start)
    handed_out = []
    with pytest.raises(SettingsError, match=TOLD.format("values.txt")):
        handed_out.extend(chunks)
    keys = [key for chunk in handed_out for key in chunk.keys]
    assert keys == VALUES[start : start + len(keys)]


@pytest.mark.parametrize("start", [0, 2100, 3000])
def test_a_file_that_is_gone_is_reported(path, start):
    source = _source(path)
    path.unlink()
    with pytest.raises(SettingsError, match=TOLD.format("values.txt")):
        list(source.chunks(start))


@pytest.mark.parametrize("start", [2700, 3000])
def test_a_file_that_grew_ends_the_run_after_its_former_lines(path, start):
    source = _source(path)
    with path.open("a") as file:
        file.write("OPP-9999999\n")
    with pytest.raises(SettingsError, match=r"^filter_values_path: "):
        list(source.chunks(start))


def test_a_change_while_chunks_are_being_read_is_reported(path):
    source = _source(path)
    chunks = source.chunks()
    next(chunks)
    _overwrite(path, _text(reversed(VALUES)).encode())
    with pytest.raises(SettingsError, match=TOLD.format("values.txt")):
        list(chunks)


def test_the_same_values_in_another_encoding_are_the_same(path):
    source = _source(path)
    _replace(path, _text(VALUES).encode("utf-16"))
    assert [key for chunk in source.chunks() for key in chunk.keys] == VALUES


def test_from_within_a_chunk_it_is_read_as_a_whole(path):
    assert next(_source(path).chunks(650)).keys == tuple(VALUES[600:900])


def test_leads_are_told_by_their_own_setting(path):
    path.write_text(_text(range(1, 1000)))
    source = FileKeys("lead_ids_path", str(path), column="Id", is_valid=is_valid_lead_id)
    path.write_text(_text(range(2, 1001)))
    with pytest.raises(SettingsError, match=r"^lead_ids_path: "):
        next(source.chunks())


# Whole runs


@pytest.fixture
def world(sandbox, path):
    """Write values for more lookups than are queued at once; return them, and settings."""
    ids = sandbox.instance.opportunity_ids()
    values = [f"NONE-{number:06}" for number in range(20_000)] + ids
    path.write_text(_text(values))
    settings = {"filter_values_path": str(path), "max_concurrent_calls": 1, "batch_size": 100}
    return values, {**sandbox.credentials, **settings}


def _changing(sandbox, monkeypatch, after, change):
    """Change the file once so many lookups have been answered."""
    number = itertools.count(1)

    def answer(answered, _asked):
        if next(number) == after:
            change()
        return answered()

    change_pages(sandbox, monkeypatch, "query", answer)


def _everything(sandbox):
    return {one["marketoGUID"] for one in sandbox.instance.opportunities()}


@pytest.mark.parametrize("by_what", ["values", "leads"])
def test_a_run_whose_file_changes_ends_without_a_finished_bookmark(
    *, sandbox, catalog_of, sync, monkeypatch, path, world, by_what
):
    values, config = world
    catalog = catalog_of(sandbox, "opportunities")
    if by_what == "leads":
        values = range(1, 20_001)
        path.write_text(_text(values))
        config = {**config, "find_by": "lead_ids", "lead_ids_path": str(path)}
        del config["filter_values_path"]
    _changing(sandbox, monkeypatch, 5, lambda: path.write_text(_text(reversed(values))))
    with pytest.raises(SettingsError, match=TOLD.format("values.txt")):
        sync(config, catalog=catalog)
    assert sync.written.messages
    for state in sync.written.states:
        assert state["bookmarks"]["opportunities"]["resume"]


def test_after_a_change_the_next_run_finds_what_the_new_file_names(
    *, sandbox, catalog_of, sync, monkeypatch, path, world
):
    values, config = world
    catalog = catalog_of(sandbox, "opportunities")
    _changing(sandbox, monkeypatch, 5, lambda: path.write_text(_text(reversed(values))))
    with pytest.raises(SettingsError):
        sync(config, catalog=catalog)
    rest = sync(config, catalog=catalog, state=sync.written.state)
    assert {*rest.ids()} == _everything(sandbox)


def test_nothing_is_passed_over_where_the_old_file_comes_back(
    *, sandbox, catalog_of, sync, monkeypatch, path, world
):
    values, config = world
    values = values[::-1]
    path.write_text(_text(values))
    catalog = catalog_of(sandbox, "opportunities")
    nothing = _text("~" + value[1:] for value in values)
    with monkeypatch.context() as meanwhile, path.open("r+b") as file:
        # All of it is read while it has another content, which is written at once: what is still
        # being written could come after the old content is back.
        _changing(sandbox, meanwhile, 1, lambda: os.pwrite(file.fileno(), nothing.encode(), 0))
        with pytest.raises(SettingsError):
            sync(config, catalog=catalog)
    part = sync.written
    path.write_text(_text(values))
    rest = sync(config, catalog=catalog, state=part.state)
    assert {*part.ids(), *rest.ids()} == _everything(sandbox)
    asked = {
        value
        for call in sandbox.journal(operation="query opportunity")
        for value in str(call["parameters"].get("filterValues", "")).split(",")
    }
    assert not {value for value in asked if value.startswith("~")}


def test_a_run_that_goes_on_tells_a_change_too(
    *, sandbox, catalog_of, sync, monkeypatch, path, world
):
    values, config = world
    catalog = catalog_of(sandbox, "opportunities")
    sync(config, catalog=catalog, most_bytes=7_000)
    state = sync.written.state
    assert state["bookmarks"]["opportunities"]["resume"]
    # Up to three calls may be left over from the run that was killed.
    _changing(sandbox, monkeypatch, 5, lambda: path.write_text(_text(reversed(values))))
    with pytest.raises(SettingsError, match=TOLD.format("values.txt")):
        sync(config, catalog=catalog, state=state)
    assert all(each["bookmarks"]["opportunities"]["resume"] for each in sync.written.states)
