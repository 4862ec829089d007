"""`docs/errors.md` has every message, word for word."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import sys
import threading
import typing as t
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from marketo_opps import DailyQuotaError, MarketoObject
from marketo_opps.plugin import process
from marketo_opps.plugin.command_line import read_config_files, run_command
from marketo_opps.plugin.process import ShutdownSignal
from marketo_sandbox.cli import main as sandbox_main
from tap_marketo_opps import command_line, connection_test, console
from tap_marketo_opps.finding.activity_log import read_followed_types
from tap_marketo_opps.finding.activity_types import followed_types
from tap_marketo_opps.finding.key_sources import FileKeys
from tap_marketo_opps.singer_writer import MessageWriter
from tap_marketo_opps.tap import TapMarketoOpps
from target_marketo_opps.delivery.batch_writer import accepted_outcome
from target_marketo_opps.replay import messages as replayed
from target_marketo_opps.replay import replay
from tests.manual.in_process import (
    NOBODY,
    VALUES,
    Nowhere,
    answering,
    client,
    record,
    said_by,
    schema,
    tap,
    target,
)
from tests.manual.pages import ROOT, page
from tests.manual.templates import templates

PAGE = page("errors.md")
REJECTS = page("rejects.md")
ROWS = re.findall(r"^\| `(.*?)` \|", PAGE, re.MULTILINE)
IN_FUTURE = "2999-01-01T00:00:00Z"
DEAL = {"externalOpportunityId": "D-1", "name": "A deal"}
LEAST = frozenset({"Read-Only Opportunity", "Read-Only Activity"})

PROTOCOL_VERSION_ALERT = b"\x15\x03\x01\x00\x02\x02\x46"


@dataclass
class World:
    """The instances and files of a run that fails."""

    make: t.Callable[..., t.Any]
    path: Path
    environment: pytest.MonkeyPatch
    heard: t.Callable[[], str]

    def sandbox(self, **options: t.Any) -> t.Any:
        return self.make(
            **{"opportunities": 3, "leads": 3, "limits": {"enforced": False}, **options}
        )

    def refusing(self, fault: str, **rule: t.Any) -> t.Any:
        sandbox = self.sandbox()
        sandbox.fault(fault, **rule)
        return sandbox

    def file(self, content: bytes | str, name: str = "file") -> str:
        path = self.path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def variable(self, name: str, value: str) -> None:
        self.environment.setenv(name, value)


@pytest.fixture
def world(marketo_sandbox_factory, tmp_path, monkeypatch, capsys):
    return World(
        marketo_sandbox_factory, tmp_path, monkeypatch, lambda: "".join(capsys.readouterr())
    )


Case = t.Callable[[World], object]


def settings(**wrong: t.Any) -> Case:
    return lambda _: tap(None, **{**VALUES, **wrong})


def of_target(*messages: t.Any, **wrong: t.Any) -> Case:
    return lambda world: target(world.sandbox(), *messages, **wrong)


BY_ADDRESS = {"stream_objects": {"roles": "opportunity_roles"}, "lead_lookup_field": "email"}


def roles(*names: str) -> dict[str, t.Any]:
    return schema("externalOpportunityId", "role", *names, stream="roles")


def answered_otherwise(world: World) -> None:
    sandbox = world.sandbox()
    other = {"success": True, "result": [{"id": 1, "email": "jos\u00e9@x"}]}
    sandbox.fault("answer", operation="query_leads", body=other)
    role = record("roles", externalOpportunityId="a", role="Buyer", email="jose@x")
    target(sandbox, roles("email"), role, **BY_ADDRESS)


def state(content: t.Any, name: str = "--state") -> Case:
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    check = command_line.checked_state if name == "--state" else command_line.checked_catalog

    def read(world: World) -> None:
        with Path(world.file(text)).open(encoding="utf-8") as file:
            check(file)

    return read


def with_state(bookmark: t.Any, **more: t.Any) -> Case:
    whole = {"bookmarks": {"opportunities": bookmark}}
    return lambda world: tap(world.sandbox(), state=whole, **VALUES, **more)


def config_file(content: bytes) -> Case:
    return lambda world: read_config_files((world.file(content),))


def values_file(content: bytes | None, **more: t.Any) -> Case:
    def run(world: World) -> None:
        path = str(world.path / "none") if content is None else world.file(content)
        name = "lead_ids_path" if more else "filter_values_path"
        tap(world.sandbox(), **{name: path}, **more)

    return run


def changed_file(world: World) -> None:
    path = world.file("a\n")
    source = FileKeys("filter_values_path", path, column="externalOpportunityId")
    world.file("b\n")
    next(source.chunks())


def reconciling(*lines: str) -> Case:
    """Reconcile a file with these lines, in which `{guid}` is that of a record in Marketo."""

    def run(world: World) -> None:
        sandbox = world.sandbox()
        guid = next(iter(sandbox.instance.opportunities()))["marketoGUID"]
        path = world.file("".join(f"{line.format(guid=guid)}\n" for line in lines))
        tap(sandbox, find_by="reconcile", reconcile_opportunities_path=path)

    return run


def mapped(**maps: t.Any) -> Case:
    whole = {"stream_maps": {"opportunities": maps}}
    return lambda world: tap(world.sandbox(), **VALUES, **whole)


def mapped_to(stream: str) -> Case:
    return lambda world: tap(world.sandbox(), **VALUES, stream_maps={stream: {}})


def answered(token: t.Any = None, **answer: t.Any) -> Case:
    def call(_: World) -> None:
        with answering(token, **answer):
            client().describe(MarketoObject.OPPORTUNITIES)

    return call


def through(name: str, value: str) -> Case:
    def call(world: World) -> None:
        world.variable(name, value)
        client(endpoint="https://marketo.invalid").calls_today()

    return call


def without_agreement(_: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as old:

        def refuse() -> None:
            connection, _ = old.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(PROTOCOL_VERSION_ALERT)

        threading.Thread(target=refuse, daemon=True).start()
        client(endpoint=f"https://127.0.0.1:{old.getsockname()[1]}").calls_today()


def described_once(_: World) -> None:
    with answering(json={"success": True, "requestId": "r", "result": []}):
        client().describe(MarketoObject.OPPORTUNITIES)


def odd_results(*results: t.Any) -> Case:
    def write(_: World) -> None:
        with answering(json={"success": True, "requestId": "r", "result": list(results)}):
            client().sync(MarketoObject.OPPORTUNITIES, [b"{}"], action="createOrUpdate")

    return write


def environment(_: World) -> None:
    TapMarketoOpps.read_environment()


def of_variable(world: World) -> None:
    world.variable("TAP_MARKETO_OPPS_FILTER_VALUES", '["a"')
    environment(world)


def environment_file(world: World) -> None:
    world.file(b"\xe9", ".env")
    world.environment.chdir(world.path)
    environment(world)


def not_loaded(world: World) -> None:
    world.environment.setattr("signal.signal", lambda *_: None)
    world.environment.setitem(sys.modules, "tap_marketo_opps.tap", None)
    with pytest.raises(SystemExit) as ended:
        console.main()
    raise AssertionError(ended.value.code)


def with_catalog(edit: t.Callable[[dict[str, t.Any]], object], **more: t.Any) -> Case:
    def run(world: World) -> None:
        sandbox = world.sandbox()
        describing = TapMarketoOpps(config={**sandbox.credentials, **VALUES})
        catalog = json.loads(json.dumps(describing.catalog_dict))
        describing.client.close()
        edit(catalog["streams"][0])
        tap(sandbox, catalog=catalog, **VALUES, **more)

    return run


def deselecting(sandbox_of: World) -> None:
    entry = {"tap_stream_id": "opportunities", "selected": False}
    tap(sandbox_of.sandbox(), catalog={"streams": [entry]}, **VALUES)


class WithoutLogging:
    """A plugin whose logging configuration is broken."""

    name = "tap-marketo-opps"

    @property
    def cli(self) -> t.NoReturn:
        raise ValueError


def logging_by(name: str, value: str) -> Case:
    return lambda _: run_command(WithoutLogging(), {name: value})


def expired(world: World) -> None:
    sandbox = world.sandbox()
    sandbox.fault("602", times=1, operation="query opportunity")
    tap(sandbox, **VALUES)


def taken_apart(world: World) -> None:
    deals = [{**DEAL, "externalOpportunityId": f"D-{number}"} for number in range(4)]
    deals[2]["externalSalesPersonId"] = "nobody"
    sandbox = world.sandbox(sales_persons=frozenset({"somebody"}))
    names = schema("externalOpportunityId", "name", "externalSalesPersonId")
    target(sandbox, names, *(record(**deal) for deal in deals))


def all_refused(world: World) -> None:
    sandbox = world.refusing("1003", operation="sync opportunity")
    deals = [record(**{**DEAL, "externalOpportunityId": f"D-{number}"}) for number in range(40)]
    target(sandbox, schema(), *deals, max_rejects=-1)


def without_catalog_keys(world: World) -> None:
    sandbox = world.sandbox()
    describing = TapMarketoOpps(config={**sandbox.credentials, **VALUES})
    catalog = json.loads(json.dumps(describing.catalog_dict))
    describing.client.close()
    for stream in catalog["streams"]:
        stream.pop("replication_key", None)
        stream.pop("replication_method", None)
        for each in stream["metadata"]:
            for name in ("replication-key", "valid-replication-keys", "forced-replication-method"):
                each["metadata"].pop(name, None)
            if not each["breadcrumb"]:
                each["metadata"]["selected"] = True
    catalog["streams"][0]["schema"]["properties"]["stage"] = {"type": ["integer", "null"]}
    tap(sandbox, catalog=catalog, **VALUES)


def without_a_key(world: World) -> None:
    sandbox = world.sandbox()
    schema_without = {"properties": {"name": {}}}
    entry = {"tap_stream_id": "opportunities", "schema": schema_without}
    tap(sandbox, catalog={"streams": [entry]}, **VALUES)


def with_a_field_that_is_gone(world: World) -> None:
    properties = {name: {} for name in ("marketoGUID", "updatedAt", "mood")}
    entry = {"tap_stream_id": "opportunities", "schema": {"properties": properties}}
    tap(world.sandbox(), catalog={"streams": [entry]}, **VALUES)


def with_a_lead_field_that_nobody_names(world: World) -> None:
    sandbox = world.sandbox()
    describing = TapMarketoOpps(config={**sandbox.credentials, **VALUES, "lead_fields": ["email"]})
    catalog = json.loads(json.dumps(describing.catalog_dict))
    describing.client.close()
    tap(sandbox, catalog=catalog, **VALUES)


def checked(world: World) -> None:
    sandbox = world.sandbox(permissions=LEAST)
    plugin = TapMarketoOpps(config={**sandbox.credentials, "start_date": "2026-01-01"})
    plugin.report_checks()
    plugin.client.close()
    raise AssertionError(world.heard().splitlines()[-1])


def rejects_in_the_input(world: World) -> None:
    kept, path = os.dup(0), world.file(b"")
    opened = os.open(path, os.O_RDONLY)
    os.dup2(opened, 0)
    try:
        target(world.sandbox(), schema(), rejects_path=path)
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        os.close(opened)


def rejects_in_a_pipe(world: World) -> None:
    path = world.path / "pipe"
    os.mkfifo(path)
    target(world.sandbox(), schema(), rejects_path=str(path))


def trial(options: t.Any, **settings: t.Any) -> Case:
    def run(world: World) -> None:
        sandbox = world.sandbox(**options)
        plugin = TapMarketoOpps(config={**sandbox.credentials, **settings}, setup_mapper=False)
        plugin.report_checks()
        plugin.client.close()
        for line in world.heard().splitlines():
            logging.getLogger().info(line)

    return run


def rejects_file_full(world: World) -> None:
    target(world.sandbox(), schema(), record(name="x"), max_rejects=-1, rejects_path="/dev/full")


def output_full(world: World) -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        world.environment.setattr("sys.stdout", SimpleNamespace(buffer=full))
        MessageWriter().write(b"x")


def torn(world: World) -> None:
    with Path(world.file(b'{"stream": "s", "rec')).open("rb") as lines:
        list(replayed((line.replace(b'": "', b'":"') for line in lines), lines.name))


def sandbox_command(*arguments: str) -> Case:
    def run(world: World) -> None:
        names = [each.replace("FILE", world.file("no database")) for each in arguments]
        sandbox_main(["serve", *names])
        raise AssertionError(world.heard().strip())

    return run


def replay_of_nothing(world: World) -> None:
    world.environment.setattr("sys.argv", ["replay", "no/such/file"])
    replay()


def without_activity_types(_: World) -> None:
    followed_types({})


def with_types(listed: dict[str, int]) -> Case:
    def run(_: World) -> None:
        result = [{"name": name, "id": number} for name, number in listed.items()]
        with answering(json={"success": True, "result": result}):
            read_followed_types(client())

    return run


def batch(name: str, content: bytes | None) -> Case:
    def run(world: World) -> None:
        path = world.path / name
        if content is not None:
            path.write_bytes(content)
        encoding = {"format": "jsonl", "compression": "none"}
        message = {"type": "BATCH", "stream": "opportunities", "encoding": encoding}
        target(world.sandbox(), schema(), {**message, "manifest": [path.as_uri()]})

    return run


def on_a_port_that_is_taken(world: World) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sandbox_command("--port", str(taken.getsockname()[1]))(world)


def settings_changed(world: World, **known: str) -> None:
    sandbox = world.sandbox()
    values = {"filter_values": sandbox.instance.opportunity_ids(), "batch_size": 1}
    sandbox.fault("607", operation="query role", skip=4)
    stopped = TapMarketoOpps(config={**sandbox.credentials, **values}, message_writer=Nowhere())
    with pytest.raises(DailyQuotaError):
        stopped.sync_all()
    stopped.client.close()
    sandbox.clear_faults()
    for bookmark in stopped.state["bookmarks"].values():
        bookmark.update(known)
    tap(sandbox, state=stopped.state, **{**values, "batch_size": 2})


def odd_status(_: World) -> None:
    accepted_outcome("guessed", "r")


def of_a_defect(error: type[Exception]) -> Case:
    def fail() -> None:
        raise error

    return lambda _: process._exit_code(fail, ())


def asked_to_stop() -> ShutdownSignal:
    """Return a shutdown signal that is set, without the alarm that ends the process."""
    shutdown = ShutdownSignal()
    shutdown._signum = signal.SIGTERM
    return shutdown


def stopped_client(_: World) -> None:
    stopped = client()
    stopped.stop()
    with answering():
        stopped.calls_today()


def without_the_extra(world: World) -> None:
    world.environment.setattr(
        "marketo_sandbox.optional_dependencies.PACKAGES", ("no_such_package",)
    )
    sandbox_command()(world)


def demo_without_plugins(world: World) -> None:
    world.environment.setattr("sysconfig.get_path", lambda _: str(world.path))
    world.environment.setenv("PATH", "")
    sandbox_main(["demo"])
    raise AssertionError(world.heard().splitlines()[-1])


LINE = "Line ... of the input cannot be used: "
CASES: dict[str, Case] = {
    "Setting '...' is missing or empty.": settings(client_secret=""),
    "Invalid value for setting '...': ...": settings(batch_size=301),
    "Invalid value for setting '...': must be a non-empty string.": settings(client_secret=5),
    "Invalid value for setting '...'...: must be text": settings(client_secret="p\udce4ss"),
    "Invalid value for setting 'limits_path': ...": lambda world: tap(
        world.sandbox(), limits_path="no/such/file"
    ),
    "Invalid value for setting 'endpoint': not a URL. ...": settings(endpoint="123-ABC-456"),
    "Invalid value for setting 'endpoint': this is the SOAP": settings(
        endpoint="https://1.mktoapi.com/soap/mktows/2_9"
    ),
    "Invalid value for environment variable ...: the text": lambda world: (
        world.variable("TAP_MARKETO_OPPS_BATCH_SIZE", "null"),
        environment(world),
    ),
    "--config=ENV: cannot read": environment_file,
    "The catalog's 'selected'": with_catalog(lambda entry: entry.update(selected="perhaps")),
    "The catalog has two streams": with_catalog(
        lambda entry: entry.update(stream="opportunity_roles")
    ),
    "The catalog sets ...": with_catalog(lambda entry: entry.update(replication_key="createdAt")),
    "The catalog selects the stream": with_catalog(
        lambda entry: entry.update(tap_stream_id="opportunitys")
    ),
    "The catalog selects no stream": deselecting,
    "stream_maps: '...' has no effect": mapped_to("leads"),
    "... cannot be loaded": not_loaded,
    "Out of memory": of_a_defect(MemoryError),
    "Invalid value for setting 'endpoint': must": settings(endpoint=f"{NOBODY}/rest/v1"),
    "Invalid value for setting 'endpoint': plain http to ...": settings(
        endpoint="http://example.com"
    ),
    "Invalid value for setting 'user_agent'": settings(
        user_agent="caf\N{LATIN SMALL LETTER E WITH ACUTE}"
    ),
    "Invalid value for setting 'start_date'": settings(start_date="last tuesday"),
    "find_by: lead_list requires": settings(find_by="lead_list"),
    "Marketo refused ... lead_list_id is": lambda world: tap(
        world.sandbox(), find_by="lead_list", lead_list_id=4711
    ),
    "... and ... name the same file": settings(lead_ids_path="x", report_path="x"),
    "find_by: filter requires": settings(find_by="filter", filter_values=None),
    "find_by: lead_ids requires": settings(find_by="lead_ids"),
    "lead_ids_path cannot be": settings(find_by="lead_ids", lead_id_from=1, lead_ids_path="x"),
    "lead_fields must not include id": settings(lead_fields=["id"]),
    "find_by: reconcile requires": settings(find_by="reconcile"),
    "lead_id_from must not": settings(find_by="lead_ids", lead_id_from=2, lead_id_to=1),
    "dedupe_by 'idField' needs": of_target(dedupe_by="idField"),
    "lead_lookup_field must not": of_target(lead_lookup_field="id"),
    "lead_lookup_field cannot be": of_target(lead_lookup_field="email", dedupe_by="idField"),
    "Setting '...' is unknown": of_target(dryrun=True),
    "...: no effect while find_by": settings(filter_values=None, lead_ids_path="x"),
    "...: no effect with find_by": settings(find_by="activities", start_date=IN_FUTURE),
    "--config: cannot read ...": lambda _: read_config_files(("no/such.json",)),
    "--config: ... is not valid JSON": config_file(b"{"),
    "--config: ... is empty": config_file(b""),
    "--config: ... contains a number or": config_file(b"[" * 100_000),
    "--config: ... is not a JSON object:": config_file(b"[]"),
    "Invalid value for environment variable ...: must be of": of_variable,
    "Invalid value for environment variable ...: must be one": logging_by("LOGLEVEL", "verbose"),
    "The environment variable SINGER": logging_by("SINGER_SDK_LOG_CONFIG", "/dev/null"),
    "...: cannot read ...: ...": values_file(None),
    "...: ... is not a regular file, ...": lambda world: tap(
        world.sandbox(), filter_values_path=str(world.path)
    ),
    "...: ... is not valid UTF-8": values_file(b"one\n\xe9\n"),
    "...: ... was changed or removed": changed_file,
    "...: ... has no column for": reconciling("gone"),
    "... of ... rows looked up": reconciling(*(f"gone-{number}" for number in range(101))),
    "...: not a marketoGUID": reconciling("gone", "(1 row)"),
    "...: _sdc_deleted_at of row": reconciling("marketoGUID,_sdc_deleted_at", "{guid},true"),
    "...: updatedAt of": reconciling("marketoGUID,updatedAt", "{guid},5/7/2026 10:11"),
    "... contains no values.": values_file(b"\n"),
    "...: values with a comma": values_file(b"one\na,b\n"),
    "...: lead ids must be integers": values_file(b"Lead\n1\n", find_by="lead_ids"),
    "...: ... has several columns": values_file(b"Id,Name\n1,a\n"),
    "...: ... has an unterminated": values_file(b'externalOpportunityId,b\n1,"a' + b"a" * 200_000),
    "...: skipped ... without": values_file(b"externalOpportunityId,b\n,a\nb,c\n"),
    "Nothing was found for any of": values_file(b"nothing\n"),
    "Invalid value for setting 'stream_maps'": mapped(deal="1 +"),
    "Failed to evaluate ...": mapped(__alias__="deals()"),
    "Removing key property": mapped(marketoGUID=None),
    "Invalid key properties for": mapped(__key_properties__=["none"]),
    "stream_maps failed on a record": mapped(deal="int(name)"),
    "Marketo's identity service refused": lambda world: tap(
        world.sandbox(), client_secret="wrong", **VALUES
    ),
    "Marketo refused ...: 603": lambda world: tap(world.sandbox(permissions=frozenset()), **VALUES),
    "... Or deselect": lambda world: tap(world.sandbox(permissions=LEAST), **VALUES),
    "Marketo refused ...: 601": lambda world: tap(world.refusing("601"), **VALUES),
    "FAILED  ... (for ...": checked,
    "FAILED  configuration": trial({}, start_date=IN_FUTURE),
    "note    ...: not found": trial({}, start_date="2026-01-01"),
    "note    paged responses": trial({}, **VALUES),
    "note    configuration": trial(
        {"permissions": frozenset({"Read-Only Opportunity"})}, start_date="2026-01-01"
    ),
    "note    unknown data type": trial({}, **VALUES),
    "--test: must be one of": lambda _: connection_test.checked_kind("everything"),
    "... cannot be reached (...): check 'endpoint'": settings(),
    "... cannot be reached through": through("HTTPS_PROXY", NOBODY),
    "The TLS handshake with ...": without_agreement,
    "The proxy for ...": through("HTTPS_PROXY", "socks5://127.0.0.1:9"),
    "The certificates in ...": through("REQUESTS_CA_BUNDLE", "no/such.pem"),
    "The connection to ...": lambda world: tap(world.refusing("cut_before"), **VALUES),
    "The response to ... is incomplete": answered(text='{"succ'),
    "The response to ... is HTML": answered(text="<html>Log in"),
    "The response to ... is ... instead": answered(text="hello", headers={"Content-Type": "x/y"}),
    "The response to ... is JSON": answered(text='{"ok": true}'),
    "The response to ... was HTTP ..., which": answered(status_code=404, text="no"),
    "The response to ... was HTTP .... ...": answered(status_code=503, text="no"),
    "Marketo's identity service returned HTTP .... ...": answered(token={"status_code": 503}),
    "Marketo's identity service returned a token": answered(
        token={"json": {"access_token": "a b"}}
    ),
    "Marketo's identity service returned HTTP ... with": answered(token={"text": "hello"}),
    "Marketo sent an unexpected": described_once,
    "Marketo returned ... results": odd_results(),
    "Marketo refused ...: no reason": answered(json={"success": False}),
    "... Trying again": lambda world: tap(
        world.refusing("604", times=1), **{**VALUES, "max_retry_seconds": 5}
    ),
    "... Fetching a new token.": expired,
    "Marketo's clock says": answered(
        json={"success": True, "result": []}, headers={"Date": "Mon, 23 Nov 2015 17:00:00 GMT"}
    ),
    "Marketo warns about": answered(json={"success": True, "result": [], "warnings": ["look out"]}),
    "... Splitting the batch of": taken_apart,
    "... Marketo rejected all ... calls": all_refused,
    "Marketo refused ...: 607": lambda world: tap(world.refusing("607"), **VALUES),
    "The instance has used": lambda world: tap(world.sandbox(), daily_call_limit=1, **VALUES),
    "--state: ... is not valid JSON": state("{"),
    "--state: ... is empty": state(""),
    "--state: ... contains several": state("{} {}"),
    "--state: ... contains a whole": state({"type": "STATE", "value": {}}),
    "--state: ... is not a Singer state": state({"singer_state": {}}),
    "--state: cannot read ...": state(b"\xe9"),
    "--state: ... is not a JSON object:": state([]),
    "--catalog: ... is not a Singer catalog": state({}, "--catalog"),
    "--catalog: ... is not valid JSON": state("{", "--catalog"),
    "--catalog: ... is empty": state("", "--catalog"),
    "The state of ... cannot be read": with_state({"replication_key_value": "yesterday"}),
    "--state: ... contains an unpaired": state(
        {"bookmarks": {"opportunities": {"found_by": "\ud800"}}}
    ),
    "The bookmark of ... is in the future: ..., while by Marketo's clock it is .... Changes": (
        with_state({"log_until": IN_FUTURE})
    ),
    "The bookmark of ... is in the future: ..., while by Marketo's clock it is .... Starting": (
        with_state({"log_until": IN_FUTURE}, start_date="2020-01-01")
    ),
    "start_date ... is in": lambda world: tap(world.sandbox(), start_date=IN_FUTURE, **VALUES),
    "The interrupted run was a full refresh": lambda world: settings_changed(
        world, replication_key_value="2020-01-01T00:00:00Z"
    ),
    "Cannot resume the interrupted run": with_state({"resume": "nonsense"}),
    "--catalog: ... is the catalog of another": state({"streams": []}, "--catalog"),
    "The catalog's schema of ...": without_a_key,
    "The catalog has no replication-key": without_catalog_keys,
    "A value of ... in ... does not match": without_catalog_keys,
    "start_date is required": lambda world: tap(world.sandbox()),
    "lead_fields includes fields": lambda world: tap(
        world.sandbox(), lead_fields=["emial"], **VALUES
    ),
    "lead_fields includes ..., which the catalog": with_catalog(
        lambda _: None, lead_fields=["email"]
    ),
    "The catalog selects ... of": with_a_lead_field_that_nobody_names,
    "filter_type '...' is not": lambda world: tap(world.sandbox(), filter_type="stage", **VALUES),
    "Marketo refused ...: 1006": with_a_field_that_is_gone,
    "... Without roles,": lambda world: tap(world.sandbox(crm_sync="read-only"), **VALUES),
    "Marketo refused ... Without roles,": lambda world: tap(
        world.sandbox(crm_sync="read-only"), find_by="lead_ids", lead_id_from=1, lead_id_to=9
    ),
    "Marketo refused ...: 1018": lambda world: tap(world.sandbox(crm_sync="disabled"), **VALUES),
    "...; the instance has no field": lambda world: tap(
        world.sandbox(), field_names=["none"], **VALUES
    ),
    "A lookup value contains a comma": lambda _: client().query(
        MarketoObject.OPPORTUNITIES, filter_type="idField", filter_values=["a,b"], fields=["name"]
    ),
    f"{LINE}it is not valid JSON at column": of_target(b"Loading..."),
    "... of the input cannot be used: it is not valid JSON ...;": of_target(b'{"type": "REC'),
    f"{LINE}it is JSON, but": of_target(b"5"),
    f"{LINE}it has no 'type'": of_target({}),
    f"{LINE}its 'type' must be one": of_target({"type": "LOG"}),
    f"{LINE}it has no ...": of_target({"type": "STATE"}),
    f"{LINE}its 'record' is not an object": of_target(schema(), {**record(), "record": 5}),
    f"{LINE}it is a RECORD of stream": of_target(record(**DEAL)),
    f"{LINE}its 'stream' is not a string": of_target(schema(stream=5)),
    f"{LINE}the schema of stream '...' has no": of_target(schema(schema={})),
    f"{LINE}a property in the schema": of_target(schema(schema={"properties": {"name": 5}})),
    f"{LINE}the key_properties": of_target(schema(key_properties=5)),
    f"{LINE}stream_maps or flattening failed": of_target(
        schema(schema={"properties": {"name": True}}),
        stream_maps={"opportunities": {"description": "name"}},
    ),
    f"{LINE}invalid UTF-8": of_target(b'{"type": "\xe9"}'),
    f"{LINE}it contains a number or": of_target(b"[" * 100_000),
    "A BATCH message has an unsupported": of_target(
        schema(), {"type": "BATCH", "stream": "opportunities", "encoding": {}, "manifest": []}
    ),
    "The manifest of a BATCH message": of_target(
        schema(),
        {
            "type": "BATCH",
            "stream": "opportunities",
            "encoding": {"format": "jsonl"},
            "manifest": 5,
        },
    ),
    "Stream '...' is not named 'opportunities'": of_target(schema("a", stream="deals")),
    "Stream '...' has no property for": of_target(schema("name")),
    "Stream '...' has no property '...' or": of_target(roles("leadId"), **BY_ADDRESS),
    "Stream '...': invalid lead_lookup_field: leads have": of_target(
        roles("emial"), **{**BY_ADDRESS, "lead_lookup_field": "emial"}
    ),
    "Stream '...': invalid lead_lookup_field: leads cannot": of_target(
        roles("company"), **{**BY_ADDRESS, "lead_lookup_field": "company"}
    ),
    "A lookup of leads by": answered_otherwise,
    "Attribution: of ...": of_target(
        schema(),
        roles("leadId"),
        record(**DEAL),
        record("roles", externalOpportunityId="none", leadId=1, role="Buyer"),
        stream_objects={"roles": "opportunity_roles"},
        max_rejects=1,
    ),
    "Stream '...': invalid field_map": of_target(
        schema("externalOpportunityId", "title"), field_map={"opportunities": {"titel": "nme"}}
    ),
    "Stream '...': property '...' is not written": of_target(
        schema("externalOpportunityId", "close_date", "closeDate"),
        record(**DEAL, close_date=None, closeDate=None),
    ),
    "Stream '...': values that are NaN": of_target(
        schema(), record(externalOpportunityId="D-1", name="x", amount=float("nan"))
    ),
    "Setting '...' has entries": of_target(schema(), stream_objects={"deals": "ignore"}),
    f"{LINE}it is UTF-16": of_target("{}".encode("utf-16")),
    "rejects_path '...' is standard output": of_target(schema(), rejects_path="/dev/fd/1"),
    "rejects_path '...' is the file of standard input": rejects_in_the_input,
    "rejects_path '...' is a pipe": rejects_in_a_pipe,
    "Stream '...': the instance has no field": of_target(schema("externalOpportunityId", "mood")),
    "Stream 'opportunity_roles' is ignored": of_target(schema("a", stream="opportunity_roles")),
    "Stream '...' is ignored: it describes": of_target(schema("a", stream="opportunity_fields")),
    "ACTIVATE_VERSION is": of_target({"type": "ACTIVATE_VERSION", "stream": "a", "version": 1}),
    "Too many rejected records: ...": of_target(schema(), record(name="x")),
    "rejects_path '...' cannot be opened": of_target(schema(), rejects_path="no/such/file"),
    "rejects_path '...' cannot be written": rejects_file_full,
    "Line ... of ... is not a reject": lambda _: list(replayed([b"{}"], "'a'")),
    "Line ... of ... is incomplete": torn,
    "'...' cannot be read: ...": replay_of_nothing,
    "flattening_max_depth is required": settings(flattening_enabled=True),
    "This instance has none of the activity types": without_activity_types,
    "This instance has no activity type": with_types({"Update Opportunity": 36}),
    "No activity type is named": with_types({"Chance": 36}),
    "Activity types about": with_types({"Update Opportunity": 36, "Opportunity Score": 1000}),
    "The BATCH file '...' cannot be read": batch("none.jsonl", None),
    "Line ... of the BATCH file": batch("broken.jsonl", b"{"),
    "Setting '...' is missing.": lambda _: TapMarketoOpps(config={"endpoint": NOBODY}),
    "The state of ... belongs to the instance": with_state({"instance": "another.mktorest.com"}),
    "Settings changed since": settings_changed,
    "Marketo's description of ...": answered(
        json={"success": True, "result": [{"fields": [{"name": "a"}, {}]}]}
    ),
    "Unknown data type ...": lambda world: tap(world.sandbox(), **VALUES),
    "Stopped on request; the next run": lambda world: target(
        world.sandbox(), schema(), shutdown=asked_to_stop()
    ),
    "Marketo answered with the unknown status": odd_status,
    "Stopped on request: no new calls": stopped_client,
    "Stopped on request: calls in flight": lambda _: asked_to_stop().raise_if_out_of_time(),
    "Messages cannot be written": output_full,
    "Reading or writing...": of_a_defect(OSError),
    "Internal error": of_a_defect(ZeroDivisionError),
    "marketo-sandbox: the sandbox needs": without_the_extra,
    "FAILED: ...": demo_without_plugins,
    "marketo-sandbox: cannot open database": sandbox_command("--database", "FILE"),
    "marketo-sandbox: cannot listen": on_a_port_that_is_taken,
}
# The tests that bring the others about, and what they know them by.
ELSEWHERE = {
    "Invalid configuration": (
        "marketo_opps/plugin/test_settings.py",
        "of the settings schema",
    ),
    "Marketo refused the access token, and": ("marketo_opps/test_auth.py", "returned the same"),
    "... cannot be reached (...): raise": ("marketo_opps/test_transport.py", "limit on open"),
    "The server at ... does not use TLS": ("marketo_opps/test_transport.py", "without_tls"),
    "The certificate of ... cannot": ("marketo_opps/test_transport.py", "unverifiable_certificate"),
    "The response of Marketo's identity": ("marketo_opps/test_auth.py", "ends after"),
    "Marketo's activity ... has no": (
        "tap_marketo_opps/finding/test_activity_log.py",
        "that can be read",
    ),
    "Timed out while reading the response": (
        "marketo_opps/test_transport.py",
        "Timed out while reading",
    ),
    "The activity log is read": ("tap_marketo_opps/sync/test_log_reach.py", "from {log_from}, but"),
    "An entry of the activity log": (
        "tap_marketo_opps/test_finding_by_leads.py",
        '"s after its date"',
    ),
    "... of ... skipped: Marketo": (
        "tap_marketo_opps/test_finding_by_leads.py",
        "skipped: Marketo sent no marketoGUID",
    ),
    "Changes in ... of the activity log": (
        "tap_marketo_opps/test_change_streams.py",
        "of the activity log could not be read",
    ),
    "... from before start_date": (
        "tap_marketo_opps/test_finding_by_list.py",
        "from before start_date skipped",
    ),
    "The static list has no leads": (
        "tap_marketo_opps/test_finding_by_list.py",
        "The static list has no leads",
    ),
    "... without externalOpportunityId": (
        "tap_marketo_opps/test_finding_by_leads.py",
        "without externalOpportunityId",
    ),
    "... without leadId": ("tap_marketo_opps/test_lead_fields.py", "without leadId"),
    "The cache of leads": (
        "tap_marketo_opps/finding/test_lead_stage.py",
        "The cache of leads cannot be used",
    ),
    "... named by roles": (
        "tap_marketo_opps/test_finding_by_leads.py",
        "named by roles not found",
    ),
    "... returned for an id": (
        "tap_marketo_opps/test_finding_by_filter.py",
        "returned for an id that was not",
    ),
    "Marketo sent ... empty pages": (
        "tap_marketo_opps/test_paging.py",
        "empty pages of the activity log in a row",
    ),
    "Marketo no longer accepts": ("tap_marketo_opps/test_resuming.py", "no longer accepts"),
    "... external ids with a comma not": (
        "tap_marketo_opps/test_finding_by_leads.py",
        "external ids with a comma",
    ),
    "Stream '...': property '...' matches": (
        "target_marketo_opps/mapping/test_field_plan.py",
        "matches Marketo's fields",
    ),
    "Stream '...': lead_lookup_field cannot be used": (
        "target_marketo_opps/mapping/test_lookup_role_mapping.py",
        "do not include",
    ),
    "Stream '...': Marketo does not allow": (
        "target_marketo_opps/mapping/test_field_plan.py",
        "does not allow updates of",
    ),
    "limits_path: process": ("marketo_opps/test_shared_limits.py", "this process 50 and 5"),
    "limits_path: the file can": (
        "marketo_opps/test_shared_limits.py",
        "can no longer be used",
    ),
    "Stopped on request while writing": ("marketo_opps/plugin/test_process.py", "was blocked"),
    "...: stopped on request, before": (
        "pipeline/test_consoles.py",
        "before anything was done",
    ),
    "Flushing standard output": ("marketo_opps/plugin/test_process.py", "Flushing standard output"),
    "This run delivered a sample": ("target_marketo_opps/test_sample.py", "skipped 3 records"),
    "max_run_seconds (...) reached": ("tap_marketo_opps/test_time_box.py", "reached: paused"),
    "...: error: name a rejects file": (
        "target_marketo_opps/test_replay.py",
        "standard input is a terminal",
    ),
    "STATE cannot be written": ("target_marketo_opps/test_signals.py", "STATE cannot be written"),
}
# Messages that never stand alone, or never reach a user.
PARTS = {
    "no reason was given": "within 'Marketo refused ...: no reason was given'",
    "..., and no reason was given": "the same of a record",
    "moreResult is true without a page token": "within 'Marketo sent an unexpected response'",
    "a record that is not an object": "the same",
    "both records and the error": "the same",
    "it is a boolean": "becomes 'Field ... is not ...'",
    "it has a fraction": "the same",
    "it is not a number": "the same",
    "it is not a finite number": "the same",
    "it is not a string": "the same",
    "it is not a boolean": "the same",
    "it is outside the range of dates": "the same",
    "it is nested too deeply": "the same",
    "it is a number that is too large": "the same",
    "a date-time must be a string": "within 'The state of ... cannot be read'",
    "found_by, sweep_leads": "the same",
    "max_run_seconds reached": "becomes 'max_run_seconds (...) reached: paused'",
    "processes cannot share it": "within the message on limits_path",
    "it is another program's database": "the same",
    "{asctime:23s} | {levelname:8s} |": "the form of a log line",
}


def row(beginning: str) -> str:
    """Return the one row of the page that begins with this text."""
    found = [each for each in ROWS if each == beginning]
    found = found or [each for each in ROWS if each.startswith(beginning)]
    assert len(found) == 1, f"{beginning}: {found}"
    return found[0]


def matches(told: str, line: str) -> bool:
    """Return whether a line matches the row's message, ignoring line breaks."""
    pattern = re.escape(" ".join(told.split())).replace(re.escape("..."), ".*")
    return re.fullmatch(pattern, " ".join(line.split())) is not None


@pytest.mark.parametrize("beginning", CASES)
def test_a_message_on_the_page_is_the_one_printed(beginning, world):
    lines = said_by(lambda: CASES[beginning](world))

    assert [line for line in lines if matches(row(beginning), line)], lines


def test_every_message_on_the_page_is_provoked_by_some_test():
    named = [row(beginning) for beginning in (*CASES, *ELSEWHERE)]

    assert sorted(named) == sorted(set(ROWS))
    for path, words in ELSEWHERE.values():
        assert words in (ROOT / "tests" / path).read_text(), path


TEMPLATES = templates()
MESSAGES = [
    each for each in TEMPLATES if each.first_words and not each.text.startswith(tuple(PARTS))
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda each: f"{each.where} {each.first_words}")
def test_every_message_of_the_code_is_on_the_page(message):
    assert message.first_words in PAGE + REJECTS, message.text


def test_the_search_finds_messages_in_the_code():
    assert len(MESSAGES) > 80
    for part in PARTS:
        assert any(each.text.startswith(part) for each in TEMPLATES), part
