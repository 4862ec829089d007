"""The tap's output, read by third-party programs."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from decimal import Decimal

import jsonschema
import pytest
from singer_sdk.singerlib.encoding.simple import SimpleSingerReader

from tests.pipeline.compare import KEY, held
from tests.pipeline.processes import BIN, Plugin

CSV_TARGET = BIN / "target-csv"


@pytest.fixture
def tap_config(source, values_path):
    return {**source.credentials, "filter_values_path": str(values_path)}


def test_the_sdk_reads_the_output_and_validates_all_records(output):
    schemas, records, states = {}, [], []
    SimpleSingerReader().process_lines(
        io.StringIO(output.decode()),
        {
            "SCHEMA": lambda message: schemas.update({message["stream"]: message["schema"]}),
            "RECORD": records.append,
            "STATE": states.append,
        },
    )

    assert len(schemas) == 6
    assert schemas.keys() == {record["stream"] for record in records}
    assert states
    validators = {
        stream: jsonschema.Draft7Validator(
            schema, format_checker=jsonschema.Draft7Validator.FORMAT_CHECKER
        )
        for stream, schema in schemas.items()
    }
    for message in records:
        stream, record = message["stream"], message["record"]
        validators[stream].validate(record)
        assert record.keys() <= schemas[stream]["properties"].keys()


def test_dates_and_times_have_the_form_of_the_schema(output):
    """Check the form of dates, because jsonschema checks `date-time` only with another package."""
    messages = [json.loads(line) for line in output.splitlines()]
    formats = {
        (each["stream"], name): schema["format"]
        for each in messages
        if each["type"] == "SCHEMA"
        for name, schema in each["schema"]["properties"].items()
        if "format" in schema
    }
    patterns = {"date": r"\d{4}-\d\d-\d\d", "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"}
    checked = 0
    for each in (each for each in messages if each["type"] == "RECORD"):
        for name, value in each["record"].items():
            pattern = patterns.get(formats.get((each["stream"], name), ""))
            if pattern and value is not None:
                jsonschema.validate(value, {"type": "string", "pattern": f"^{pattern}$"})
                checked += 1
    assert checked > 1000


@pytest.mark.skipif(not CSV_TARGET.exists(), reason="target-csv is not installed")
def test_a_third_party_target_writes_all_records(tap_config, source, tmp_path):
    tap = Plugin("tap-marketo-opps", tap_config, tmp_path, stdout=subprocess.PIPE)
    target = Plugin(
        "target-csv",
        {"output_path": str(tmp_path), "file_naming_scheme": "{stream_name}.csv"},
        tmp_path,
        stdin=tap.stdout,
    )
    tap.stdout.close()
    assert (tap.wait(), target.wait()) == (0, 0), tap.stderr + target.stderr

    with (tmp_path / "opportunities.csv").open(newline="") as file:
        rows = {row[KEY]: row for row in csv.DictReader(file)}
    there = held(source)
    assert rows.keys() == there.keys()
    for key, values in there.items():
        assert rows[key]["name"] == values["name"]
        assert Decimal(rows[key]["amount"]) == pytest.approx(values["amount"])
    with (tmp_path / "opportunity_roles.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(source.instance.roles())
