"""Runs of a row: both plugins as processes, each with its own instance, and their checks."""

from __future__ import annotations

import json
import typing as t
from datetime import timedelta

from marketo_sandbox.instance.describe import OPPORTUNITY
from tests.pipeline.compare import by_key, differences, held, values, with_a_role
from tests.pipeline.malformed_responses.forked import ForkedPlugin
from tests.pipeline.malformed_responses.messages import KEY, LEADS, STATE_VALUE
from tests.pipeline.malformed_responses.rows import Refused, Well

if t.TYPE_CHECKING:
    from pathlib import Path

    from marketo_sandbox.server.server import SandboxServer
    from tests.pipeline.malformed_responses.rows import Outcome, Row

SECONDS = 30.0
LONG_SECONDS = 240.0
HISTORY_DAYS = 30
# Settings without waits for the rate limit, and with few retries.
SETTINGS = {"max_retry_seconds": 2, "calls_per_20_seconds": 100}


class Run:
    """The run of one plugin for a row.

    Args:
        row: the malformed response and the expected outcome.
        sandbox: the instance that the plugin calls.
        directory: directory for the plugin's files.
    """

    program = ""

    def __init__(self, row: Row, sandbox: SandboxServer, directory: Path) -> None:
        self.row = row
        self.sandbox = sandbox
        self.directory = directory
        self.rejects_path = directory / "rejects.jsonl"
        row.prepare(sandbox)
        config = {**SETTINGS, **sandbox.credentials, **self.settings()}
        arguments = self.arguments(config)
        for rule in row.rules:
            sandbox.fault(**rule)
        self.plugin = ForkedPlugin(self.program, config, directory, *arguments)

    def arguments(self, config: dict[str, t.Any]) -> list[str]:
        """Return the plugin's arguments other than the settings."""
        return []

    def settings(self) -> dict[str, t.Any]:
        """Return the plugin's settings in addition to those common to both plugins."""
        raise NotImplementedError

    @property
    def outcome(self) -> Outcome | None:
        raise NotImplementedError

    @property
    def lines(self) -> list[str]:
        """Return the lines that the plugin has logged."""
        return self.plugin.stderr.splitlines()

    @property
    def messages(self) -> list[dict[str, t.Any]]:
        """Return the messages that the plugin has written."""
        return [json.loads(line) for line in self.plugin.stdout.splitlines()]

    @property
    def states(self) -> list[dict[str, t.Any]]:
        """Return all states that the plugin has written; a target writes only their values."""
        raise NotImplementedError

    def check(self) -> None:
        """Wait for the plugin to exit, and compare the outcome with the expected one."""
        code = self.plugin.wait(LONG_SECONDS if self.row.long else SECONDS)
        self._check_struck()
        self._check_secrets()
        if isinstance(self.outcome, Refused):
            self._check_sentence(code, self.outcome)
        else:
            self._check_well(code)
        self.check_content(code)

    def check_content(self, code: int) -> None:
        raise NotImplementedError

    def _check_struck(self) -> None:
        rules = self.sandbox.api.faults.to_list()
        assert not rules or any(rule["struck"] for rule in rules), "nothing odd has come"

    def _check_secrets(self) -> None:
        token = (self.sandbox.instance.storage.meta("token") or "").partition(":")[0]
        secrets = [self.sandbox.client_secret, *filter(None, [token]), *self.row.secrets]
        for text in (self.plugin.stderr, self.plugin.stdout):
            assert "Traceback" not in text, text
            assert not [secret for secret in secrets if secret in text], text

    def _check_sentence(self, code: int, outcome: Refused) -> None:
        assert code == 1, self.plugin.stderr
        errors = [line for line in self.lines if "| ERROR " in line or "| CRITICAL" in line]
        assert errors == self.lines[-1:], self.plugin.stderr
        for words in (*outcome.what, outcome.remedy):
            assert words in errors[0], errors[0]

    def _check_well(self, code: int) -> None:
        assert isinstance(self.outcome, Well)
        assert code == 0, self.plugin.stderr
        for words in self.outcome.told:
            assert words in self.plugin.stderr, self.plugin.stderr


class TapRun(Run):
    """The run of the tap, on an instance with opportunities and roles of the last weeks."""

    program = "tap-marketo-opps"

    def settings(self) -> dict[str, t.Any]:
        begin = self.sandbox.instance.clock.now() - timedelta(days=HISTORY_DAYS + 5)
        found = {
            "activities": {"start_date": begin.isoformat(), "batch_size": 2},
            "filter": {"filter_values": self.sandbox.instance.opportunity_ids(), "batch_size": 2},
        }[self.row.find]
        return {**found, **self.row.tap_settings}

    def arguments(self, config: dict[str, t.Any]) -> list[str]:
        if not self.row.selects:
            return []
        discovery = ForkedPlugin(self.program, config, self.directory, "--discover")
        assert discovery.wait(SECONDS) == 0
        catalog = json.loads(discovery.stdout)
        for stream in catalog["streams"]:
            own = next(each for each in stream["metadata"] if each["breadcrumb"] == [])
            own["metadata"]["selected"] = own["metadata"].get("selected", True) or (
                stream["tap_stream_id"] in self.row.selects
            )
        path = self.directory / "catalog.json"
        path.write_text(json.dumps(catalog))
        return ["--catalog", str(path)]

    @property
    def outcome(self) -> Outcome | None:
        return self.row.of_tap

    @property
    def states(self) -> list[dict[str, t.Any]]:
        return [each["value"] for each in self.messages if each["type"] == "STATE"]

    def records(self, stream: str) -> list[dict[str, t.Any]]:
        """Return the records of a stream."""
        found = [each for each in self.messages if each["type"] == "RECORD"]
        return [each["record"] for each in found if each["stream"] == stream]

    def check_content(self, code: int) -> None:
        """Compare the records with the instance, and the last state with the records."""
        for stream in ("opportunities", "opportunity_roles"):
            lacks = self._lacks(stream)
            is_whole = code == 0 or self._is_finished(stream)
            assert not (is_whole and lacks), f"{stream} lacks {lacks}:\n{self.plugin.stderr}"
        if code == 0:
            assert self._keys("opportunity_fields") == self._fields()
        if self.row.selects:
            assert self._keys("opportunity_activities") == self._activities()
        assert {each["field"] for each in self.records("opportunity_changes")} <= {"stage"}
        for schema in (each for each in self.messages if each["type"] == "SCHEMA"):
            for record in self.records(schema["stream"]):
                assert None not in [record[key] for key in schema["key_properties"]], record

    def _keys(self, stream: str) -> set[t.Any]:
        key = "name" if stream == "opportunity_fields" else "marketoGUID"
        return {record[key] for record in self.records(stream)}

    def _fields(self) -> set[str]:
        fields = self.sandbox.instance.fields(OPPORTUNITY, {"batchSize": "300"})["result"]
        lacking = self.outcome.lacking if self.outcome else frozenset()
        return {each["name"] for each in fields} - lacking

    def _activities(self) -> set[str]:
        since = {"sinceDatetime": "2020-01-01T00:00:00Z"}
        asked = self.sandbox.instance.paging_token(since) | {"activityTypeIds": "34,35,36"}
        entries = self.sandbox.instance.activities(asked)["result"]
        has_guids = not any("marketoGUID" in rule["each"] for rule in self._rules())
        return {str(each["marketoGUID" if has_guids else "id"]) for each in entries}

    def _rules(self) -> list[dict[str, t.Any]]:
        return self.sandbox.api.faults.to_list()

    def _is_finished(self, stream: str) -> bool:
        bookmark = self.states[-1]["bookmarks"].get(stream, {}) if self.states else {}
        return bookmark.get("resume") is None and bookmark.get("found_by") is not None

    def _lacks(self, stream: str) -> list[str]:
        """Return the keys of records that are missing or differ from the instance."""
        well = self.outcome if isinstance(self.outcome, Well) else Well()
        if stream == "opportunities":
            return self._lacking_deals(well)
        roles = {_role(each) for each in self.sandbox.instance.roles()} if well.roles else set()
        kept = {each for each in roles if each[0] not in well.lacking}
        came = {_role(each) for each in self.records(stream)}
        return [str(each) for each in kept ^ came if each[0] not in well.lacking | well.extra]

    def _lacking_deals(self, well: Well) -> list[str]:
        all_deals = (held if self.row.find == "filter" else with_a_role)(self.sandbox)
        source = {key: _without(each, well.nulls) for key, each in all_deals.items()}
        came = by_key(self.records("opportunities"))
        kept = {key: each for key, each in source.items() if key not in well.lacking}
        other = well.extra | well.lacking
        return differences(
            kept, {key: _without(v, well.nulls) for key, v in came.items() if key not in other}
        )


class TargetRun(Run):
    """The run of the target, on an instance with leads and the row's own preparations."""

    program = "target-marketo-opps"

    def settings(self) -> dict[str, t.Any]:
        path = self.directory / f"{self.program}.stdin"
        path.write_text("".join(f"{json.dumps(each)}\n" for each in self.row.messages))
        return {"rejects_path": str(self.rejects_path), **self.row.target_settings}

    @property
    def outcome(self) -> Outcome | None:
        return self.row.of_target

    @property
    def states(self) -> list[dict[str, t.Any]]:
        return self.messages

    def check_content(self, code: int) -> None:
        """Compare the instance with the input, without rejected records, if a state was emitted."""
        assert code or self.states == [STATE_VALUE]
        assert self.outcome is not None
        assert self._rejected() == self.outcome.lacking, self.plugin.stderr
        if self.states:
            lacks = differences(self._deals(), held(self.sandbox))
            assert lacks == [], self.plugin.stderr
            assert self._roles() == {_role(each) for each in self.sandbox.instance.roles()}

    def _rejected(self) -> set[str]:
        if not self.rejects_path.exists():
            return set()
        lines = self.rejects_path.read_text().splitlines()
        records = [json.loads(line)["record"] for line in lines]
        return {each[KEY] if "leadId" not in each else f"lead {each['leadId']}" for each in records}

    def _input(self, stream: str) -> list[dict[str, t.Any]]:
        records = [each for each in self.row.messages if each["type"] == "RECORD"]
        return [each["record"] for each in records if each["stream"] == stream]

    def _deals(self) -> dict[str, dict[str, t.Any]]:
        deals = {each[KEY]: each for each in self._input("opportunities")}
        assert self.outcome is not None
        return {
            key: values(each)
            for key, each in deals.items()
            if key not in self.outcome.lacking and "_sdc_deleted_at" not in each
        }

    def _roles(self) -> set[tuple[t.Any, ...]]:
        assert self.outcome is not None
        lacking = self.outcome.lacking
        return {
            _role(each) for each in self._input("roles") if f"lead {each['leadId']}" not in lacking
        }


def _role(record: dict[str, t.Any]) -> tuple[t.Any, ...]:
    return record[KEY], record["leadId"], record["role"]


def _without(record: dict[str, t.Any], names: frozenset[str]) -> dict[str, t.Any]:
    return {name: value for name, value in record.items() if name not in names}


def with_history(sandbox: SandboxServer) -> SandboxServer:
    """Add opportunities and roles of the last weeks to an instance, all of them logged."""
    sandbox.seed(6, leads=4, history_days=HISTORY_DAYS)
    return sandbox


def with_leads(sandbox: SandboxServer) -> SandboxServer:
    """Add the leads to an instance to which roles of the input belong."""
    sandbox.instance.add_leads(LEADS)
    return sandbox
