"""Tests of the position of a page result."""

from __future__ import annotations

from tap_marketo_opps.finding.page_result import PageResult


def test_a_position_is_resolved_when_the_page_is_written():
    assert PageResult("found", (), position={"next": 3}).resolve_position() == {"next": 3}
    assert PageResult("found", (), position=lambda: {"next": 4}).resolve_position() == {"next": 4}
    assert PageResult("found", ()).resolve_position() is None
