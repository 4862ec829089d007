"""Tests of the report of settings without effect."""

from __future__ import annotations

import pytest

from tap_marketo_opps.tap import TapMarketoOpps


@pytest.mark.parametrize("setting", ["lead_ids_path", "lead_id_from", "reconcile_roles_path"])
def test_settings_without_effect_for_lack_of_find_by_are_named(setting, caplog):
    settings = {"endpoint": "http://127.0.0.1:9", "client_id": "a", "client_secret": "b"}
    for find_by, told in ((None, 1), ("activities", 0), ("filter", 0)):
        caplog.clear()
        config = {**settings, setting: 7 if setting == "lead_id_from" else "x", "find_by": find_by}
        TapMarketoOpps(config={**config, "filter_values": ["x"]}, setup_mapper=False)
        lines = [line for line in caplog.messages if "no effect" in line]
        assert (
            lines
            == [
                f"{setting}: no effect while find_by is not set; opportunities are found by filter."
            ]
            * told
        )


def test_a_setting_that_is_misspelt_is_told_once(caplog):
    settings = {"endpoint": "http://127.0.0.1:9", "client_id": "a", "client_secret": "b"}
    TapMarketoOpps(config={**settings, "maxconcurrent_calls": "hush"}, setup_mapper=False)
    (line,) = [line for line in caplog.messages if "no effect" in line]
    assert "did you mean 'max_concurrent_calls'?" in line
    assert "hush" not in line
