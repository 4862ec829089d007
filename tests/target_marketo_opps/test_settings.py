"""Test that invalid settings are reported before any call."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from singer_sdk.exceptions import ConfigValidationError

from target_marketo_opps.target import TargetMarketoOpps

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).with_name("target-marketo-opps")
OFFERED = {
    "endpoint",
    "client_id",
    "client_secret",
    "calls_per_20_seconds",
    "max_concurrent_calls",
    "daily_call_limit",
    "limits_path",
    "max_retry_seconds",
    "user_agent",
    "action",
    "dedupe_by",
    "field_map",
    "stream_objects",
    "unknown_fields",
    "nulls",
    "skip_unchanged",
    "truncate_strings",
    "hard_delete",
    "lead_lookup_field",
    "lead_lookup_many",
    "merge_versions",
    "receipts_path",
    "diff_path",
    "rejects_path",
    "report_path",
    "log_format",
    "max_rejects",
    "max_records",
    "dry_run",
    "stream_maps",
    "stream_map_config",
    "flattening_enabled",
    "flattening_max_depth",
    "flattening_max_key_length",
    "flattening_separator",
}


def about():
    done = subprocess.run([COMMAND, "--about", "--format=json"], capture_output=True, check=True)
    return json.loads(done.stdout)


def test_only_supported_settings_are_offered():
    told = about()
    assert set(told["settings"]["properties"]) == OFFERED
    assert told["version"] != "[could not be detected]"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"endpoint": None}, "endpoint"),
        ({"endpoint": "nonsense"}, "endpoint"),
        ({"endpoint": "http://example.com"}, "plain http"),
        ({"action": "upsert"}, "action"),
        ({"max_rejects": -2}, "max_rejects"),
        ({"stream_objects": {"a": "leads"}}, "stream_objects"),
        ({"dedupe_by": "idField"}, "dedupe_by 'idField' needs action 'updateOnly'"),
        ({"lead_lookup_field": "Id"}, "lead_lookup_field must not be 'id'"),
        ({"lead_lookup_many": "first"}, "lead_lookup_many"),
        (
            {"lead_lookup_field": "email", "dedupe_by": "idField", "action": "updateOnly"},
            "lead_lookup_field cannot be combined with dedupe_by 'idField'",
        ),
        ({"client_secret": ""}, "client_secret"),
        ({"rejects_path": ""}, "rejects_path"),
        ({"max_records": 0}, "max_records"),
    ],
)
def test_an_invalid_setting_is_an_error(settings, sentence):
    config = {
        "endpoint": "https://123-ABC-456.mktorest.com/rest",
        "client_id": "i",
        "client_secret": "hush",
        **settings,
    }
    with pytest.raises(ConfigValidationError) as caught:
        TargetMarketoOpps(
            config={name: value for name, value in config.items() if value is not None}
        )
    assert any(sentence in error for error in caught.value.errors)
    assert "hush" not in " ".join(caught.value.errors)


def test_records_may_be_updated_by_their_guid():
    config = {
        "endpoint": "https://123-ABC-456.mktorest.com/rest",
        "client_id": "i",
        "client_secret": "s",
    }
    TargetMarketoOpps(config={**config, "dedupe_by": "idField", "action": "updateOnly"})


def test_wrong_credentials_end_the_run_with_one_sentence(marketo_sandbox, singer, start_target):
    process = start_target(marketo_sandbox, client_secret="no-such-secret")
    process.send([singer.schema(), singer.opportunity("a")])
    code, states, log = process.finish()
    assert (code, states) == (1, [])
    assert sum("ERROR" in line for line in log.splitlines()) == 1
    assert "no-such-secret" not in log
    assert "Traceback" not in log
