"""Settings of another `find_by` than that of the run, and the line that names them."""

from __future__ import annotations

import logging

import pytest

from tap_marketo_opps.idle_settings import idle_settings, log_idle_settings
from tap_marketo_opps.tap import TapMarketoOpps

LOGGER = logging.getLogger("tap-marketo-opps")
FILTER = ["filter_values", "filter_values_path"]
LEADS = ["lead_id_from", "lead_id_to", "lead_ids_path"]
LIST = ["lead_list_id"]
RECONCILE = ["reconcile_opportunities_path", "reconcile_roles_path"]
ALL = dict.fromkeys([*FILTER, *LEADS, *LIST, *RECONCILE], 1)


@pytest.mark.parametrize(
    ("find_by", "idle"),
    [
        (None, [*LEADS, *LIST, *RECONCILE]),
        ("filter", [*LEADS, *LIST, *RECONCILE]),
        ("activities", [*FILTER, *LEADS, *LIST, *RECONCILE]),
        ("lead_ids", [*FILTER, *LIST, *RECONCILE]),
        ("lead_list", [*FILTER, *LEADS, *RECONCILE]),
        ("reconcile", [*FILTER, *LEADS, *LIST]),
    ],
)
def test_settings_of_other_ways_are_idle(find_by, idle):
    assert idle_settings({**ALL, "find_by": find_by}) == idle


def test_empty_settings_and_defaults_are_not_told(caplog):
    caplog.set_level("INFO")
    settings = {"endpoint": "http://127.0.0.1:9", "client_id": "a", "client_secret": "b"}
    empty = {"filter_values": [], "filter_values_path": "", "lead_ids_path": None}
    TapMarketoOpps(config={**settings, **empty, "find_by": "activities"}, setup_mapper=False)
    assert "no effect" not in caplog.text


@pytest.mark.parametrize(
    ("settings", "level", "told"),
    [
        (
            {"lead_id_from": 1, "reconcile_roles_path": "x"},
            "WARNING",
            (
                "lead_id_from, reconcile_roles_path: no effect while find_by is not set; "
                "opportunities are found by activities."
            ),
        ),
        (
            {"find_by": "activities", "filter_values": ["hush"], "lead_list_id": 7},
            "INFO",
            "filter_values, lead_list_id: no effect with find_by: activities.",
        ),
    ],
)
def test_one_line_names_them(settings, level, told, caplog):
    caplog.set_level("INFO")
    log_idle_settings(settings, LOGGER)
    assert [(line.levelname, line.getMessage()) for line in caplog.records] == [(level, told)]


def test_settings_that_are_used_are_not_told(caplog):
    caplog.set_level("INFO")
    log_idle_settings({"filter_values": ["x"]}, LOGGER)
    log_idle_settings({"find_by": "lead_list", "lead_list_id": 7}, LOGGER)
    assert caplog.records == []
