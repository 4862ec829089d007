"""`docs/schedule.md`: its sums and the settings that it names."""

from __future__ import annotations

import math
import re

import pytest

from tap_marketo_opps.settings import TAP_SETTINGS
from target_marketo_opps.settings import CONFIG_SCHEMA
from tests.manual.pages import page
from tests.manual.test_operating import CALLS_A_MINUTE, number, value

PAGE = page("schedule.md")
ROWS = re.findall(
    r"^\| .* \| .* \| (.*) \| ([\d,]+) \| ([\d,]+) min \| (\d+) % \| (\d+) % \|$",
    PAGE,
    re.MULTILINE,
)


@pytest.mark.parametrize(("terms", "total", "minutes", "small", "large"), ROWS)
def test_calculations_on_the_page_are_correct(terms, total, minutes, small, large):
    calls = sum(map(value, terms.split(" + ")))
    assert calls == number(total)
    assert math.ceil(calls / CALLS_A_MINUTE) == number(minutes)
    assert (math.ceil(calls / 100), math.ceil(calls / 500)) == (int(small), int(large))


def test_the_schedule_has_a_row_for_each_run():
    assert len(ROWS) == 9


def test_names_of_settings_on_the_page_exist():
    ways = TAP_SETTINGS["find_by"]["enum"]
    known = {*TAP_SETTINGS, *CONFIG_SCHEMA["properties"], *ways}
    assert set(re.findall(r"`([a-z_]+)`", PAGE)) <= known
