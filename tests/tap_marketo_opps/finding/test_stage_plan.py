"""Tests of what all finders share."""

from __future__ import annotations

from tap_marketo_opps.finding.stage_plan import OPPORTUNITIES, ROLES, any_resume
from tests.tap_marketo_opps.helpers import make_resume_point


def test_the_streams_are_those_that_users_name():
    assert (OPPORTUNITIES, ROLES) == ("opportunities", "opportunity_roles")


def test_the_first_streams_resume_point_stands_for_all():
    first, second = make_resume_point(since="2026-01-01T00:00:00Z"), make_resume_point()
    assert any_resume({ROLES: first, OPPORTUNITIES: second}) is first
    assert any_resume({OPPORTUNITIES: second}) is second
