"""Settings of the tap that are refused, and conflicts among them."""

from __future__ import annotations

import pytest
from singer_sdk.exceptions import ConfigValidationError

from tap_marketo_opps.settings import LARGEST_LEAD_ID, setting_conflicts
from tap_marketo_opps.tap import TapMarketoOpps


def test_a_setting_that_is_misspelt_is_told_once(caplog):
    settings = {"endpoint": "http://127.0.0.1:9", "client_id": "a", "client_secret": "b"}
    TapMarketoOpps(config={**settings, "maxconcurrent_calls": "hush"}, setup_mapper=False)
    (line,) = [line for line in caplog.messages if "no effect" in line]
    assert "did you mean 'max_concurrent_calls'?" in line
    assert "hush" not in line


OUTPUTS = {"report_path", "limits_path"}
INPUTS = {
    *("filter_values_path", "lead_ids_path"),
    *("reconcile_opportunities_path", "reconcile_roles_path"),
}


def test_every_setting_that_names_a_file_is_read_or_written():
    settings = TapMarketoOpps.config_jsonschema["properties"]
    assert {name for name in settings if name.endswith("_path")} == OUTPUTS | INPUTS
    assert set(TapMarketoOpps.output_files) == OUTPUTS
    assert set(TapMarketoOpps.input_files) == INPUTS


@pytest.mark.parametrize("other", ["limits_path", *sorted(INPUTS)])
def test_a_file_to_write_to_is_of_no_other_setting(other):
    settings = {"endpoint": "http://127.0.0.1:9", "client_id": "a", "client_secret": "b"}
    config = {**settings, "report_path": "x", other: "./x"}
    with pytest.raises(ConfigValidationError) as caught:
        TapMarketoOpps(config=config, setup_mapper=False)
    assert caught.value.errors[0] == (
        f"report_path and {other} name the same file (x): give each of them a file of its own."
    )


@pytest.mark.parametrize("setting", ["lead_id_from", "lead_id_to"])
def test_a_lead_id_that_no_lead_can_have_is_refused(setting):
    settings = {"endpoint": "http://127.0.0.1:9", "client_id": "a", "client_secret": "b"}
    leads = {"find_by": "lead_ids", "lead_id_from": 1, "lead_id_to": LARGEST_LEAD_ID}
    assert TapMarketoOpps.settings_errors({**settings, **leads}) == []
    (told,) = TapMarketoOpps.settings_errors({**settings, **leads, setting: 2**63})
    assert told == (
        f"Invalid value for setting '{setting}': must be at most 9223372036854775807 (got "
        "9223372036854775808)."
    )


NO_VALUES = "find_by: filter requires filter_values or filter_values_path"
NO_LEADS = "find_by: lead_ids requires lead_id_from and lead_id_to, or lead_ids_path."
TWO_WAYS = "lead_ids_path cannot be combined with lead_id_from or lead_id_to."


@pytest.mark.parametrize(
    ("find_by", "config", "conflicts"),
    [
        (None, {}, []),
        ("activities", {}, []),
        ("filter", {}, [f"{NO_VALUES}."]),
        ("filter", {"filter_values_path": ""}, [f"{NO_VALUES}."]),
        ("filter", {"filter_values": []}, []),
        ("filter", {"filter_values_path": "x"}, []),
        (
            "filter",
            {"filter_values": ["a"], "filter_values_path": "x"},
            [f"{NO_VALUES}, not both."],
        ),
        ("lead_ids", {}, [NO_LEADS]),
        ("lead_ids", {"lead_id_from": 1}, [NO_LEADS]),
        ("lead_ids", {"lead_id_to": 1}, [NO_LEADS]),
        ("lead_ids", {"lead_id_from": 7, "lead_id_to": 7}, []),
        (
            "lead_ids",
            {"lead_id_from": 8, "lead_id_to": 7},
            ["lead_id_from must not be greater than lead_id_to."],
        ),
        ("lead_ids", {"lead_ids_path": "x"}, []),
        ("lead_ids", {"lead_ids_path": "x", "lead_id_from": 1}, [TWO_WAYS]),
        ("lead_ids", {"lead_ids_path": "x", "lead_id_to": 1}, [TWO_WAYS]),
        ("lead_list", {}, ["find_by: lead_list requires lead_list_id."]),
        ("lead_list", {"lead_list_id": 1}, []),
        (
            "reconcile",
            {},
            [("find_by: reconcile requires reconcile_opportunities_path or reconcile_roles_path.")],
        ),
        ("reconcile", {"reconcile_roles_path": "x"}, []),
        (
            "activities",
            {"start_date": "soon"},
            [
                (
                    "Invalid value for setting 'start_date': must be a date-time such as "
                    "2026-01-31T00:00:00Z (got 'soon')."
                )
            ],
        ),
        (
            "activities",
            {"lead_fields": ["email", "ID"]},
            ["lead_fields must not include id: opportunity_roles have it as leadId."],
        ),
    ],
)
def test_conflicts_are_told_in_a_sentence(find_by, config, conflicts):
    assert setting_conflicts({"find_by": find_by, **config}) == conflicts
