"""Tests of the tap's class: what it passes to its parts, and what its command line runs."""

from __future__ import annotations

import gc
import json

import pytest
from singer_sdk.exceptions import ConfigValidationError
from singer_sdk.singerlib import Catalog

from marketo_opps import CallCounts, SettingsError, StoppedError
from marketo_opps.plugin import base
from marketo_opps.plugin.process import ShutdownSignal
from marketo_opps.plugin.run_report import RunReport
from tap_marketo_opps import tap as module
from tap_marketo_opps.finding.activity_types import FollowedTypes
from tests.tap_marketo_opps.helpers import UnpacedTap, by_filter
from tests.tap_marketo_opps.offline import (
    BY_FILTER,
    CONFIG,
    NUMBER,
    TEXT,
    entry,
    offline_tap,
    selection,
)

DEALS, ROLES, FIELDS = "opportunities", "opportunity_roles", "opportunity_fields"
LOG = ["opportunity_activities", "opportunity_changes", "opportunity_role_changes"]


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    return marketo_sandbox_factory(opportunities=5, leads=3, limits={"enforced": False})


@pytest.fixture
def tap_of(sandbox):
    """Return a function that makes a tap of the sandbox."""
    taps = []

    def make(*, catalog=None, state=None, tap_class=UnpacedTap, **config):
        taps.append(tap_class(config=by_filter(sandbox, **config), catalog=catalog, state=state))
        return taps[-1]

    yield make
    for tap in taps:
        tap.client.close()


def operations(sandbox):
    return [each["operation"] for each in sandbox.journal()]


class TestSettings:
    """Settings that are checked before anything else."""

    def test_conflicts_are_told_only_if_each_setting_is_valid(self):
        conflict = {"find_by": "filter", "lead_fields": ["id"]}
        with pytest.raises(ConfigValidationError) as caught:
            UnpacedTap(config={**CONFIG, **conflict, "batch_size": "x"})
        assert [each for each in caught.value.errors if "'batch_size'" in each] == [
            *caught.value.errors
        ]
        with pytest.raises(ConfigValidationError) as caught:
            UnpacedTap(config={**CONFIG, **conflict})
        assert caught.value.errors
        assert "batch_size" not in str(caught.value.errors)

    def test_settings_without_effect_are_told(self, caplog):
        offline_tap(config={"lead_id_from": 1, "lead_id_to": 2})
        (line,) = (each for each in caplog.records if "no effect while find_by" in each.msg)
        assert line.levelname == "WARNING"
        assert line.getMessage() == (
            "lead_id_from, lead_id_to: no effect while find_by is not set; opportunities are found "
            "by filter."
        )
        caplog.clear()
        offline_tap()
        assert "no effect" not in caplog.text


class TestCatalogs:
    """Catalogs in any form."""

    def test_an_older_form_is_read(self):
        older = entry(metadata=[], key_properties="marketoGUID", selected=True)
        tap = UnpacedTap(config=BY_FILTER, catalog={"streams": [older]})
        assert tap.streams[DEALS].selected
        assert tap.streams[DEALS].primary_keys == ["marketoGUID"]
        assert older["selected"] is True

    def test_a_catalog_of_the_sdk_is_used_as_it_is(self):
        catalog = Catalog.from_dict({"streams": [entry()]})
        tap = UnpacedTap(config=BY_FILTER, catalog=catalog)
        assert tap.input_catalog is catalog

    def test_a_stream_that_is_missing_costs_no_call(self):
        tap = offline_tap(entry(properties={"amount": NUMBER}))
        assert {*tap.streams} == {DEALS, ROLES, FIELDS, *LOG}
        assert "amount" in tap.streams[DEALS].schema["properties"]
        assert [name for name, each in tap.streams.items() if each.selected] == [DEALS]
        kept = {"marketoGUID", "updatedAt", "_sdc_deleted_at"}
        assert {*tap.streams[ROLES].schema["properties"]} == kept
        assert "client" not in vars(tap)

    def test_without_a_catalog_the_streams_are_described(self, tap_of, sandbox):
        tap = tap_of(lead_fields=["email"])
        assert {*tap.streams} == {DEALS, ROLES, FIELDS, *LOG}
        described = ["identity", "describe opportunity", "describe role", "describe_leads"]
        assert operations(sandbox) == described
        assert "amount" in tap.streams[DEALS].schema["properties"]
        assert {"role", "lead_email"} <= {*tap.streams[ROLES].schema["properties"]}
        for name in (DEALS, ROLES):
            assert "_sdc_deleted_at" in tap.streams[name].schema["properties"]

    def test_without_roles_there_is_no_stream_of_them(self, tap_of, sandbox):
        sandbox.fault("610", operation="describe role")
        assert {*tap_of().streams} == {DEALS, FIELDS, *LOG}

    def test_maps_are_compiled_for_selected_streams_only(self, caplog):
        maps = {DEALS: {"name": "'x'"}, ROLES: {"name": "'y'"}}
        tap = offline_tap(entry(), config={"stream_maps": maps})
        assert {*tap.mapper.stream_maps} == {DEALS}
        assert "stream_maps: 'opportunity_roles' has no effect" in caplog.text

    def test_a_selected_stream_that_is_unknown_is_warned_of(self, caplog):
        offline_tap(entry(), entry("opportunitys"))
        (line,) = (each for each in caplog.records if "'opportunitys'" in each.getMessage())
        assert line.levelname == "WARNING"
        assert "near: 'opportunities'" in line.getMessage()


class TestState:
    """States that the tap is given."""

    @pytest.mark.parametrize(
        "state",
        [
            {"bookmarks": {DEALS: "2026-01-01T00:00:00Z"}},
            {DEALS: "2026-01-01T00:00:00Z"},
            {"bookmarks": {DEALS: {"replication_key_value": "2026-01-01T00:00:00Z"}}},
        ],
    )
    def test_a_bookmark_may_be_a_text(self, state):
        value = {"replication_key_value": "2026-01-01T00:00:00Z"}
        assert offline_tap(entry(), state=state).state == {"bookmarks": {DEALS: value}}


class TestParts:
    """What the tap's parts are given."""

    def test_the_shorter_time_to_retry_is_used(self, sandbox, monkeypatch):
        given = []

        class Client(module.MarketoClient):
            def __init__(self, settings, **options):
                given.append((settings.max_retry_seconds, options["pacing_window_seconds"]))
                super().__init__(settings, **options)

        class HastyTap(UnpacedTap):
            most_retry_seconds = 10

        monkeypatch.setattr(module, "MarketoClient", Client)
        for tap_class, seconds in ((UnpacedTap, 30), (HastyTap, 30), (HastyTap, 7)):
            config = {**sandbox.credentials, "max_retry_seconds": seconds, "filter_values": ["a"]}
            tap_class(config=config).client.close()
        assert given == [(30, 0.001), (10, 0.001), (7, 0.001)]

    def test_a_signal_stops_the_calls(self, tap_of, monkeypatch):
        class Signal(ShutdownSignal):
            def on_request(self, callback):
                self.callback = callback

        signal = Signal()
        monkeypatch.setattr(module, "SHUTDOWN", signal)
        client = tap_of().client
        signal.callback()
        with pytest.raises(StoppedError):
            client.activity_types()

    def test_a_tap_that_is_gone_closes_its_connections(self, monkeypatch):
        closed = []

        class Client(module.MarketoClient):
            def close(self):
                closed.append(True)
                super().close()

        monkeypatch.setattr(module, "MarketoClient", Client)
        tap = offline_tap(entry())
        assert tap.client is tap.client
        # The report of the run has a reference to the latest tap.
        offline_tap()
        del tap
        gc.collect()
        assert closed

    def test_the_time_box_knows_the_streams_that_are_read(self, caplog, tmp_path):
        class LateTap(UnpacedTap):
            clock = staticmethod(lambda: float("inf"))

        (tmp_path / "guids.txt").write_text("")
        config = {
            **CONFIG,
            "max_run_seconds": 86_400,
            "find_by": "reconcile",
            "reconcile_opportunities_path": str(tmp_path / "guids.txt"),
        }
        catalog = {"streams": [entry(), entry(ROLES), entry(FIELDS, key="name", time=None)]}
        box = LateTap(config=config, catalog=catalog).time_box
        assert box.admits(DEALS)
        box.note_advance()
        assert not box.admits(DEALS)
        assert "max_run_seconds (86,400) reached" in caplog.text
        assert f"Not started: {DEALS}. " in caplog.text

    def test_the_end_of_the_time_stops_the_calls(self, tap_of):
        class LateTap(UnpacedTap):
            clock = staticmethod(lambda: float("inf"))

        tap = tap_of(max_run_seconds=86_400, tap_class=LateTap)
        tap.time_box.note_advance()
        with pytest.raises(StoppedError):
            tap.client.activity_types()

    def test_without_a_limit_the_time_is_never_over(self):
        tap = offline_tap()
        tap.time_box.note_advance()
        assert not tap.time_box.is_over

    def test_each_describe_and_the_types_are_read_once(self, tap_of, sandbox):
        tap = tap_of(catalog={"streams": [entry()]})
        for _ in range(2):
            assert tap.descriptions.opportunities.field("amount")
            assert tap.activity_types.names
        calls = ["identity", "describe opportunity", "activity_types"]
        assert operations(sandbox) == calls

    def test_all_runs_share_one_context(self, tap_of):
        class TalkingTap(UnpacedTap):
            seconds_between_logs = 3

        tap = tap_of(catalog={"streams": [entry()]}, tap_class=TalkingTap, batch_size=7)
        context = tap.run_context()
        assert context.config["batch_size"] == 7
        assert context.client is tap.client
        assert context.writer is tap.message_writer
        assert context.state is tap.state
        assert context.time_box is tap.time_box
        assert context.seconds_between_logs == 3
        usual = tap_of(catalog={"streams": [entry()]}).run_context()
        assert usual.seconds_between_logs == module.SECONDS_BETWEEN_LOGS


class TestCounts:
    """Counts for the report of the run."""

    def test_a_run_that_made_no_call_has_no_counts(self):
        tap = offline_tap(entry(stream="deals"), entry(ROLES, metadata=[selection(selected=False)]))
        streams, calls = tap.measure()
        assert [*streams] == ["deals"]
        assert calls == CallCounts()
        assert "client" not in vars(tap)

    def test_records_and_calls_are_counted(self, tap_of):
        tap = tap_of(catalog={"streams": [entry()]})
        tap.sync_all()
        streams, calls = tap.measure()
        assert {name: each["emitted"] for name, each in streams.items()} == {DEALS: 5}
        assert calls.calls == tap.client.counts.calls > 0


class TestRuns:
    """Which run finds a stream's records."""

    @pytest.mark.parametrize("filter_type", ["externalOpportunityId", "nonsense"])
    def test_a_filter_is_checked_only_if_opportunities_were_described(self, tap_of, filter_type):
        tap = tap_of(filter_type=filter_type)
        if filter_type == "nonsense":
            with pytest.raises(SettingsError, match="nonsense"):
                tap.run_started_by(tap.streams[DEALS])
        else:
            assert tap.run_started_by(tap.streams[DEALS])
            assert tap.run_started_by(tap.streams[ROLES]) is None
        tap = tap_of(filter_type=filter_type, catalog={"streams": [entry()]})
        assert tap.run_started_by(tap.streams[DEALS])

    def test_types_are_read_only_if_the_run_reads_the_log(self, tap_of, sandbox):
        catalog = {"streams": [entry(), entry(LOG[0], time="activityDate")]}
        tap = tap_of(catalog=catalog, start_date="2026-01-01")
        tap.run_started_by(tap.streams[DEALS])
        assert operations(sandbox) == ["identity"]
        tap.run_started_by(tap.streams[LOG[0]])
        assert "activity_types" in operations(sandbox)

    def test_each_stream_reads_records(self, tap_of):
        log = (entry(name, {"activityType": TEXT}, time="activityDate") for name in LOG)
        catalog = {"streams": [entry(), entry(FIELDS, key="name", time=None), *log]}
        tap = tap_of(catalog=catalog, start_date="2020-01-01")
        tap.sync_all()
        emitted = {name: each["emitted"] for name, each in tap.measure()[0].items()}
        assert {*emitted} == {DEALS, FIELDS, *LOG}
        assert all(emitted.values())

    def test_a_test_prepares_all_runs_and_returns_their_warnings(self, tap_of, sandbox):
        catalog = {"streams": [entry(), entry(ROLES), entry(FIELDS, key="name", time=None)]}
        tap = tap_of(catalog=catalog, lead_fields=["email"])
        warnings = tap.begin_runs(None, None)
        assert len([each for each in warnings if "lead_fields includes 'email'" in each]) == 1
        assert operations(sandbox) == ["identity"]

    def test_types_that_a_test_has_read_are_not_read_again(self, tap_of, sandbox):
        catalog = {"streams": [entry(LOG[0], time="activityDate")]}
        tap = tap_of(catalog=catalog, start_date="2026-01-01")
        tap.begin_runs(None, FollowedTypes({34: "Add to Opportunity"}))
        assert operations(sandbox) == ["identity"]
        tap.begin_runs(None, None)
        assert operations(sandbox) == ["identity", "activity_types"]


@pytest.fixture
def command(sandbox, tmp_path, monkeypatch, capsys):
    """Return a function that runs the command line in this process.

    It returns the exit code, the lines on stdout and the reports of the run: None without a file.
    """
    monkeypatch.setattr(module.TapMarketoOpps, "pacing_window_seconds", 0.001)
    path = tmp_path / "report.jsonl"

    def reports_of(report, status):
        if not path.exists():
            return None
        report.write(status)
        lines = path.read_text().splitlines()
        if not lines:
            # Only a failure closes the file.
            report.write(1)
        path.unlink()
        return [*map(json.loads, lines)]

    def run(*options, ended=0, **files):
        report = RunReport()
        monkeypatch.setattr(base, "RUN_REPORT", report)
        arguments = list(options)
        config = by_filter(sandbox, report_path=str(path))
        for name, content in {"config": config, **files}.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content))
            arguments.append(f"--{name}={tmp_path / name}.json")
        capsys.readouterr()
        singer = module.TapMarketoOpps.get_singer_command()
        try:
            status = singer.main(arguments, standalone_mode=False)
        except SystemExit as end:
            status = end.code
        finally:
            run.reports = reports_of(report, ended)
        return status or 0, capsys.readouterr().out.splitlines(), run.reports

    return run


def kinds(lines):
    return [json.loads(line)["type"] for line in lines]


CATALOG = {"streams": [entry()]}


class TestCommandLine:
    """What each option runs, and whether the run is reported."""

    def test_a_run_is_reported(self, command):
        status, lines, (report,) = command(catalog=CATALOG)
        assert (status, report["exit"]) == (0, 0)
        assert report["streams"][DEALS]["emitted"] == kinds(lines).count("RECORD") == 5
        assert report["plugin"] == "tap-marketo-opps"

    def test_a_run_goes_on_from_its_state(self, command):
        _, lines, _ = command(catalog=CATALOG)
        status, lines, _ = command(catalog=CATALOG, state=json.loads(lines[-1])["value"])
        assert status == 0
        assert kinds(lines).count("RECORD") == 1

    @pytest.mark.parametrize(("ended", "reports"), [(0, 0), (1, 1)])
    def test_of_discovery_only_a_failure_is_reported(self, command, ended, reports):
        status, lines, reported = command("--discover", ended=ended)
        assert status == 0
        streams = json.loads("\n".join(lines))["streams"]
        assert {each["tap_stream_id"] for each in streams} == {DEALS, ROLES, FIELDS, *LOG}
        assert len(reported) == reports

    @pytest.mark.parametrize("options", [["--test"], ["--test=all"]])
    def test_a_test_checks_what_the_streams_need(self, command, options):
        status, lines, reported = command(*options)
        assert status == 0
        assert lines[0] == "ok      credentials"
        checked = [each for each in lines if each.startswith("ok      reading")]
        assert checked == [
            "ok      reading opportunities",
            "ok      reading roles",
            "ok      reading field metadata",
        ]
        assert reported is None

    def test_a_test_heeds_the_catalog(self, command):
        status, lines, _ = command("--test", catalog=CATALOG)
        assert status == 0
        assert [each for each in lines if "reading" in each] == ["ok      reading opportunities"]

    def test_a_test_heeds_the_state(self, command):
        state = {"bookmarks": {DEALS: {"replication_key_value": "soon"}}}
        status, lines, _ = command("--test", state=state)
        assert status == 1
        assert [each for each in lines if "FAILED" in each and "soon" in each]

    def test_a_test_heeds_the_environment(self, command, monkeypatch, tmp_path):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TAP_MARKETO_OPPS_FILTER_TYPE", "nonsense")
        status, lines, _ = command("--config=ENV", "--test")
        assert status == 1
        assert [each for each in lines if "FAILED  configuration" in each and "nonsense" in each]
        assert command("--test")[0] == 0

    def test_wrong_credentials_are_the_only_result(self, command, sandbox):
        config = by_filter(sandbox, client_secret="wrong")
        status, (line,), _ = command("--test", config=config)
        assert status == 1
        assert line.startswith("FAILED  credentials (for everything)")

    def test_a_catalog_that_selects_roles_needs_them(self, command, sandbox):
        sandbox.fault("610", operation="describe role")
        status, lines, _ = command("--test", catalog={"streams": [entry(ROLES)]})
        assert status == 1
        assert [each for each in lines if each.startswith("FAILED  reading roles (for ")]
        assert command("--test")[0] == 0

    def test_a_failed_check_ends_the_test_with_1(self, command, sandbox):
        sandbox.fault("610", operation="fields")
        status, lines, _ = command("--test")
        assert status == 1
        (failed,) = (each for each in lines if each.startswith("FAILED"))
        assert "reading field metadata" in failed

    def test_a_test_does_not_retry_for_long(self, command, monkeypatch):
        taps = []

        class Test(module.connection_test.ConnectionTest):
            def run(self):
                taps.append(self.tap)
                return super().run()

        monkeypatch.setattr(module.connection_test, "ConnectionTest", Test)
        command("--test")
        (tap,) = taps
        assert tap.most_retry_seconds == 10
        tap.time_box.note_advance()
        assert not tap.time_box.is_over

    @pytest.mark.parametrize(
        ("kind", "written"), [("schema", {"SCHEMA"}), ("records", {"SCHEMA", "RECORD", "STATE"})]
    )
    def test_a_kind_of_test_writes_messages(self, command, kind, written):
        status, lines, reported = command(f"--test={kind}", catalog=CATALOG)
        assert status == 0
        assert {*kinds(lines)} == written
        assert kinds(lines).count("SCHEMA") == 1
        assert reported is None

    def test_a_kind_that_there_is_not_is_refused(self, command, sandbox):
        with pytest.raises(SettingsError, match="--test: must be one of all, records, schema"):
            command("--test=everything")
        assert not sandbox.journal()

    @pytest.mark.parametrize(("options", "is_reported"), [([], True), (["--test"], False)])
    @pytest.mark.parametrize("broken", [{"state": {"bookmarks": 1}}, {"catalog": {"streams": []}}])
    def test_files_are_checked_before_any_call(
        self, command, sandbox, options, is_reported, broken
    ):
        (option,) = broken
        with pytest.raises(SettingsError, match=f"--{option}: "):
            command(*options, **broken)
        assert bool(command.reports) is is_reported
        assert not sandbox.journal()

    @pytest.mark.parametrize("options", [["--about"], ["--about", "--test"]])
    def test_a_description_is_no_run(self, command, sandbox, options):
        status, lines, reported = command(*options)
        assert status == 0
        assert "tap-marketo-opps" in "".join(lines)
        assert reported is None
        assert not sandbox.journal()

    def test_the_help_says_what_the_test_is(self, command):
        _, lines, _ = command("--help")
        assert "Check credentials, permissions" in " ".join(" ".join(lines).split())
