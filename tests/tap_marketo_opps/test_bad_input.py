"""Tests that any wrong input gives one clear error on stderr and a non-zero exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from singer_sdk.exceptions import ConfigValidationError

from marketo_opps import SettingsError
from tap_marketo_opps.command_line import checked_catalog
from tap_marketo_opps.tap import TapMarketoOpps

pytestmark = pytest.mark.slow

LIMITS = {"enforced": False}


@pytest.fixture
def tap(tmp_path):
    """Return a function that runs the console script with a configuration file."""

    def run(config, *options, environment=None):
        path = tmp_path / "config.json"
        path.write_text(config if isinstance(config, str) else json.dumps(config))
        done = subprocess.run(
            [sys.executable, "-m", "tap_marketo_opps", f"--config={path}", *options],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, **(environment or {})},
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert "Internal error" not in done.stderr
        return done

    return run


def _errors(done):
    assert done.returncode != 0
    return [line for line in done.stderr.splitlines() if "| ERROR" in line or "| CRITICAL" in line]


SETTINGS = {
    "endpoint": "https://123-ABC-456.mktorest.com/rest",
    "client_id": "an-id",
    "client_secret": "a-very-secret-secret",
    "filter_values": ["x"],
}


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"client_id": None}, "client_id"),
        ({"client_secret": ""}, "Setting 'client_secret' is missing or empty"),
        (
            {"filter_values": ["a", "\ud800"]},
            "Invalid value for setting 'filter_values'[1]: must be text in UTF-8",
        ),
        ({"client_secret": "\ud800"}, "Invalid value for setting 'client_secret': must be text"),
        ({"endpoint": "123-ABC-456"}, "Invalid value for setting 'endpoint': not a URL"),
        ({"endpoint": "http://example.com"}, "plain http to example.com"),
        (
            {"batch_size": 301},
            "Invalid value for setting 'batch_size': must be at most 300 (got 301)",
        ),
        (
            {"max_concurrent_calls": 11},
            "Invalid value for setting 'max_concurrent_calls': must be at most 10 (got 11)",
        ),
        ({"find_by": "magic"}, "must be one of filter, activities, lead_ids, lead_list"),
        (
            {"find_by": "filter", "filter_values": None},
            "filter requires filter_values or filter_val",
        ),
        ({"filter_values_path": "x.txt"}, "filter_values or filter_values_path, not both"),
        ({"find_by": "lead_list"}, "find_by: lead_list requires lead_list_id."),
        ({"find_by": "lead_ids"}, "requires lead_id_from and lead_id_to, or lead_ids_path"),
        (
            {"find_by": "lead_ids", "lead_id_from": 9, "lead_id_to": 1},
            "lead_id_from must not be greater than lead_id_to",
        ),
        (
            {"find_by": "lead_ids", "lead_id_from": 9, "lead_ids_path": "x"},
            "lead_ids_path cannot be combined with lead_id_from or lead_id_to",
        ),
        (
            {"start_date": "last tuesday"},
            "must be a date-time such as 2026-01-31T00:00:00Z (got 'last tuesday')",
        ),
        (
            {"start_date": "0001-01-01T00:00:00+05:00"},
            "Invalid value for setting 'start_date': must be a date-time",
        ),
        (
            {"start_date": "9999-12-31T23:59:59-05:00"},
            "Invalid value for setting 'start_date': must be a date-time",
        ),
        (
            {"activity_overlap_seconds": 10**12},
            "Invalid value for setting 'activity_overlap_seconds'",
        ),
    ],
)
def test_an_invalid_setting(changed, told):
    with pytest.raises(ConfigValidationError) as caught:
        TapMarketoOpps(config={**SETTINGS, **changed})
    assert any(told in sentence for sentence in caught.value.errors), caught.value.errors
    assert SETTINGS["client_secret"] not in " ".join(caught.value.errors)


def test_invalid_settings_are_all_reported_and_the_exit_is_1(tap):
    done = tap({**SETTINGS, "endpoint": "123-ABC-456", "batch_size": 301, "find_by": "magic"})
    assert done.returncode == 1
    errors = "".join(_errors(done))
    assert all(name in errors for name in ("'batch_size'", "'endpoint'", "'find_by'"))
    assert SETTINGS["client_secret"] not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--config=/no/such/file.json"], "--config: cannot read /no/such/file.json"),
        (["--state={broken}"], "in line 2, column 3; restore the previous state."),
        (["--catalog={broken}"], "in line 2, column 3; create it again with --discover."),
        (["--catalog={list}"], "is not a JSON object"),
        (["--catalog={empty}"], "is not a Singer catalog: it must have an array 'streams'"),
        (
            ["--catalog={others}"],
            "of another tap: it has none of the streams opportunities",
        ),
        (["--catalog={by_name}"], "is not a Singer catalog: it must have an array 'streams'"),
        (["--state={message}"], "contains a whole STATE message"),
        (
            ["--state={flat}"],
            "is not a Singer state of this tap: it must have",
        ),
        (
            ["--state={text}"],
            "is not a Singer state of this tap: it must have",
        ),
        (["--state={half}"], "contains an unpaired surrogate"),
        (
            ["--state={partitioned}"],
            "is not a Singer state of this tap: it must have",
        ),
        (
            ["--state={marked}"],
            "is not a Singer state of this tap: it must have",
        ),
    ],
)
def test_a_file_of_the_command_line_that_cannot_be_read(tap, tmp_path, options, told):
    (tmp_path / "broken").write_text('{"a":\n  ?}')
    contents = {
        "list": [],
        "empty": {},
        "others": {"streams": [{"tap_stream_id": "leads", "schema": {"properties": {}}}]},
        "by_name": {"streams": {"opportunities": {}}},
        "message": {"type": "STATE", "value": {"bookmarks": {}}},
        "flat": {"deals": "2026-01-01"},
        "text": {"bookmarks": {"opportunities": 5}},
        "half": {"bookmarks": {"opportunities": {"found_by": "\ud800"}}},
        "partitioned": {"bookmarks": {"opportunities": {"partitions": 5}}},
        "marked": {"bookmarks": {"opportunities": {"progress_markers": 5}}},
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(json.dumps(content))
    names = {name: str(tmp_path / name) for name in ("broken", *contents)}
    (error,) = _errors(tap(SETTINGS, *(option.format(**names) for option in options)))
    assert told in error


@pytest.mark.parametrize(
    "stream",
    [
        5,
        {"schema": {"properties": {}}},
        {"tap_stream_id": "opportunities", "schema": 5},
        {"tap_stream_id": "opportunities", "schema": {"properties": 5}},
        {"tap_stream_id": "opportunities", "stream": 5},
        {"tap_stream_id": "opportunities", "schema": {"properties": {"name": 5}}},
        {"tap_stream_id": "opportunities", "schema": {"properties": {}}, "metadata": 5},
        {"tap_stream_id": "opportunities", "schema": {"properties": {}}, "metadata": [5]},
        {
            "tap_stream_id": "opportunities",
            "schema": {"properties": {}},
            "metadata": [{"breadcrumb": []}],
        },
    ],
)
def test_a_stream_of_a_catalog_that_is_none_is_reported(stream, tmp_path):
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps({"streams": [stream]}))
    with path.open() as file, pytest.raises(SettingsError, match="each stream must have"):
        checked_catalog(file)


def test_a_catalog_as_it_is_discovered_is_taken(sandbox, catalog_of, tmp_path):
    path = tmp_path / "catalog.json"
    path.write_text(json.dumps(catalog_of(sandbox, "opportunities")))
    with path.open() as file:
        assert checked_catalog(file).read() == path.read_text()


def test_an_environment_variable_that_is_no_number(tap):
    variables = {"TAP_MARKETO_OPPS_BATCH_SIZE": "many"}
    (error,) = _errors(tap(SETTINGS, "--config=ENV", environment=variables))
    assert "TAP_MARKETO_OPPS_BATCH_SIZE: must be of type integer" in error
    assert "many" in error


@pytest.mark.parametrize("plugin", ["tap_marketo_opps.tap", "target_marketo_opps.target"])
def test_environment_variables_about_logging_that_cannot_be_right(plugin, tmp_path):
    broken = tmp_path / "logging.yaml"
    broken.write_text("version: 1\nroot: [")
    for name, value in (("LOGLEVEL", "verbose"), ("SINGER_SDK_LOG_CONFIG", str(broken))):
        done = subprocess.run(
            [sys.executable, "-c", f"from {plugin} import main; main()", "--version"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, name: value},
        )
        assert done.returncode == 1
        assert "Traceback" not in done.stderr
        assert name in done.stderr


def test_wrong_credentials(tap, marketo_sandbox_factory):
    sandbox = marketo_sandbox_factory(limits=LIMITS)
    done = tap({**SETTINGS, "endpoint": sandbox.endpoint})
    (error,) = _errors(done)
    assert "client_id" in error
    assert SETTINGS["client_secret"] not in done.stdout + done.stderr


@pytest.mark.parametrize("level", ["INFO", "DEBUG"])
def test_an_unreachable_host(tap, level):
    config = {**SETTINGS, "endpoint": "http://127.0.0.1:9", "max_retry_seconds": 0}
    done = tap(config, environment={"LOGLEVEL": level, "TAP_MARKETO_OPPS_LOGLEVEL": level})
    (error,) = _errors(done)
    assert "127.0.0.1:9 cannot be reached" in error
    assert SETTINGS["client_secret"] not in done.stdout + done.stderr


def test_html_instead_of_json(tap, marketo_sandbox_factory):
    sandbox = marketo_sandbox_factory(limits=LIMITS)
    sandbox.fault("html", status=200)
    (error,) = _errors(tap({**sandbox.credentials, "filter_values": ["x"]}))
    assert "HTML instead of JSON" in error


def test_describe_refused_names_the_permission(tap, marketo_sandbox_factory):
    sandbox = marketo_sandbox_factory(permissions=frozenset(), limits=LIMITS)
    (error,) = _errors(tap({**sandbox.credentials, "filter_values": ["x"]}, "--discover"))
    assert "603" in error
    assert "'Read-Only Opportunity'" in error
    assert "requestId" in error


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "contains no values"),
        (b"\r\n \n\n", "contains no values"),
        (None, "No such file or directory"),
        (b"one\nt\xe9l\xe9\n", "is not valid UTF-8 in line 1 or after it"),
        (b"one\ntwo,three\nfour\n", "values with a comma cannot be looked up: line 2"),
    ],
)
def test_a_values_file_that_cannot_be_used(sync, marketo_sandbox_factory, tmp_path, content, told):
    sandbox = marketo_sandbox_factory(limits=LIMITS)
    path = tmp_path / "values.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        sync({**sandbox.credentials, "filter_values_path": str(path)})
    assert told in str(caught.value)
    assert str(path) in str(caught.value)
    assert not [c for c in sandbox.journal() if c["operation"].startswith("query")]


def test_a_values_path_that_is_a_directory(sync, marketo_sandbox_factory, tmp_path):
    sandbox = marketo_sandbox_factory(limits=LIMITS)
    with pytest.raises(SettingsError, match="is not a regular file"):
        sync({**sandbox.credentials, "filter_values_path": str(tmp_path)})


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([], "contains no values"),
        (["a,b"], "value 1[.]"),
        ([" "], "contains no values"),
    ],
)
def test_filter_values_that_cannot_be_used(sync, marketo_sandbox_factory, values, told):
    sandbox = marketo_sandbox_factory(limits=LIMITS)
    with pytest.raises(SettingsError, match=told):
        sync({**sandbox.credentials, "filter_values": values})


@pytest.mark.parametrize("name", ["filter_values_path", "lead_ids_path"])
def test_a_path_that_is_none(sync, marketo_sandbox_factory, name):
    sandbox = marketo_sandbox_factory(limits=LIMITS)
    find_by = "filter" if name == "filter_values_path" else "lead_ids"
    with pytest.raises(SettingsError, match=f"{name}: cannot read .*: not a valid path"):
        sync({**sandbox.credentials, name: "a\0b", "find_by": find_by})


def test_a_lead_id_that_is_no_number(sync, marketo_sandbox_factory, tmp_path):
    sandbox = marketo_sandbox_factory(limits=LIMITS)
    path = tmp_path / "leads.txt"
    path.write_text("Lead ID\n12\n")
    config = {**sandbox.credentials, "find_by": "lead_ids", "lead_ids_path": str(path)}
    with pytest.raises(SettingsError, match=r"lead ids must be integers .*: line 1\."):
        sync(config)


def test_a_state_with_a_bookmark_that_is_no_moment(tap, marketo_sandbox_factory, tmp_path):
    sandbox = marketo_sandbox_factory(limits=LIMITS)
    state = tmp_path / "state.json"
    bookmark = {"replication_key": "updatedAt", "replication_key_value": "yesterday"}
    state.write_text(json.dumps({"bookmarks": {"opportunities": bookmark}}))
    config = {**sandbox.credentials, "filter_values": ["x"]}
    (error,) = _errors(tap(config, f"--state={state}"))
    assert "The state of opportunities cannot be read" in error


def test_a_bookmark_found_by_something_that_is_no_text(tap, marketo_sandbox_factory, tmp_path):
    sandbox = marketo_sandbox_factory(limits=LIMITS)
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"bookmarks": {"opportunities": {"found_by": ["activities"]}}}))
    (error,) = _errors(tap({**sandbox.credentials, "filter_values": ["x"]}, f"--state={state}"))
    assert "The state of opportunities cannot be read" in error
    assert "must be strings" in error


@pytest.mark.parametrize(
    ("of_stream", "told"),
    [
        ({"marketoGUID": None}, "Removing key property 'marketoGUID' is not permitted"),
        ({"deal": "1 +"}, "setting 'stream_maps'['opportunities']['deal']: must be"),
    ],
)
def test_a_stream_map_that_cannot_be_right(tap, marketo_sandbox_factory, of_stream, told):
    sandbox = marketo_sandbox_factory(limits=LIMITS)
    maps = {"stream_maps": {"opportunities": of_stream}}
    (error,) = _errors(tap({**sandbox.credentials, "filter_values": ["x"], **maps}))
    assert told in error


@pytest.mark.parametrize(
    ("expression", "said"),
    [("int(name)", "ValueError"), ("fake.name()", "Failed to evaluate")],
)
def test_a_stream_map_that_fails_on_a_record_quotes_nothing_of_it(
    tap, marketo_sandbox_factory, expression, said
):
    sandbox = marketo_sandbox_factory(opportunities=1, limits=LIMITS)
    (opportunity,) = sandbox.instance.opportunities()
    maps = {"stream_maps": {"opportunities": {"deal": expression}}}
    values = [opportunity["externalOpportunityId"]]
    done = tap({**sandbox.credentials, "filter_values": values, **maps})
    (error,) = _errors(done)
    assert f"stream_maps failed on a record of stream 'opportunities' ({said}" in error
    assert opportunity["name"] not in done.stderr


def test_fields_without_the_permission_name_it(tap, marketo_sandbox_factory):
    permissions = frozenset({"Read-Only Opportunity", "Read-Only Activity"})
    sandbox = marketo_sandbox_factory(opportunities=3, permissions=permissions, limits=LIMITS)
    ids = sandbox.instance.opportunity_ids()
    done = tap({**sandbox.credentials, "filter_values": ids})
    (error,) = _errors(done)
    assert "Read-Write Schema Standard Field" in error
    assert "Or deselect the stream opportunity_fields" in error
    assert done.stdout.count('"stream":"opportunities","record"') == 3


def test_a_test_prints_a_line_for_each_thing_that_is_needed(tap, marketo_sandbox_factory):
    permissions = frozenset({"Read-Only Opportunity"})
    sandbox = marketo_sandbox_factory(permissions=permissions, limits=LIMITS)
    done = tap({**sandbox.credentials, "start_date": "2026-01-01T00:00:00Z"}, "--test")
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if line.startswith(("ok", "FAILED"))]
    assert [line[:6] for line in lines] == [*["ok    "] * 4, "FAILED", "FAILED"]
    assert "'Read-Only Activity'" in lines[4]
    assert "Read-Write Schema Standard Field" in lines[5]


def test_a_test_ends_well_where_everything_is_allowed(tap, marketo_sandbox_factory):
    sandbox = marketo_sandbox_factory(limits=LIMITS)
    done = tap({**sandbox.credentials, "filter_values": ["x"]}, "--test")
    assert done.returncode == 0
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"ok", "note"}


def test_a_test_with_wrong_credentials_tries_nothing_else(tap, marketo_sandbox_factory):
    sandbox = marketo_sandbox_factory(limits=LIMITS)
    done = tap({**SETTINGS, "endpoint": sandbox.endpoint}, "--test")
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert done.stdout.startswith("FAILED  credentials")
    assert SETTINGS["client_secret"] not in done.stdout + done.stderr


def test_sdk_settings_that_are_not_supported_are_not_offered(tap):
    about = json.loads(tap(SETTINGS, "--about", "--format=json").stdout)
    names = set(about["settings"]["properties"])
    assert {"stream_maps", "flattening_enabled"} <= names
    assert not names & {"batch_config", "faker_config", "emit_activate_version_messages"}
    assert "batch" not in about["capabilities"]
