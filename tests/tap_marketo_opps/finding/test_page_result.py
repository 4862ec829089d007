"""Tests of page results: which records have a key, and the position after the page."""

from __future__ import annotations

import pytest

from tap_marketo_opps.finding.page_result import PageResult, has_guid


def test_a_position_is_resolved_when_the_page_is_written():
    assert PageResult("found", (), position={"next": 3}).resolve_position() == {"next": 3}
    assert PageResult("found", (), position=lambda: {"next": 4}).resolve_position() == {"next": 4}
    assert PageResult("found", ()).resolve_position() is None


def test_a_page_forces_no_record_and_names_no_key():
    page = PageResult("found", ({"marketoGUID": "a"},))
    assert page.emit_regardless_of_age(page.records[0]) is False
    assert (*page.keys, page.is_tracked) == (False,)


@pytest.mark.parametrize("guid", ["a", "0", " a ", 7, 0])
def test_a_text_or_a_number_is_a_guid(guid):
    assert has_guid({"marketoGUID": guid}) is True


@pytest.mark.parametrize("guid", ["", "  ", "\t", None, {}, ["a"], 1.5])
def test_what_is_blank_or_of_another_type_is_no_guid(guid):
    assert has_guid({"marketoGUID": guid}) is False
    assert has_guid({}) is False
