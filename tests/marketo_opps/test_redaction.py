"""No secret in any log line, from any logger and at any level."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
from urllib.parse import quote, quote_plus

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.logging import StructuredFormatter

from marketo_opps import ConnectionSettings, MarketoClient, MarketoObject, redaction
from marketo_opps.errors import MarketoError
from marketo_opps.redaction import REDACTOR, Redactor

SECRET = "s3cr3t/with+odd &=%\"'\\ö"
TOKEN = "cdf01657-110d-4155-99a7-f986b2ff13a0:int"


def forms(secret):
    return [
        secret,
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
    ]


@pytest.fixture(autouse=True)
def _not_yet_installed():
    """Remove the redaction that an earlier test has installed."""
    installed = logging.getLogRecordFactory()
    logging.setLogRecordFactory(logging.LogRecord)
    yield
    logging.setLogRecordFactory(installed)


class Log:
    """All log output, as each of the formatters in use writes it."""

    def __init__(self):
        self.streams = []
        self.handlers = []
        for formatter in (
            logging.Formatter("%(levelname)s %(name)s %(message)s"),
            StructuredFormatter(),
        ):
            stream = io.StringIO()
            handler = logging.StreamHandler(stream)
            handler.setFormatter(formatter)
            self.streams.append(stream)
            self.handlers.append(handler)

    def texts(self):
        return [stream.getvalue() for stream in self.streams]

    def assert_clean(self, *secrets):
        for text in self.texts():
            assert text
            for secret in secrets:
                for form in forms(secret):
                    assert form not in text


@pytest.fixture
def log(monkeypatch):
    made = Log()
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", made.handlers)
    names = ("urllib3", "requests", "marketo_opps", "marketo_opps.request_loop")
    loggers = [root, *map(logging.getLogger, names)]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
        monkeypatch.setattr(logger, "disabled", False)
    yield made
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


@pytest.fixture
def redactor():
    made = Redactor()
    made.protect(SECRET)
    return made


class TestRedactor:
    @pytest.mark.parametrize("form", forms(SECRET))
    def test_a_protected_value_is_redacted_in_every_form(self, form, redactor):
        assert redactor.redact(f"before {form} after") == "before [redacted] after"

    @given(st.text(min_size=4), st.text(), st.text())
    def test_a_protected_value_is_redacted_in_any_context(self, secret, before, after):
        redactor = Redactor()
        redactor.protect(secret)
        assert secret not in redactor.redact(before + secret + after).replace("[redacted]", "\n\0")

    def test_a_secret_is_redacted_before_one_contained_in_it(self):
        redactor = Redactor()
        redactor.protect("abcd")
        redactor.protect("abcdefgh")
        assert redactor.redact("abcdefgh") == "[redacted]"

    def test_a_secret_within_another_reveals_no_part_of_it(self):
        redactor = Redactor()
        for secret in ("hunter", "a-hunter-z"):
            redactor.protect(secret)
        assert redactor.redact("x a-hunter-z x") == "x [redacted] x"

    def test_a_secret_with_slashes_is_redacted_in_urls(self):
        redactor = Redactor()
        redactor.protect("pass/word")
        assert "word" not in redactor.redact("pass%2Fword and pass/word")

    def test_a_value_of_three_characters_is_not_redacted(self):
        redactor = Redactor()
        redactor.protect("the")
        assert redactor.redact("the thing") == "the thing"

    @pytest.mark.parametrize(
        ("text", "redacted"),
        [
            ("client_secret=abc&x=1", "client_secret=[redacted]&x=1"),
            ("CLIENT_SECRET: abc", "CLIENT_SECRET: [redacted]"),
            ('{"client_secret": "abc", "x": 1}', '{"client_secret": "[redacted]", "x": 1}'),
            ("{'access_token': 'abc'}", "{'access_token': '[redacted]'}"),
            (r'"{\"access_token\":\"abc\"}"', r'"{\"access_token\":\"[redacted]\"}"'),
            ("client_secret%3Dabc", "client_secret%3D[redacted]"),
            ("client_secret=must be", "client_secret=[redacted] be"),
            ("client_secret: must be x", "client_secret: [redacted] be x"),
            ("{'client_secret': 'must be x'}", "{'client_secret': '[redacted] be x'}"),
            ("'client_secret': must_be x", "'client_secret': [redacted] x"),
            ("Authorization: Bearer abc-def:lon=", "Authorization: Bearer [redacted]"),
            ("{'Authorization': 'Bearer abcdefgh12'}", "{'Authorization': 'Bearer [redacted]'}"),
            (
                "GET https://x.example/identity/oauth/token?a=b HTTP/1.1",
                "GET https://x.example/identity/oauth/token?[redacted] HTTP/1.1",
            ),
            (
                '"GET /rest/v1/opportunities.json?filterValues=customer HTTP/1.1" 200',
                '"GET /rest/v1/opportunities.json?[redacted] HTTP/1.1" 200',
            ),
        ],
    )
    def test_unregistered_secrets_are_redacted_by_pattern(self, text, redacted):
        assert Redactor().redact(text) == redacted

    @pytest.mark.parametrize(
        "text",
        [
            "Setting 'client_secret' is missing or empty.",
            "Invalid value for setting 'client_secret': must be a non-empty string.",
            "check client_id and client_secret against Admin > LaunchPoint",
            "client_secret, access_token and the bearer",
            "GET /v1/opportunities.json: HTTP 200 in 31 ms",
            "What? Is https://x.example/rest/ right?",
        ],
    )
    def test_ordinary_sentences_are_unchanged(self, text):
        assert Redactor().redact(text) == text


class TestInstall:
    @pytest.fixture(autouse=True)
    def _installed(self):
        redaction.install()

    def test_installing_twice_is_harmless(self):
        factory = logging.getLogRecordFactory()
        redaction.install()
        assert logging.getLogRecordFactory() is factory

    def test_messages_and_arguments_are_redacted_at_every_level(self, log):
        REDACTOR.protect(SECRET)
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, 60):
            logging.getLogger("anybody").log(level, "it is %s, you know", SECRET)
            logging.getLogger("anybody").log(level, f"it is {SECRET}, you know")  # noqa: G004 - the case
            logging.getLogger("anybody").log(level, "%(it)s", {"it": SECRET})
            logging.getLogger("anybody").log(level, {"config": SECRET})
        log.assert_clean(SECRET)
        assert log.texts()[0].count("it is [redacted], you know") == 10

    def test_tracebacks_are_redacted_including_their_causes(self, log):
        REDACTOR.protect(SECRET)

        def fail():
            try:
                int(SECRET)
            except ValueError as error:
                raise KeyError({"secret": SECRET}) from error

        try:
            fail()
        except KeyError:
            logging.getLogger("anybody").exception("It failed")
        log.assert_clean(SECRET)
        for text in log.texts():
            assert "It failed" in text
            assert "Traceback" in text
            assert "[redacted]" in text

    def test_a_traceback_without_a_secret_is_unchanged(self, log):
        REDACTOR.protect(SECRET)
        try:
            int("harmless")
        except ValueError:
            logging.getLogger("anybody").exception("It failed")
        plain, structured = log.texts()
        assert "ValueError: invalid literal" in plain
        assert "'harmless'" in json.loads(structured)["exception"]["message"]

    @pytest.mark.parametrize(
        "arguments", [("%s %s", SECRET), ("%d", SECRET), ("%(x)s", {"y": SECRET})]
    )
    def test_arguments_that_do_not_fit_are_omitted(self, arguments, log, capsys):
        logging.getLogger("anybody").warning(*arguments)
        for text in log.texts():
            assert arguments[0] in text
            assert SECRET not in text
        assert capsys.readouterr().err == ""

    def test_exc_info_without_an_exception_is_harmless(self, log):
        logging.getLogger("anybody").error("no exception here", exc_info=True)  # noqa: LOG014 - the case
        assert "no exception here" in log.texts()[0]


def settings_of(address):
    return ConnectionSettings(address, "the-id", SECRET, max_retry_seconds=1)


def make_calls(client):
    """Make one call of each kind, and log errors with their tracebacks."""
    for call in (
        client.calls_today,
        lambda: client.describe(MarketoObject.OPPORTUNITIES),
        lambda: client.sync(MarketoObject.OPPORTUNITIES, [b"{}"], action="createOnly"),
    ):
        try:
            call()
        except MarketoError:
            logging.getLogger("user").exception("It failed")


def test_an_unreachable_identity_reveals_no_secret(log, fake_time):
    """Fail in requests and urllib3, which print the URL with the secret."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with MarketoClient(
        settings_of(address), clock=fake_time.clock, nap=fake_time.nap, fraction=lambda: 0.5
    ) as client:
        make_calls(client)
    log.assert_clean(SECRET)
    assert "Connection refused" in log.texts()[0]


def test_exceptions_of_requests_reveal_no_secret(log):
    """Log an exception of requests as other code in this process would."""
    redaction.install()
    REDACTOR.protect(SECRET)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    query = f"client_id=x&client_secret={quote_plus(SECRET)}"
    try:
        requests.post(f"http://127.0.0.1:{port}/identity/oauth/token?{query}", timeout=1)
    except requests.ConnectionError:
        logging.getLogger("anybody").exception("It failed")
    log.assert_clean(SECRET)
    assert "oauth/token?[redacted]" in log.texts()[0]


@pytest.fixture
def telling_instance():
    """Start a server that answers every call with an error, over a real socket."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                asked = connection.recv(65536)
                if b"/identity/" in asked:
                    body = json.dumps({"access_token": TOKEN, "expires_in": 3600}).encode()
                else:
                    said = f"Access token {TOKEN} of {SECRET} denied"
                    members = {"success": False, "errors": [{"code": "603", "message": said}]}
                    body = json.dumps(members).encode()
                connection.sendall(
                    b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b"
                    % (len(body), body)
                )

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(timeout=5)


def test_secret_and_token_stay_out_of_all_logs_at_debug(log, telling_instance):
    with MarketoClient(settings_of(telling_instance)) as client:
        make_calls(client)
    log.assert_clean(SECRET, TOKEN)
    assert "oauth/token?[redacted]" in log.texts()[0]
    assert "Access token [redacted] of [redacted] denied" in log.texts()[0]
