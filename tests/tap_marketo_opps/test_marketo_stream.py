"""Tests of what all streams have in common, without an instance."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
from singer_sdk.exceptions import AbortedSyncPausedException

from marketo_opps import SettingsError
from tap_marketo_opps.errors import StreamMapsError
from tap_marketo_opps.marketo_stream import MarketoStream
from tests.tap_marketo_opps.offline import (
    NUMBER,
    TEXT,
    TIME,
    offline_stream,
    offline_tap,
    property_metadata,
    selection,
)

ROOT = selection(selected=True)
DEALS, FIELDS, LOG = "opportunities", "opportunity_fields", "opportunity_activities"


def mapped(*maps, properties=None, **definitions):
    """Return the stream of opportunities with stream maps."""
    names = properties or {"name": TEXT}
    return offline_stream(properties=names, config={"stream_maps": definitions or dict(maps)})


def written(stream):
    """Return the messages that a stream has written."""
    return [*map(json.loads, stream.writer.written.splitlines())]


def encoded(stream, *records):
    return [*map(json.loads, stream.encode(records).splitlines())]


def deal(guid="a", **more):
    return {"marketoGUID": guid, "updatedAt": "2026-03-01T00:00:00Z", **more}


class TestCatalogs:
    """What a catalog sets of a stream, and what it must not."""

    def test_a_stream_without_an_entry_keeps_what_it_is(self):
        stream = offline_tap().streams[DEALS]
        assert not stream.selected
        assert (stream.primary_keys, stream.replication_key) == (("marketoGUID",), "updatedAt")
        assert stream.message_name == DEALS

    @pytest.mark.parametrize(("given", "name"), [("deals", "deals"), (None, DEALS), ("", DEALS)])
    def test_messages_have_the_name_in_the_catalog(self, given, name):
        stream = offline_stream(stream=given)
        stream.write_schema()
        assert written(stream)[0]["stream"] == name
        assert encoded(stream, deal())[0]["stream"] == name
        assert stream.name == DEALS

    @pytest.mark.parametrize(("name", "selected"), [(DEALS, True), (LOG, False)])
    @pytest.mark.parametrize("metadata", [[], [property_metadata("name", selected=True)]])
    def test_an_entry_that_does_not_select_means_the_default(self, name, selected, metadata):
        time = "updatedAt" if selected else "activityDate"
        stream = offline_stream(name, {"name": TEXT}, time=time, metadata=metadata)
        assert stream.selected is selected

    def test_an_entry_that_deselects_is_heeded(self):
        assert not offline_stream(metadata=[selection(selected=False)]).selected

    def test_the_key_in_a_catalog_is_used(self):
        stream = offline_stream(properties={"region": TEXT}, key_properties=["region"])
        stream.write_schema()
        assert stream.primary_keys == ["region"]
        assert written(stream)[0]["key_properties"] == ["region"]

    def test_key_and_times_are_in_the_schema_though_deselected(self):
        names = ("marketoGUID", "updatedAt", "name", "region")
        stream = offline_stream(
            properties={"name": TEXT, "region": TEXT},
            key_properties=["marketoGUID", "region"],
            metadata=[ROOT, *(property_metadata(name, selected=False) for name in names)],
        )
        stream.write_schema()
        kept = {"marketoGUID", "updatedAt", "region"}
        assert {*written(stream)[0]["schema"]["properties"]} == kept | {"_sdc_deleted_at"}
        assert {*stream.selected_fields} == kept

    def test_a_full_table_has_the_time_in_its_schema_too(self):
        stream = offline_stream(
            replication_key=None,
            replication_method="FULL_TABLE",
            metadata=[ROOT, property_metadata("updatedAt", selected=False)],
        )
        assert stream.selected_fields == ("marketoGUID", "updatedAt")

    def test_fields_come_in_the_order_of_the_schema(self):
        stream = offline_stream(properties={"b": TEXT, "c": TEXT, "a": TEXT})
        assert stream.selected_fields == ("marketoGUID", "updatedAt", "b", "c", "a")

    @pytest.mark.parametrize("more", [{}, {"metadata": [{**ROOT}]}])
    def test_a_stream_without_times_is_a_full_table(self, more):
        # As a pattern for all streams sets them.
        both = {"replication_key": "length", "replication_method": "INCREMENTAL"}
        stream = offline_stream(FIELDS, {"length": NUMBER}, key="name", time=None, **both, **more)
        stream.write_schema()
        assert (stream.replication_key, stream.replication_method) == (None, "FULL_TABLE")
        assert not stream.is_incremental
        assert "bookmark_properties" not in written(stream)[0]

    def test_an_incremental_stream_tells_its_bookmark(self):
        stream = offline_stream()
        stream.write_schema()
        assert written(stream)[0]["bookmark_properties"] == ["updatedAt"]
        assert stream.is_incremental

    @pytest.mark.parametrize(
        ("more", "told"),
        [
            ({"replication_key": "name"}, "replication-key name for"),
            ({"replication_method": "LOG_BASED"}, "replication-method LOG_BASED for"),
            (
                {"replication_key": "name", "replication_method": "LOG_BASED"},
                "replication-key name and replication-method LOG_BASED for",
            ),
            (
                {"metadata": [selection(selected=True, **{"replication-key": "name"})]},
                "replication-key name for",
            ),
            (
                {
                    "replication_key": "name",
                    "metadata": [selection(selected=True, **{"replication-key": "amount"})],
                },
                "replication-key amount and replication-key name for",
            ),
        ],
    )
    def test_another_key_or_method_of_replication_is_refused(self, more, told):
        properties = {"name": TEXT, "amount": NUMBER}
        with pytest.raises(SettingsError) as caught:
            offline_stream(properties=properties, **more)
        assert str(caught.value).startswith(
            f"The catalog sets {told} {DEALS}, which is either INCREMENTAL by updatedAt or "
        )
        assert "--discover" in str(caught.value)

    @pytest.mark.parametrize("method", ["FULL_TABLE", "INCREMENTAL", None])
    def test_the_methods_that_there_are_can_be_set(self, method):
        stream = offline_stream(replication_method=method)
        assert stream.replication_method == (method or "INCREMENTAL")

    def test_of_a_stream_that_is_not_selected_nothing_is_refused(self, caplog):
        offline_stream(
            replication_key="name",
            replication_method="LOG_BASED",
            schema={"properties": {"name": TEXT}},
            metadata=[selection(selected=False)],
        )
        offline_stream(replication_key=None, metadata=[selection(selected=False)])
        assert "replication" not in caplog.text

    def test_a_stream_stays_incremental_without_a_key_for_it(self, caplog):
        stream = offline_stream(replication_key=None)
        assert (stream.replication_key, stream.is_incremental) == ("updatedAt", True)
        (line,) = (each for each in caplog.records if "replication-key" in each.getMessage())
        assert line.levelname == "WARNING"
        told = f"no replication-key for {DEALS}: the stream stays INCREMENTAL by updatedAt"
        assert told in line.getMessage()

    def test_a_full_table_needs_no_key_of_replication(self, caplog):
        stream = offline_stream(replication_key=None, replication_method="FULL_TABLE")
        assert (stream.replication_key, stream.is_incremental) == ("updatedAt", False)
        assert "replication-key" not in caplog.text

    def test_a_key_that_the_catalog_adds_must_be_in_the_schema(self):
        with pytest.raises(SettingsError, match=f"schema of {DEALS} lacks region and tier, which"):
            offline_stream(key_properties=["marketoGUID", "region", "tier"])

    def test_a_schema_without_properties_lacks_all_of_them(self):
        with pytest.raises(SettingsError, match="lacks marketoGUID and activityDate, which"):
            offline_stream(LOG, time="activityDate", schema={})


class TestSchemas:
    """Which SCHEMA messages are written."""

    def test_a_schema_is_written_once(self):
        stream = offline_stream()
        stream.write_schema()
        stream.write_schema()
        assert [each["type"] for each in written(stream)] == ["SCHEMA"]

    def test_each_stream_that_maps_make_of_it_has_one(self):
        stream = mapped(
            opportunities={}, copy={"__source__": DEALS, "__key_properties__": ["name"]}
        )
        stream.write_schema()
        keys = {each["stream"]: each["key_properties"] for each in written(stream)}
        assert keys == {DEALS: ["marketoGUID"], "copy": ["name"]}

    def test_a_stream_that_maps_remove_has_none(self):
        stream = mapped((DEALS, None), ("copy", {"__source__": DEALS}))
        stream.write_schema()
        assert [each["stream"] for each in written(stream)] == ["copy"]
        assert [each["stream"] for each in encoded(stream, deal())] == ["copy"]


class TestRecords:
    """How records are converted and encoded."""

    def test_a_record_is_converted_to_the_types_of_the_schema(self):
        metadata = [ROOT, property_metadata("tier", selected=False)]
        properties = {"amount": NUMBER, "won": {"type": ["boolean", "null"]}, "tier": TEXT}
        stream = offline_stream(properties=properties, metadata=metadata)
        record = deal(updatedAt="2026-03-01T00:00:00+0000", amount="7", won="true", tier="A")
        assert stream.convert_record(record) == deal(amount=7, won=True)

    def test_a_value_of_another_type_is_counted(self, caplog):
        stream = offline_stream(properties={"amount": NUMBER})
        for number in range(7):
            assert stream.convert_record(deal(f"g{number}", amount="many"))["amount"] is None
        assert stream.counts.misfits == 7
        told = [each.getMessage() for each in caplog.records if "does not match" in each.msg]
        assert len(told) == 5
        assert all(f"amount in {DEALS}" in line for line in told)
        assert [line[-3:-1] for line in told] == ["g0", "g1", "g2", "g3", "g4"]

    def test_records_of_a_page_are_lines_with_one_time(self):
        stream = offline_stream()
        before = datetime.now(UTC)
        messages = encoded(stream, deal("a"), deal("b"))
        assert [each["record"]["marketoGUID"] for each in messages] == ["a", "b"]
        (time,) = {each["time_extracted"] for each in messages}
        assert before <= datetime.fromisoformat(time) <= before + timedelta(minutes=1)
        assert stream.encode([]) == b""
        encoded(stream, deal("c"))
        assert stream.counts.emitted == 3

    def test_mapped_records_are_counted_before_they_are_mapped(self):
        stream = mapped(opportunities={"__filter__": "name != 'b'"})
        before = datetime.now(UTC)
        (message,) = encoded(stream, deal(name="a"), deal(name="b"))
        assert message["record"]["name"] == "a"
        time = datetime.fromisoformat(message["time_extracted"])
        assert before <= time <= before + timedelta(minutes=1)
        assert stream.counts.emitted == 2

    def test_each_map_makes_a_record_of_its_stream(self):
        stream = mapped(opportunities={"name": "name + '!'"}, copy={"__source__": DEALS})
        messages = encoded(stream, deal(name="a"))
        names = [(each["stream"], each["record"]["name"]) for each in messages]
        assert names == [(DEALS, "a!"), ("copy", "a")]

    @pytest.mark.parametrize(
        ("config", "is_mapped"),
        [
            ({}, False),
            ({"stream_maps": {DEALS: {}}}, True),
            ({"stream_maps": {"copy": {"__source__": DEALS}}}, True),
            ({"stream_maps": {DEALS: None}}, True),
            ({"flattening_enabled": True, "flattening_max_depth": 1}, True),
            ({"flattening_enabled": False, "flattening_max_depth": 1}, False),
        ],
    )
    def test_only_what_users_have_configured_is_mapped(self, config, is_mapped):
        assert offline_stream(config=config).is_mapped is is_mapped

    def test_an_expression_that_fails_is_told_with_its_stream(self):
        stream = mapped(opportunities={"name": "name + 1"})
        told = rf"failed on a record of stream '{DEALS}' \(TypeError\)"
        with pytest.raises(StreamMapsError, match=told):
            stream.encode([deal(name="a")])


class TestMessages:
    """Log messages of the SDK."""

    def test_the_sdk_adds_no_line_to_an_error(self, caplog):
        caplog.set_level(logging.DEBUG)
        stream = offline_stream()
        stream.log("An unhandled error occurred while syncing '%s'", "it", level=logging.ERROR)
        stream.log("%s occurred", "An unhandled error", level=logging.WARNING)
        stream.log("Beginning")
        assert [(each.levelname, each.getMessage()) for each in caplog.records[-3:]] == [
            ("DEBUG", "An unhandled error occurred while syncing 'it'"),
            ("WARNING", "An unhandled error occurred"),
            ("INFO", "Beginning"),
        ]

    def test_the_sdk_can_log_the_traceback_of_an_error(self, caplog):
        error = ValueError("so it is")
        offline_stream().log("Skipped", level=logging.WARNING, exc_info=error)
        assert caplog.records[-1].exc_info[1] is error


class PagedStream(MarketoStream):
    """A stream that writes pages of its own and of another stream."""

    def pages(self):
        for number in range(3):
            self.counts.emitted += 2
            yield self.name, [{"marketoGUID": f"{number}a"}, {"marketoGUID": f"{number}b"}]
            yield "others", [{"marketoGUID": "z"}]


class TestReading:
    """How records are read, by a run or by a test of the SDK."""

    @pytest.fixture
    def stream(self):
        schema = {"properties": {"marketoGUID": TEXT, "updatedAt": TIME}}
        return PagedStream(offline_tap(), "things", schema)

    def test_the_sdk_gets_the_records_of_the_stream_only(self, stream):
        guids = [each["marketoGUID"] for each in stream.get_records(None)]
        assert guids == ["0a", "0b", "1a", "1b", "2a", "2b"]

    def test_a_run_writes_all_pages_and_hands_out_no_record(self, stream, caplog):
        caplog.set_level(logging.INFO)
        assert not stream.is_dry_run
        assert stream.record_limit == float("inf")
        assert [*stream._sync_records()] == []
        assert stream.counts.emitted == 6
        assert '"metric":"record_count","value":6' in "".join(caplog.messages)
        assert '"metric":"sync_duration"' in "".join(caplog.messages)

    def test_records_that_an_earlier_run_wrote_are_counted_too(self, stream, caplog):
        caplog.set_level(logging.INFO)
        stream.counts.emitted = 10
        assert [*stream._sync_records()] == []
        assert '"metric":"record_count","value":16' in "".join(caplog.messages)

    @pytest.mark.parametrize(("limit", "guids"), [(2, "0a 0b"), (3, "0a 0b 1a 1b")])
    def test_a_dry_run_hands_out_records_up_to_its_limit(self, stream, limit, guids):
        stream.ABORT_AT_RECORD_COUNT = limit
        assert stream.is_dry_run
        assert stream.record_limit == limit
        found = []
        with pytest.raises(AbortedSyncPausedException):
            found.extend(each["marketoGUID"] for each in stream._sync_records())
        assert found == guids.split()

    def test_what_the_tap_does_not_write_is_turned_off(self, stream):
        assert not stream.emit_activate_version_messages
        assert stream.get_batch_config({}) is None
        assert stream.get_replication_key_signpost() is None
