"""Tests of the encoding of resume points."""

from __future__ import annotations

import json

import pytest

from tap_marketo_opps.finding.resume_point import ResumePoint
from tests.tap_marketo_opps.helpers import make_resume_point

EARLY = "2026-01-01T00:00:00Z"


def test_a_resume_point_is_one_string_and_comes_back():
    resume = make_resume_point(since=EARLY, at={"next": 3, "open": [[0, "token"]]})
    text = resume.encode()
    assert isinstance(text, str)
    assert ResumePoint.decode(text) == resume


@pytest.mark.parametrize(
    "garbage", [None, "", "x", "[]", "7", "[" * 100_000, '{"v": 2}', '{"v": 1}', {"v": 1}]
)
def test_what_is_not_a_resume_point_is_none(garbage):
    assert ResumePoint.decode(garbage) is None


def test_a_resume_point_of_another_version_is_none():
    members = json.loads(make_resume_point().encode())
    assert ResumePoint.decode(json.dumps(members | {"v": 1})) == make_resume_point()
    assert ResumePoint.decode(json.dumps(members | {"v": 2})) is None


def test_resume_points_are_short():
    assert len(json.dumps(make_resume_point().encode())) < 300
    assert " " not in make_resume_point().encode()


def test_a_resume_point_is_ahead_only_of_earlier_timestamps():
    resume = make_resume_point(since=EARLY)
    assert resume.is_ahead_of("2026-02-28T23:59:59Z")
    assert not resume.is_ahead_of(resume.began)
