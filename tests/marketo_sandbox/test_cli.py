"""The command line of ``marketo-sandbox``: options, help, signals, restarts."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from importlib.metadata import version

import pytest
import requests

from marketo_sandbox.arguments import argument_parser
from marketo_sandbox.cli import main
from tests.pipeline.processes import free_port

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "marketo_sandbox"]


class Served:
    """A sandbox that runs as a separate process."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [*COMMAND, "serve", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.told = json.loads(self.process.stdout.readline())
        self.endpoint, self.client_id = self.told["endpoint"], self.told["client_id"]
        self.client_secret = self.told["client_secret"]

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        out, error = self.process.communicate(timeout=20)
        return self.process.returncode, out, error


@pytest.fixture
def serve():
    served = []

    def start(*arguments):
        served.append(Served(*arguments))
        return served[-1]

    yield start
    for each in served:
        if each.process.poll() is None:
            each.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_prints_one_json_line_and_stops_on_a_signal(serve, caller_of, number):
    served = serve("--opportunities", "4")
    assert set(served.told) == {"endpoint", "client_id", "client_secret"}
    assert len(caller_of(served).find(["OPP-0000003"])["result"]) == 1
    hint = f"marketo-sandbox: open {served.endpoint} in a browser to watch calls; Ctrl-C stops it\n"
    assert served.stop(number) == (0, "", hint)


def test_a_database_file_survives_a_restart(serve, caller_of, tmp_path):
    arguments = ("--database", str(tmp_path / "instance.db"), "--port", str(free_port()))
    arguments += ("--opportunities", "20", "--leads", "5")
    served = serve(*arguments)
    caller = caller_of(served)
    ids = ["OPP-0000001", "OPP-0000002"]
    caller.sync([{"externalOpportunityId": "mine", "name": "n"}])
    token = caller.find(ids, batchSize="1")["nextPageToken"]
    logged = caller.log()
    used = caller.get("/rest/v1/stats/usage.json")["result"][0]["total"]
    served.stop()
    again = serve(*arguments)
    assert again.told == served.told
    # The access token stays valid, and so do page tokens, the log and today's number of calls.
    assert caller.get("/rest/v1/stats/usage.json")["result"][0]["total"] == used + 1
    assert len(caller.find(["mine"])["result"]) == 1
    page = caller.find(ids, batchSize="1", nextPageToken=token)
    assert page["result"][0]["externalOpportunityId"] == "OPP-0000002"
    assert caller.log() == logged
    counts = requests.get(f"{again.endpoint}/sandbox/status", timeout=10).json()["counts"]
    assert counts["opportunities"] == 21


def test_a_killed_instance_loses_no_confirmed_write(serve, caller_of, tmp_path):
    arguments = ("--database", str(tmp_path / "instance.db"), "--port", str(free_port()))
    served = serve(*arguments)
    caller_of(served).sync([{"externalOpportunityId": "mine", "name": "n"}])
    served.stop(signal.SIGKILL)
    assert len(caller_of(serve(*arguments)).find(["mine"])["result"]) == 1


def test_every_option_reaches_the_instance(serve, caller_of):
    served = serve(
        *("--latency-ms", "1.5", "--fault", "713=1", "--fault", "606=0.25", "--crm-sync"),
        *("--seed", "9", "--client-id", "me", "--client-secret", "mine", "--token-seconds", "60"),
        *("--clock", "2031-01-01T00:00:00+00:00", "--deny", "Read-Only Activity"),
        *("--calls-per-window", "7", "--concurrent-calls", "3", "--daily-calls", "9"),
    )
    assert served.told["client_id"] == "me"
    caller = caller_of(served)
    assert caller.token()["expires_in"] <= 60
    answer = caller.get("/rest/v1/opportunities/describe.json")
    assert answer["errors"][0]["code"] == "713"
    told = requests.get(f"{served.endpoint}/sandbox/status", timeout=10).json()
    assert told["clock"]["now"].startswith("2031-01-01")
    assert [told["limits"][name] for name in ("calls_per_window", "concurrent_calls")] == [7, 3]
    assert told["limits"]["daily_calls"] == 9
    assert [rule["probability"] for rule in told["faults"]] == [1.0, 0.25]
    assert (told["crm_sync"], told["latency_ms"]) == ("read-only", 1.5)


def test_dialects_and_json_fault_rules_reach_the_instance(serve, caller_of):
    rule = '{"fault": "patch", "operation": "usage", "merge": {"success": "yes"}}'
    served = serve("--dialect", "api-names", "--dialect", "full-envelope", "--fault", rule)
    caller = caller_of(served)
    described = caller.get("/rest/v1/opportunities/describe.json")
    assert described["warnings"] == []
    assert described["result"][0]["apiName"] == "opportunity"
    assert caller.get("/rest/v1/stats/usage.json")["success"] == "yes"
    told = requests.get(f"{served.endpoint}/sandbox/status", timeout=10).json()
    assert told["dialects"] == ["api-names", "full-envelope"]


def test_no_limits_turns_limits_off(serve):
    served = serve("--no-limits")
    told = requests.get(f"{served.endpoint}/sandbox/status", timeout=10).json()
    assert told["limits"]["enforced"] is False


def test_a_port_in_use_is_reported_in_one_sentence():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "serve", "--port", port],
            check=False,
            capture_output=True,
            text=True,
            timeout=20,
        )
    assert done.returncode == 1
    assert done.stdout == ""
    reason = os.strerror(errno.EADDRINUSE)
    assert done.stderr == f"marketo-sandbox: cannot listen on port {port}: {reason}\n"


@pytest.mark.parametrize("command", [[], ["serve"], ["demo"]])
def test_help_describes_every_option_and_shows_examples(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--help"])
    assert exit_.value.code == 0
    told = capsys.readouterr().out
    # An option and its description, on the same line or below.
    options = re.findall(
        r"^  (?:-h, )?(--[\w-]+)(?: \S+)*?(?:  +|\n {20,})(\S)", told, re.MULTILINE
    )
    usage = told.partition("\n\n")[0]
    assert {name for name, _ in options} - {"--help"} == set(re.findall(r"--[\w-]+", usage))
    examples = told.partition("example")[2]
    assert " ".join(["marketo-sandbox", *command]) in examples


def test_examples_in_help_are_valid_commands(capsys):
    for command in ("serve", "demo"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
    told = re.findall(r"^  marketo-sandbox (.*)$", capsys.readouterr().out, re.MULTILINE)
    assert len(told) > 3
    for line in told:
        assert argument_parser().parse_args(shlex.split(line)).command in line


def test_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"marketo-sandbox {version('marketo-opps')}\n"


FORM = "is neither CODE=PROBABILITY, such as 606=0.1, nor a fault rule as a JSON object"


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        (
            "--fault",
            "explode=1",
            "unknown fault 'explode': must be a Marketo error code or one of ",
        ),
        ("--fault", "606=often", f"'606=often' {FORM}"),
        ("--fault", "606", f"'606' {FORM}"),
        ("--fault", "606=", f"'606=' {FORM}"),
        ("--fault", "{", f"'{{' {FORM}"),
        ("--fault", '{"fault": "patch"}', "fault 'patch' changes nothing: give at least one of "),
        ("--fault", "606=2", "probability must be a number from 0 to 1 (got 2.0)"),
        ("--opportunities", "-1", "'-1' is not a non-negative integer"),
        ("--leads", "x", "'x' is not a non-negative integer"),
        ("--seed", "x", "'x' is not an integer"),
        ("--token-seconds", "1.5", "'1.5' is not a non-negative integer"),
        ("--calls-per-window", "0", "'0' is not a positive integer"),
        ("--concurrent-calls", "0", "'0' is not a positive integer"),
        ("--daily-calls", "0", "'0' is not a positive integer"),
        ("--latency-ms", "-4", "'-4' is not a number from 0 to 86,400,000"),
        ("--latency-ms", "nan", "'nan' is not a number from 0 to 86,400,000"),
        ("--port", "65536", "'65536' is not a port number from 0 to 65535"),
        ("--port", "x", "'x' is not a port number from 0 to 65535"),
        ("--crm-sync", "half", "invalid choice: 'half'"),
        ("--deny", "Everything", "invalid choice: 'Everything'"),
        ("--client-id", "\udcff", "must be text in UTF-8\n"),
        ("--client-secret", "p\udce4ss", "must be text in UTF-8\n"),
        ("--clock", "foo", "'foo' is not an ISO 8601 date-time such as 2026-01-31T00:00:00Z"),
        ("--clock", "0001-01-01T00:00:00Z", "'0001-01-01T00:00:00Z' is out of range: the clock "),
        ("--clock", "9999-12-31", "'9999-12-31' is out of range: the clock "),
    ],
)
def test_an_invalid_option_is_reported_in_one_sentence(option, value, sentence, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["serve", option, value])
    assert exit_.value.code == 2
    error = capsys.readouterr().err.split("serve: error: ")[1]
    assert error.startswith(f"argument {option}: {sentence}")


def test_an_invalid_option_of_demo_is_reported_in_one_sentence(capsys):
    with pytest.raises(SystemExit):
        main(["demo", "--opportunities", "all"])
    sentence = "error: argument --opportunities: 'all' is not a non-negative integer\n"
    assert capsys.readouterr().err.endswith(sentence)


def test_an_invalid_database_file_is_reported_in_one_sentence(tmp_path, capsys):
    path = tmp_path / "notes.txt"
    path.write_text("not a database, but long enough to look like one to a careless reader" * 20)
    assert main(["serve", "--database", str(path)]) == 1
    assert capsys.readouterr().err.startswith(f"marketo-sandbox: cannot open database {path}: ")
