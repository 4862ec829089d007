"""The tests used for mutation testing of each package: fast tests within one process."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Suite:
    """Test files of a package; tests that start processes are excluded, as they run no mutants.

    Attributes:
        directory: directory of the tests.
        fast: unit tests, which are run for every mutant.
        thorough: tests of a plugin with the sandbox, which are run for mutants that survive the
            fast tests.
        left_out: tests that mutmut cannot run.
    """

    directory: str
    fast: tuple[str, ...]
    thorough: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    def configuration(self, paths: list[str], files: tuple[str, ...]) -> str:
        """Return the mutmut section of pyproject.toml, which can name only one suite."""
        arguments = ["-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov", "--timeout=15"]
        arguments += [f"--deselect={self.directory}/{name}" for name in self.left_out]
        settings = {
            "source_paths": [
                "marketo_opps",
                "marketo_sandbox",
                "tap_marketo_opps",
                "target_marketo_opps",
            ],
            "only_mutate": paths,
            "also_copy": ["README.md"],
            "pytest_add_cli_args": arguments,
            "pytest_add_cli_args_test_selection": [f"{self.directory}/{name}" for name in files],
            # A separate process for each mutant, because hypothesis refuses to repeat tests.
            "process_isolation": "forkserver",
            "timeout_multiplier": 3.0,
            "timeout_constant": 5.0,
        }
        lines = (f"{name} = {json.dumps(value)}\n" for name, value in settings.items())
        return "\n[tool.mutmut]\nuse_git_change_detection = false\n" + "".join(lines)


SUITES = {
    "marketo_opps": Suite(
        "tests/marketo_opps",
        fast=(
            "plugin/test_base.py",
            "plugin/test_command_line.py",
            "plugin/test_log_lines.py",
            "plugin/test_run_report.py",
            "plugin/test_settings.py",
            "plugin/test_workers.py",
            "test_auth.py",
            "test_call.py",
            "test_client.py",
            "test_describe.py",
            "test_envelope.py",
            "test_errors.py",
            "test_field_types.py",
            "test_field_writers.py",
            "test_fields.py",
            "test_http_headers.py",
            "test_keys.py",
            "test_near_names.py",
            "test_pacing.py",
            "test_paging.py",
            "test_private_database.py",
            "test_process_identity.py",
            "test_proxies.py",
            "test_quota.py",
            "test_record_results.py",
            "test_redaction.py",
            "test_request_loop.py",
            "test_retry.py",
            "test_seen_keys.py",
            "test_server_clock.py",
            "test_settings.py",
            "test_shared_limits.py",
            "test_transport.py",
            "test_watchdog.py",
            "test_wire.py",
        ),
        left_out=("plugin/test_workers.py::test_a_process_does_not_wait_for_its_slowest_call",),
    ),
    # The sandbox serves in the process of the tests.
    "marketo_sandbox": Suite(
        "tests/marketo_sandbox",
        fast=(
            "test_activities.py",
            "test_activity_options.py",
            "test_clock.py",
            "test_control.py",
            "test_delete.py",
            "test_dialects.py",
            "test_documented_opportunities.py",
            "test_documented_services.py",
            "test_endpoint.py",
            "test_faults.py",
            "test_gateway.py",
            "test_identity.py",
            "test_journal.py",
            "test_lead_database.py",
            "test_lead_editing.py",
            "test_limits.py",
            "test_malformed_responses.py",
            "test_model.py",
            "test_page_tokens.py",
            "test_query.py",
            "test_roles.py",
            "test_schema_fields.py",
            "test_sync.py",
            "test_usage.py",
        ),
    ),
    "tap_marketo_opps": Suite(
        "tests/tap_marketo_opps",
        fast=(
            "finding/test_activity_log.py",
            "finding/test_activity_types.py",
            "finding/test_finders.py",
            "finding/test_key_sources.py",
            "finding/test_late_entries.py",
            "finding/test_lead_list.py",
            "finding/test_lead_ranges.py",
            "finding/test_lead_stage.py",
            "finding/test_lookup_stage.py",
            "finding/test_newness.py",
            "finding/test_page_result.py",
            "finding/test_pending_keys.py",
            "finding/test_pipeline.py",
            "finding/test_prefetch.py",
            "finding/test_resume_point.py",
            "finding/test_stages.py",
            "reconcile/test_passes.py",
            "reconcile/test_position.py",
            "reconcile/test_row_types.py",
            "sync/test_bookmarks.py",
            "sync/test_closing_notes.py",
            "sync/test_error_advice.py",
            "sync/test_log_reach.py",
            "sync/test_plan.py",
            "sync/test_progress.py",
            "sync/test_start_run.py",
            "sync/test_state.py",
            "sync/test_state_property.py",
            "sync/test_stream_output.py",
            "sync/test_time_box.py",
            "test_catalogs.py",
            "test_connection_test_results.py",
            "test_log_changes.py",
            "test_needs.py",
            "test_schemas.py",
            "test_settings.py",
            "test_singer_writer.py",
            "test_timestamps.py",
            "test_typed_page.py",
        ),
        thorough=(
            "reconcile/test_accidents.py",
            "reconcile/test_connection_test.py",
            "reconcile/test_interrupted.py",
            "reconcile/test_reconcile.py",
            "test_bad_input.py",
            "test_change_streams.py",
            "test_changed_files.py",
            "test_connection_test.py",
            "test_field_names.py",
            "test_finding_by_filter.py",
            "test_finding_by_leads.py",
            "test_finding_by_list.py",
            "test_lead_fields.py",
            "test_merged_leads.py",
            "test_paging.py",
            "test_resuming.py",
            "test_streams.py",
            "test_time_box.py",
            "test_without_roles.py",
        ),
        left_out=(
            # It waits ten seconds.
            "test_connection_test.py::test_a_dead_endpoint_is_given_up_soon",
            "test_resuming.py::test_kill_9_again_and_again_loses_nothing",
            "test_time_box.py::test_a_process_ends_with_0_at_its_time",
        ),
    ),
    "target_marketo_opps": Suite(
        "tests/target_marketo_opps",
        fast=(
            "delivery/test_batch_writer.py",
            "delivery/test_bisection.py",
            "delivery/test_comparison.py",
            "delivery/test_counters.py",
            "delivery/test_dispatcher.py",
            "delivery/test_key_lookup.py",
            "delivery/test_lead_choice.py",
            "delivery/test_lead_counts.py",
            "delivery/test_lead_lookup_roles.py",
            "delivery/test_lead_query.py",
            "delivery/test_merging.py",
            "delivery/test_overdue_roles.py",
            "delivery/test_outcome_recorder.py",
            "delivery/test_parked_role_store.py",
            "delivery/test_parked_roles.py",
            "delivery/test_readmission.py",
            "delivery/test_record_outcomes.py",
            "delivery/test_reject_causes.py",
            "delivery/test_rejects.py",
            "delivery/test_settlement.py",
            "delivery/test_version_search.py",
            "delivery/test_waiting.py",
            "input/test_batch_files.py",
            "input/test_message_reader.py",
            "mapping/test_delete_mark.py",
            "mapping/test_fast_encoder.py",
            "mapping/test_field_map.py",
            "mapping/test_field_plan.py",
            "mapping/test_keys.py",
            "mapping/test_lead_properties.py",
            "mapping/test_lookup_role_mapping.py",
            "mapping/test_record_mapping.py",
            "mapping/test_routing.py",
            "mapping/test_stream_notes.py",
            "state/test_ledger.py",
            "state/test_state_release.py",
            "state/test_state_writer.py",
            "test_input_report.py",
            "test_json_lines.py",
            "test_run_summary.py",
            "test_settings.py",
            "test_stream_maps.py",
            "test_stream_routes.py",
        ),
        thorough=(
            "state/test_ledger_property.py",
            "test_attribution.py",
            "test_bad_input.py",
            "test_delivery.py",
            "test_diff.py",
            "test_dry_run.py",
            "test_lead_lookup.py",
            "test_merge_versions.py",
            "test_model.py",
            "test_outcomes.py",
            "test_paging.py",
            "test_receipts.py",
            "test_replay.py",
            "test_roles_first.py",
            "test_run_end.py",
            "test_sample.py",
            "test_sinks.py",
        ),
        left_out=(
            # Its calls must overlap, but do not if mutmut slows the process down.
            "test_delivery.py::test_failed_call_holds_its_state_but_not_earlier_ones",
            # These start a process, or take twenty seconds.
            "state/test_ledger_property.py::test_a_killed_process_loses_nothing",
            "test_outcomes.py::TestRefusedCalls::test_bad_records_at_any_position_do_not_stop_others",
        ),
    ),
}
