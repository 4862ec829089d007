"""Tests of the streams, and of SDK features such as catalogs and stream maps."""

from __future__ import annotations

import json
import re

import pytest

from marketo_opps import SettingsError
from tap_marketo_opps.sync.error_advice import UnknownFieldError
from tap_marketo_opps.tap import TapMarketoOpps
from tests.tap_marketo_opps.helpers import by_filter


@pytest.fixture
def catalog(sandbox):
    tap = TapMarketoOpps(config={**sandbox.credentials, "filter_values": ["x"]})
    yield {entry["tap_stream_id"]: entry for entry in tap.catalog_dict["streams"]}
    tap.client.close()


def test_keys_and_replication_are_those_that_users_depend_on(catalog):
    told = {
        name: (
            tuple(entry["key_properties"]),
            entry.get("replication_key"),
            entry["replication_method"],
            next(m["metadata"]["selected"] for m in entry["metadata"] if not m["breadcrumb"]),
        )
        for name, entry in catalog.items()
    }
    assert told == {
        "opportunities": (("marketoGUID",), "updatedAt", "INCREMENTAL", True),
        "opportunity_roles": (("marketoGUID",), "updatedAt", "INCREMENTAL", True),
        "opportunity_fields": (("name",), None, "FULL_TABLE", True),
        "opportunity_activities": (("marketoGUID",), "activityDate", "INCREMENTAL", False),
        "opportunity_changes": (("marketoGUID", "field"), "activityDate", "INCREMENTAL", False),
        "opportunity_role_changes": (("marketoGUID",), "activityDate", "INCREMENTAL", False),
    }


def test_the_schema_is_what_describe_says_custom_fields_and_all(catalog, sandbox):
    properties = catalog["opportunities"]["schema"]["properties"]
    assert properties["marketoGUID"]["type"] == "string"
    assert properties["amount"]["type"] == ["number", "null"]
    assert properties["closeDate"]["format"] == "date"
    assert properties["updatedAt"]["format"] == "date-time"
    assert properties["region"]["description"].endswith(" (up to 100 characters)")
    assert properties["territory"]["type"] == ["string", "null"]
    assert {"externalOpportunityId", "leadId", "role", "isPrimary"} <= set(
        catalog["opportunity_roles"]["schema"]["properties"]
    )


@pytest.mark.parametrize("listed", [False, True])
def test_roles_have_both_dates_whether_or_not_describe_lists_them(
    marketo_sandbox_factory, catalog_of, sync, listed
):
    sandbox = marketo_sandbox_factory(opportunities=40, leads=20, describe_role_dates=listed)
    catalog = catalog_of(sandbox, "opportunity_roles")
    output = sync(by_filter(sandbox), catalog=catalog)
    properties = output.schema("opportunity_roles")["properties"]
    assert [*properties].count("updatedAt") == [*properties].count("createdAt") == 1
    assert properties["updatedAt"]["format"] == "date-time"
    records = output.records("opportunity_roles")
    assert records
    assert all(record["updatedAt"] >= record["createdAt"] > "2" for record in records)
    newest = max(record["updatedAt"] for record in records)
    assert output.bookmark("opportunity_roles")["replication_key_value"] == newest


def _entry(catalog, stream="opportunities"):
    return next(each for each in catalog["streams"] if each["tap_stream_id"] == stream)


@pytest.mark.parametrize("keys", ["missing", None, []])
def test_a_catalog_that_names_no_key_still_gives_a_schema_with_one(sandbox, catalog_of, sync, keys):
    catalog = catalog_of(sandbox, "opportunities")
    entry = _entry(catalog)
    entry["key_properties"] = keys
    if keys == "missing":
        del entry["key_properties"]
    before = len(sandbox.journal())
    output = sync(by_filter(sandbox), catalog=catalog)
    (schema,) = [m for m in output.messages if m["type"] == "SCHEMA"]
    assert schema["key_properties"] == ["marketoGUID"]
    assert "describe" not in str([c["operation"] for c in sandbox.journal()[before:]])


def test_a_deselected_key_is_in_the_schema_and_the_records(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities")
    for item in _entry(catalog)["metadata"]:
        if item["breadcrumb"]:
            item["metadata"] = {"selected": item["breadcrumb"][-1] == "name"}
    output = sync(by_filter(sandbox), catalog=catalog)
    properties = {"marketoGUID", "updatedAt", "name", "_sdc_deleted_at"}
    assert {*output.schema()["properties"]} == properties
    assert {*output.records()[0]} == {"marketoGUID", "updatedAt", "name"}


def test_a_catalog_without_metadata_selects_all_fields(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities")
    entry = _entry(catalog)
    entry["metadata"] = []
    output = sync(by_filter(sandbox), catalog={"streams": [entry]})
    assert output.schema()["properties"] == entry["schema"]["properties"]


MARK = {"type": ["string", "null"], "format": "date-time"}


@pytest.mark.parametrize("metadata", ["as discovered", "deselected", "older", "none"])
def test_a_catalog_of_any_age_has_the_mark_of_what_is_gone(sandbox, catalog_of, sync, metadata):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    pair = [_entry(catalog), _entry(catalog, "opportunity_roles")]
    for entry in pair:
        (mark,) = (each for each in entry["metadata"] if "_sdc_deleted_at" in each["breadcrumb"])
        assert mark["metadata"] == {"inclusion": "automatic"}
        if metadata == "deselected":
            mark["metadata"] = {"inclusion": "available", "selected": False}
        if metadata in {"older", "none"}:
            entry["metadata"].remove(mark)
            del entry["schema"]["properties"]["_sdc_deleted_at"]
        if metadata == "none":
            entry["metadata"] = []
    output = sync(by_filter(sandbox), catalog={"streams": pair})
    for stream in ("opportunities", "opportunity_roles"):
        schema = output.schema(stream)["properties"]["_sdc_deleted_at"]
        assert {name: schema[name] for name in MARK} == MARK
        assert "_sdc_deleted_at" not in output.records(stream)[0]
    calls = [c["parameters"]["fields"] for c in sandbox.journal() if "query" in c["operation"]]
    assert calls
    assert "_sdc_deleted_at" not in str(calls)


@pytest.mark.parametrize("missing", [["marketoGUID"], ["updatedAt"], ["marketoGUID", "updatedAt"]])
def test_a_catalog_whose_schema_lacks_a_key_is_refused(sandbox, catalog_of, missing):
    catalog = catalog_of(sandbox, "opportunities")
    for name in missing:
        for entry in catalog["streams"]:
            entry["schema"]["properties"].pop(name, None)
    with pytest.raises(SettingsError) as caught:
        TapMarketoOpps(config=by_filter(sandbox), catalog=catalog)
    told = f"The catalog's schema of opportunities lacks {' and '.join(missing)}, which the stream"
    assert str(caught.value).startswith(told)
    assert "--discover" in str(caught.value)


def test_with_a_catalog_no_describe_call_is_made(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles", "opportunity_fields")
    before = len(sandbox.journal())
    sync(by_filter(sandbox), catalog=catalog)
    assert not [c for c in sandbox.journal()[before:] if c["operation"].startswith("describe")]


def test_deselected_streams_write_nothing_and_cost_nothing(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunity_fields")
    before = len(sandbox.journal())
    output = sync(by_filter(sandbox), catalog=catalog)
    assert {m.get("stream") for m in output.messages} == {"opportunity_fields", None}
    assert [c["operation"] for c in sandbox.journal()[before:]] == ["identity", "fields"]


def test_fields_are_browsed_page_by_page(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunity_fields")
    output = sync(by_filter(sandbox, batch_size=10), catalog=catalog)
    fields = output.records("opportunity_fields")
    assert [c["operation"] for c in sandbox.journal()].count("fields") == -(-len(fields) // 10)
    assert len({field["name"] for field in fields}) == len(fields) > 30
    assert all(isinstance(field["isCustom"], bool) for field in fields)


def test_fields_can_be_requested_by_name_and_missing_ones_named(sandbox, catalog_of, sync, caplog):
    catalog = catalog_of(sandbox, "opportunity_fields")
    config = by_filter(sandbox, field_names=["stage", "noSuchField", "name"])
    output = sync(config, catalog=catalog)
    assert output.ids("opportunity_fields", key="name") == ["stage", "name"]
    assert "the instance has no field noSuchField" in caplog.text


@pytest.mark.parametrize(
    ("stream", "key"), [("opportunity_fields", "name"), ("opportunity_activities", "activityDate")]
)
def test_a_catalog_without_the_key_of_a_stream_is_refused(sandbox, catalog_of, stream, key):
    catalog = catalog_of(sandbox, stream)
    del _entry(catalog, stream)["schema"]["properties"][key]
    with pytest.raises(SettingsError, match=f"schema of {stream} lacks {key}"):
        TapMarketoOpps(config=by_filter(sandbox), catalog=catalog)


def test_a_field_that_is_named_twice_is_read_once(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunity_fields")
    output = sync(by_filter(sandbox, field_names=["name", "stage", "name"]), catalog=catalog)
    assert output.ids("opportunity_fields", key="name") == ["name", "stage"]


def test_a_refused_page_token_has_the_fields_read_again(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunity_fields")
    sandbox.fault("expire_page_tokens", path="/rest/v1/opportunities/schema/*", skip=2, times=1)
    output = sync(by_filter(sandbox, batch_size=10), catalog=catalog)
    whole = sync(by_filter(sandbox), catalog=catalog).ids("opportunity_fields", key="name")
    assert sorted({*output.ids("opportunity_fields", key="name")}) == sorted(whole)


def test_stream_maps_change_the_records_and_nothing_else(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    plain = sync(by_filter(sandbox), catalog=catalog)
    maps = {"opportunities": {"__alias__": "deals", "deal": "name", "__filter__": "isWon"}}
    mapped = sync(by_filter(sandbox, stream_maps=maps), catalog=catalog)
    won = [record for record in plain.records() if record["isWon"]]
    assert mapped.records("deals") == [record | {"deal": record["name"]} for record in won]
    assert mapped.records("opportunity_roles") == plain.records("opportunity_roles")
    assert "deal" in mapped.schema("deals")["properties"]
    assert mapped.bookmark()["replication_key_value"] == plain.bookmark()["replication_key_value"]


def test_mapped_by_nothing_the_slow_way_writes_what_the_fast_way_does(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    fast = sync(by_filter(sandbox), catalog=catalog)
    slow = sync(
        by_filter(sandbox, flattening_enabled=True, flattening_max_depth=1), catalog=catalog
    )
    for stream in ("opportunities", "opportunity_roles"):
        assert json.dumps(fast.records(stream)) == json.dumps(slow.records(stream))


def test_flattening_takes_the_attributes_of_activities_apart(sandbox, catalog_of, sync):
    config = {
        **sandbox.credentials,
        "start_date": "2020-01-01T00:00:00Z",
        "flattening_enabled": True,
        "flattening_max_depth": 2,
    }
    output = sync(config, catalog=catalog_of(sandbox, "opportunity_activities"))
    records = output.records("opportunity_activities")
    assert records
    assert not any(isinstance(record.get("attributes"), dict) for record in records)


def test_a_catalog_without_replication_key_stays_incremental(sandbox, catalog_of, sync, caplog):
    catalog = catalog_of(sandbox, "opportunities")
    first = sync(by_filter(sandbox), catalog=catalog)
    bare = json.loads(json.dumps(catalog))
    for entry in bare["streams"]:
        entry.pop("replication_key", None)
        entry.pop("replication_method", None)
        for item in entry["metadata"]:
            for name in ("replication-key", "forced-replication-method", "valid-replication-keys"):
                item["metadata"].pop(name, None)
    assert "has no replication-key" not in caplog.text
    second = sync(by_filter(sandbox), catalog=bare, state=first.state)
    assert "has no replication-key for opportunities" in caplog.text
    assert len(second.records()) < 400


def test_a_catalog_that_says_full_table_reads_everything_each_time(sandbox, catalog_of, sync):
    catalog = catalog_of(sandbox, "opportunities")
    for entry in catalog["streams"]:
        entry["replication_method"] = "FULL_TABLE"
    first = sync(by_filter(sandbox), catalog=catalog)
    second = sync(by_filter(sandbox), catalog=catalog, state=first.state)
    assert len(second.records()) == 400
    assert "replication_key_value" not in second.bookmark()


@pytest.mark.parametrize("since", ["0900-01-01", "0001-01-01T00:00:00Z"])
@pytest.mark.parametrize("way", ["filter", "activities"])
def test_a_start_date_long_before_marketo_has_everything_read(
    sandbox, catalog_of, sync, since, way
):
    config = by_filter(sandbox, start_date=since, find_by=way)
    output = sync(config, catalog=catalog_of(sandbox, "opportunities"))
    assert len(output.records()) > 200


@pytest.mark.parametrize("stream", ["opportunities", "opportunity_roles"])
def test_a_field_that_is_gone_from_marketo_is_named_with_a_remedy(
    sandbox, catalog_of, sync, stream
):
    catalog = catalog_of(sandbox, stream)
    _entry(catalog, stream)["schema"]["properties"]["mood"] = {"type": ["string", "null"]}
    with pytest.raises(UnknownFieldError) as caught:
        sync(by_filter(sandbox), catalog=catalog)
    assert re.fullmatch(
        r"Marketo refused [^:]*: 1006 Field 'mood' not found \(requestId \S+\)\. The catalog "
        r"selects field 'mood', which .*--discover, or deselect the .*_cached_catalog false\.",
        str(caught.value),
    )


def test_the_metrics_count_the_records_of_each_stream_of_a_run(sandbox, catalog_of, sync, caplog):
    caplog.set_level("INFO")
    output = sync(
        by_filter(sandbox), catalog=catalog_of(sandbox, "opportunities", "opportunity_roles")
    )
    metrics = [json.loads(m[8:]) for m in caplog.messages if m.startswith("METRIC: ")]
    counts = {m["tags"]["stream"]: m["value"] for m in metrics if m["metric"] == "record_count"}
    assert counts == {
        name: len(output.records(name)) for name in ("opportunities", "opportunity_roles")
    }
    assert output.types.count("SCHEMA") == 2


def test_numbers_keep_every_digit(sandbox, catalog_of, sync):
    external_id = sandbox.instance.opportunity_ids()[0]
    sandbox.instance.change([external_id], {"amount": "1234567890123456.78"})
    sync(by_filter(sandbox), catalog=catalog_of(sandbox, "opportunities"))
    line = next(each for each in bytes(sync.raw).split(b"\n") if external_id.encode() in each)
    assert b'"amount":1234567890123456.78,' in line


def test_a_value_of_another_type_is_null_counted_and_logged(sandbox, catalog_of, sync, caplog):
    caplog.set_level("INFO")
    catalog = catalog_of(sandbox, "opportunities")
    # As if the field had been a string when the catalog was made, or the other way round.
    for entry in catalog["streams"]:
        if entry["tap_stream_id"] == "opportunities":
            entry["schema"]["properties"]["stage"] = {"type": ["integer", "null"]}
    output = sync(by_filter(sandbox), catalog=catalog)
    assert {record["stage"] for record in output.records()} == {None}
    guids = set(output.ids())
    told = [m for m in caplog.messages if "A value of stage in opportunities does not match" in m]
    assert len(told) == 5
    assert all(message.split()[-1].rstrip(".") in guids for message in told)
    closing = next(m for m in caplog.messages if m.startswith("opportunities: "))
    assert "set to null for not matching" in closing


def test_a_field_without_a_name_is_reported_and_never_emitted(sandbox, catalog_of, sync, caplog):
    sandbox.fault("patch", operation="fields", where={"name": "amount"}, each={"name": None})
    output = sync(by_filter(sandbox), catalog=catalog_of(sandbox, "opportunity_fields"))
    names = output.ids("opportunity_fields", key="name")
    assert names
    assert not {None, "amount"} & set(names)
    assert "1 record of opportunity_fields skipped: Marketo sent no name" in caplog.text
