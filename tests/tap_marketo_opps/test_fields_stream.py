"""Tests of the stream `opportunity_fields`: its calls, its counts and what it logs."""

from __future__ import annotations

import re

import pytest

from marketo_opps import MarketoError
from marketo_opps.plugin.process import ShutdownSignal
from tap_marketo_opps.errors import FieldsDeniedError
from tap_marketo_opps.sync.time_box import TimeBox
from tests.tap_marketo_opps.helpers import UnpacedTap, by_filter
from tests.tap_marketo_opps.offline import TEXT, entry

FIELDS = "opportunity_fields"
NAMES = {"name": {"type": "string"}, "displayName": TEXT}
CATALOG = {"streams": [entry(FIELDS, NAMES, key="name", time=None)]}


class TalkingTap(UnpacedTap):
    """A tap that logs its progress at every opportunity."""

    seconds_between_logs = 0


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    return marketo_sandbox_factory(opportunities=1, leads=1, limits={"enforced": False})


@pytest.fixture
def read(sandbox, sync, caplog):
    """Return a function that reads the fields, and returns the output and the stream's lines."""
    caplog.set_level("INFO")

    def run(tap_class=TalkingTap, **config):
        output = sync(by_filter(sandbox, **config), catalog=CATALOG, tap_class=tap_class)
        lines = [
            (each.levelname, each.getMessage())
            for each in caplog.records
            if FIELDS in each.getMessage() and each.name == f"tap-marketo-opps.{FIELDS}"
        ]
        return output, [line for line in lines if "Beginning sync" not in line[1]]

    return run


def names_of(output):
    return output.ids(FIELDS, key="name")


def calls(sandbox, operation):
    return [each for each in sandbox.journal() if each["operation"] == operation]


def test_each_page_is_followed_by_a_state_and_told(read, sandbox):
    output, lines = read(batch_size=20)
    count = len(names_of(output))
    assert output.types == [
        "SCHEMA",
        *["RECORD"] * 20,
        "STATE",
        *["RECORD"] * (count - 20),
        "STATE",
    ]
    assert [each["parameters"]["batchSize"] for each in calls(sandbox, "fields")] == ["20", "20"]
    first, second, result = lines
    assert first == ("INFO", f"{FIELDS}: 20 records, 1 call")
    assert second == ("INFO", f"{FIELDS}: {count} records, 2 calls")
    assert re.fullmatch(rf"{FIELDS}: {count} records, 2 calls, \d\.\d s", result[1])
    assert result[0] == "INFO"


def test_within_a_few_seconds_only_the_result_is_told(read):
    _, lines = read(tap_class=UnpacedTap, batch_size=20)
    assert len(lines) == 1


def test_calls_of_other_streams_are_not_counted(sandbox, sync, caplog):
    caplog.set_level("INFO")
    catalog = {"streams": [entry(), *CATALOG["streams"]]}
    # It is read after the opportunities, as its name comes later.
    output = sync(by_filter(sandbox), catalog=catalog)
    assert output.ids()
    assert f"{FIELDS}: {len(names_of(output))} records, 1 call, " in caplog.text


def test_fields_that_do_not_exist_are_told_as_a_warning(read, sandbox):
    output, lines = read(field_names=["nothing", "stage", "nowhere"])
    assert names_of(output) == ["stage"]
    assert len(calls(sandbox, "field")) == 3
    level, line = lines[-1]
    assert level == "WARNING"
    assert line.startswith(f"{FIELDS}: 1 record, 3 calls, ")
    assert line.endswith(" s; the instance has no field nothing, nowhere")


def test_no_field_is_read_if_none_is_named(read, sandbox):
    assert names_of(read(field_names=[])[0]) == []
    assert not calls(sandbox, "fields")


def test_fields_without_a_name_are_counted_over_all_pages(read, sandbox):
    count = len(names_of(read()[0]))
    sandbox.fault("patch", operation="fields", each={"name": ""})
    output, lines = read(batch_size=20)
    assert names_of(output) == []
    warning = f"{count} records of {FIELDS} skipped: Marketo sent no name, which is the key."
    assert lines[-1] == ("WARNING", f"{warning} Ask Marketo's support.")


def test_progress_is_told_while_a_response_is_awaited(read, sandbox):
    class WatchfulTap(TalkingTap):
        time_box = TimeBox(shutdown=ShutdownSignal(poll_seconds=0.001))

    sandbox.fault("slow", operation="fields", seconds=0.05)
    _, lines = read(tap_class=WatchfulTap)
    assert lines[0][1].startswith(f"{FIELDS}: 0 records, ")


def test_what_reconcile_skips_costs_no_call(read, sandbox, tmp_path):
    (tmp_path / "guids.txt").write_text("")
    path = str(tmp_path / "guids.txt")
    output, lines = read(find_by="reconcile", reconcile_opportunities_path=path)
    assert lines == [("INFO", f"{FIELDS}: skipped because find_by: reconcile has no file for it.")]
    assert not output.records(FIELDS)
    assert not sandbox.journal()


def test_without_the_permission_the_stream_can_be_deselected(marketo_sandbox_factory, sync):
    sandbox = marketo_sandbox_factory(opportunities=1, permissions={"Read-Only Opportunity"})
    told = rf" 603 .*requestId .*deselect the stream {FIELDS}"
    with pytest.raises(FieldsDeniedError, match=told):
        sync(by_filter(sandbox), catalog=CATALOG)


def test_another_error_is_not_about_the_permission(read, sandbox):
    sandbox.fault("1003", operation="fields")
    with pytest.raises(MarketoError) as caught:
        read()
    assert FIELDS not in str(caught.value)
