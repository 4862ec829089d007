"""Tests of the plugin class: its mapper, its counts, its client, and how an error ends a run."""

from __future__ import annotations

import itertools
import json

import pytest
from singer_sdk.exceptions import ConfigValidationError

from marketo_opps import CallCounts, MarketoError, MarketoObject, SettingsError
from marketo_opps.plugin.process import ShutdownSignal
from target_marketo_opps.delivery.outcomes import Outcome
from target_marketo_opps.errors import InputError, RejectLimitError, UnwritableStreamError
from target_marketo_opps.target import TargetMarketoOpps

CONFIG = {"endpoint": "http://127.0.0.1:9", "client_id": "i", "client_secret": "s"}
MARK = "_sdc_deleted_at"
SCHEMA = {"type": "object", "properties": {"id": {"type": "string"}, MARK: {"type": "string"}}}


def _target(**settings):
    target = TargetMarketoOpps(config=CONFIG | settings)
    target.shutdown = ShutdownSignal()
    return target


def _mapped(definition):
    """Return what `stream_maps` makes of a record that is marked as deleted."""
    target = _target(stream_maps={"crm": definition})
    target.mapper.register_raw_stream_schema("crm", SCHEMA, [])
    (stream_map,) = target.mapper.stream_maps["crm"]
    return stream_map.transform({"id": "1", MARK: "2026-01-01"})


@pytest.mark.parametrize(
    ("definition", "mapped"),
    [
        ({"key": "id"}, {"id": "1", "key": "1", MARK: "2026-01-01"}),
        ({"key": "id", "__else__": None}, {"key": "1", MARK: "2026-01-01"}),
        ({"key": "id", MARK: None, "__else__": None}, {"key": "1"}),
        ({"key": "id", MARK: None}, {"id": "1", "key": "1"}),
    ],
)
def test_only_an_own_definition_removes_the_mark_of_a_deletion(definition, mapped):
    assert _mapped(definition) == mapped


def test_the_other_settings_of_the_mapper_are_kept():
    settings = {
        "stream_map_config": {"prefix": "x"},
        "stream_maps": {"crm": {"id": "config.prefix"}},
    }
    target = _target(**settings)
    target.mapper.register_raw_stream_schema("crm", SCHEMA, [])
    (stream_map,) = target.mapper.stream_maps["crm"]
    assert stream_map.map_config == {"prefix": "x"}


OUTPUTS = {"rejects_path", "receipts_path", "diff_path", "report_path", "limits_path"}


def test_every_file_that_a_setting_names_is_written_to():
    settings = TargetMarketoOpps.config_jsonschema["properties"]
    assert {name for name in settings if name.endswith("_path")} == OUTPUTS
    assert set(TargetMarketoOpps.output_files) == OUTPUTS


@pytest.mark.parametrize("names", [*itertools.combinations(sorted(OUTPUTS), 2)], ids=" ".join)
def test_settings_with_one_file_are_refused_before_it_exists(names, tmp_path):
    path = tmp_path / "file"
    with pytest.raises(ConfigValidationError) as caught:
        _target(dry_run=True, **dict.fromkeys(names, str(path)))
    (error,) = caught.value.errors
    assert error.endswith(f" name the same file ({path}): give each of them a file of its own.")
    assert {*error.partition(" name ")[0].split(" and ")} == {*names}
    assert not path.exists()


@pytest.mark.parametrize("name", sorted(OUTPUTS))
def test_the_file_of_input_is_not_written_to(name, tmp_path):
    path, config = tmp_path / "in.jsonl", tmp_path / "c.json"
    path.write_text("{}")
    config.write_text(json.dumps({**CONFIG, name: str(path)}))
    command = TargetMarketoOpps.get_singer_command()
    with pytest.raises(SettingsError, match=f"^--input and {name} name the same file "):
        command.main([f"--config={config}", f"--input={path}"], standalone_mode=False)
    assert path.read_text() == "{}"


def test_before_the_first_message_there_are_no_counts_and_no_run():
    target = _target()
    assert target.measure() == ({}, CallCounts())
    assert "run" not in vars(target)


def test_counts_are_those_of_the_run():
    target = _target()
    run = target.run
    run.counters.register_stream("opportunities")
    run.counters.count("opportunities", Outcome.CREATED, 2)
    streams, calls = target.measure()
    assert streams["opportunities"]["created"] == 2
    assert calls == run.marketo.client.counts
    run.end(deliver_rest=False)


def test_its_client_gives_the_advice_of_one_that_writes(marketo_sandbox):
    marketo_sandbox.fault("1018")
    target = _target(**marketo_sandbox.credentials)
    with pytest.raises(MarketoError, match="cannot be written by API"):
        target.run.marketo.descriptions.of(MarketoObject.OPPORTUNITIES)
    target.run.end(deliver_rest=False)


class Run:
    """A run that records how it is ended."""

    def __init__(self):
        self.ends = []

    def end(self, *, deliver_rest):
        self.ends.append(deliver_rest)


@pytest.mark.parametrize(
    ("error", "delivers_rest"),
    [
        (InputError("line 3"), True),
        (UnwritableStreamError("crm"), True),
        (RejectLimitError("1 rejected"), True),
        (MarketoError("603"), False),
        (OSError("full"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_the_rest_is_delivered_after_errors_of_the_input_only(error, delivers_rest):
    target = _target()
    target.run = Run()
    with pytest.raises(type(error)), target._ending_run():
        raise error
    assert target.run.ends == [delivers_rest]


def test_the_descriptor_of_the_input_reaches_the_dispatcher():
    target, seen = _target(), []
    target.run = Run()
    target.run.dispatcher = type("D", (), {"before_read": staticmethod(seen.append)})
    target.message_reader.before_read(7)
    assert seen == [7]
