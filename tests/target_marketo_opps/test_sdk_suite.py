"""Run the SDK's own tests of targets, one by one, against a sandbox.

Their streams are users, fruits and the like: `stream_maps` gives each record the key and the name
that Marketo requires; properties without a field are not written.

These tests are skipped, because the target behaves differently:

- `TargetMultipleStateMessages` expects a STATE after every record: STATEs that wait for the same
  calls collapse into the newest (`test_states_with_equal_dependencies_collapse_into_the_newest`).
  The SDK skips it in its own suite.
- `TargetRecordMissingKeyProperty` expects the run to end: a record without a key is rejected, and
  ends the run only over `max_rejects` (`test_the_record_without_key_is_rejected`, same file).
- `TargetRecordMissingRequiredProperty` expects that too: required properties are checked against
  describe only.
"""

from __future__ import annotations

import importlib.resources

import pytest
from singer_sdk.testing import SuiteConfig, TargetTestRunner, target_test_streams
from singer_sdk.testing import target_tests as sdk

from target_marketo_opps.target import TargetMarketoOpps

LEFT_OUT = {
    sdk.TargetMultipleStateMessages,
    sdk.TargetRecordMissingKeyProperty,
    sdk.TargetRecordMissingRequiredProperty,
}


def maps(key, *streams):
    rule = {"externalOpportunityId": f"str({key})", "name": f"'N' + str({key})"}
    return {stream: rule | {"__key_properties__": ["externalOpportunityId"]} for stream in streams}


CASES = {
    sdk.TargetArrayData: (maps("id", "test_array_data"), {"1", "2", "3", "4"}),
    sdk.TargetCamelcaseComplexSchema: (maps("Id", "ForecastingTypeToCategory"), set()),
    sdk.TargetCamelcaseTest: (maps("Id", "TestCamelcase"), {"1", "2"}),
    sdk.TargetCliPrintsTest: ({}, set()),
    sdk.TargetDuplicateRecords: (maps("id", "test_duplicate_records"), {"1", "2"}),
    sdk.TargetEncodedStringData: (
        maps("id", "test_strings", "test_strings_in_objects", "test_strings_in_arrays"),
        None,
    ),
    sdk.TargetInvalidSchemaTest: ({}, set()),
    sdk.TargetNoPrimaryKeys: (maps("id", "test_no_pk"), {"1", "2", "3"}),
    sdk.TargetOptionalAttributes: (maps("id", "test_optional_attributes"), {"1", "2", "3", "4"}),
    sdk.TargetPrimaryKeyUpdates: (maps("id", "example_stream"), {"1", "2"}),
    sdk.TargetRecordBeforeSchemaTest: ({}, set()),
    sdk.TargetRecordMissingOptionalFields: (maps("id", "record_missing_fields"), {"1", "2"}),
    sdk.TargetSchemaNoProperties: (
        maps(
            "object_store['id']",
            "test_object_schema_with_properties",
            "test_object_schema_no_properties",
        ),
        {"1", "2"},
    ),
    sdk.TargetSchemaUpdates: (maps("id", "test_schema_updates"), None),
    sdk.TargetSpecialCharsInAttributes: (
        maps("_id", "test:SpecialChars!in?attributes"),
        {"a2e98886"},
    ),
}


def test_each_sdk_test_is_run_or_skipped_for_a_reason():
    found = {
        member
        for member in vars(sdk).values()
        if isinstance(member, type) and getattr(member, "name", None)
    }
    assert found == set(CASES) | LEFT_OUT
    assert all(f"`{left_out.__name__}`" in __doc__ for left_out in LEFT_OUT)


@pytest.mark.parametrize("template", CASES, ids=lambda template: template.name)
@pytest.mark.usefixtures("capsys")
def test_sdk(template, marketo_sandbox):
    stream_maps, keys = CASES[template]
    config = {**marketo_sandbox.credentials, "stream_maps": stream_maps}
    runner = TargetTestRunner(TargetMarketoOpps, config=config, parse_env_config=False)
    try:
        template().run(SuiteConfig(), None, runner)
    finally:
        if runner.target_input is not None:
            runner.target_input.close()
    stored = {one["externalOpportunityId"] for one in marketo_sandbox.instance.opportunities()}
    assert stored == keys if keys is not None else len(stored) > 2


def test_the_record_without_key_is_rejected(marketo_sandbox, singer):
    name = "record_missing_key_property.singer"
    content = (importlib.resources.files(target_test_streams) / name).read_bytes()
    renamed = content.replace(b'"id"', b'"externalOpportunityId"').replace(
        b"test_record_missing_key_property", b"opportunities"
    )
    run = singer.run(marketo_sandbox, renamed)
    assert "1002 Missing value for key field 'externalOpportunityId'" in str(run.error)
    run = singer.run(marketo_sandbox, renamed, max_rejects=1).succeeded()
    assert "1 rejected" in run.closing
