"""HTTP exchanges with faulty servers, over real sockets."""

from __future__ import annotations

import base64
import contextlib
import errno
import gzip
import http.client
import itertools
import os
import re
import socket
import ssl
import threading
import time
from datetime import UTC, datetime
from urllib.parse import unquote

import pytest
import requests
import urllib3

from marketo_opps import SettingsError
from marketo_opps.connection_errors import connection_error
from marketo_opps.errors import ConnectionLostError, UnreachableError
from marketo_opps.settings import ConnectionSettings
from marketo_opps.transport import Transport
from marketo_opps.watchdog import WatchedAdapter

DATE = b"Date: Mon, 23 Nov 2026 17:00:00 GMT\r\n"


class Server:
    """A server that sends each connection the given bytes, and records what it received."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.requests = []
        self.connections = []
        self.thread = threading.Thread(target=self.serve, daemon=True)

    def serve(self):
        for answer in self.answers:
            connection, _ = self.listener.accept()
            self.connections.append(connection)
            self.requests.append(receive(connection))
            answer(connection)

    def start(self, *answers):
        self.answers = [each if callable(each) else sending(each) for each in answers]
        self.thread.start()
        return self.address

    def close(self):
        self.listener.close()
        for connection in self.connections:
            connection.close()
        if self.thread.ident:
            self.thread.join(timeout=5)


def receive(connection):
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, body = received.split(b"\r\n\r\n", 1)
    length = next(
        (int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")), 0
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def sending(answer):
    def send(connection):
        connection.sendall(answer)
        with contextlib.suppress(OSError):  # the client may have hung up already
            connection.shutdown(socket.SHUT_WR)

    return send


@pytest.fixture
def server():
    made = Server()
    yield made
    made.close()


@pytest.fixture
def connect():
    with contextlib.ExitStack() as stack:

        def make(address, **keywords):
            settings = ConnectionSettings(address, "id", "secret", user_agent="tests/1")
            return stack.enter_context(contextlib.closing(Transport(settings, **keywords)))

        yield make


def get(transport, path="/rest/x", **keywords):
    return transport.send("GET", path, server_timeout_seconds=30.0, **keywords)


def whole(body, *headers):
    head = b"".join(line + b"\r\n" for line in headers)
    return b"HTTP/1.1 200 OK\r\n" + DATE + head + b"Content-Length: %d\r\n\r\n" % len(body) + body


def test_a_response_has_status_date_type_and_body(server, connect):
    address = server.start(whole(b'{"a":1}', b"Content-Type: application/json"))
    answer = get(connect(address))
    assert (answer.status, answer.body, answer.content_type) == (
        200,
        b'{"a":1}',
        "application/json",
    )
    assert answer.server_time == datetime(2026, 11, 23, 17, tzinfo=UTC)


def test_a_request_is_sent_unchanged(server, connect):
    address = server.start(whole(b""))
    transport = connect(address)
    transport.send(
        "POST",
        "/rest/x?a=b%2Cc",
        server_timeout_seconds=30.0,
        headers={"Authorization": "Bearer t"},
        body='{"a":"é"}'.encode(),
    )
    head, body = server.requests[0].split(b"\r\n\r\n", 1)
    assert head.startswith(b"POST /rest/x?a=b%2Cc HTTP/1.1\r\n")
    assert b"User-Agent: tests/1\r\n" in head
    assert b"Authorization: Bearer t" in head
    assert b"gzip" in head
    assert body == b'{"a":"\xc3\xa9"}'


def test_on_sent_is_called_before_the_response_arrives(server, connect):
    sent, was_sent = threading.Event(), []

    def respond(connection):
        was_sent.append(sent.wait(timeout=5))
        connection.sendall(whole(b"here"))

    assert get(connect(server.start(respond)), on_sent=sent.set).body == b"here"
    assert was_sent == [True]


def test_a_gzip_response_is_decompressed(server, connect):
    body = b'{"a":"' + b"x" * 100_000 + b'"}'
    address = server.start(whole(gzip.compress(body), b"Content-Encoding: gzip"))
    assert get(connect(address)).body == body


def test_a_chunked_response_is_joined(server, connect):
    chunked = b'5\r\n{"a":\r\n2\r\n1}\r\n0\r\n\r\n'
    address = server.start(
        b"HTTP/1.1 200 OK\r\n" + DATE + b"Transfer-Encoding: chunked\r\n\r\n" + chunked
    )
    assert get(connect(address)).body == b'{"a":1}'


@pytest.mark.parametrize("location", [b"http://127.0.0.1:1/", b"http://[::1", b"http://x/\xe9"])
def test_no_redirect_is_followed(location, server, connect):
    address = server.start(
        b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
    )
    assert get(connect(address)).status == 302


@pytest.mark.parametrize("date", [b"", b"Date: yesterday\r\n"])
def test_an_invalid_date_header_is_none(date, server, connect):
    address = server.start(b"HTTP/1.1 200 OK\r\n" + date + b"Content-Length: 0\r\n\r\n")
    assert get(connect(address)).server_time is None


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.",
        whole(b"123")[:-1],
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a',
        whole(b"no gzip", b"Content-Encoding: gzip"),
        b"SSH-2.0-OpenSSH_9.2\r\n",
    ],
    ids=["nothing", "half a head", "half a body", "half a chunk", "broken gzip", "no http"],
)
def test_a_truncated_response_is_a_lost_connection(answer, server, connect):
    address = server.start(answer)
    with pytest.raises(ConnectionLostError, match="was lost before the response arrived") as caught:
        get(connect(address))
    assert caught.value.ambiguous


def test_a_reset_connection_is_a_lost_connection(server, connect):
    def reset(connection):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()

    address = server.start(reset)
    with pytest.raises(ConnectionLostError, match="reset") as caught:
        get(connect(address))
    assert caught.value.ambiguous


def dripping(*pieces):
    """Return a response that never ends, because its last piece is repeated."""

    def drip(connection):
        with contextlib.suppress(OSError):
            for piece in itertools.chain(pieces, itertools.repeat(pieces[-1])):
                connection.sendall(piece)
                time.sleep(0.002)

    return drip


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "answer",
    [
        dripping(HEAD + b"Content-Length: 1000000\r\n\r\n", b"x"),
        dripping(HEAD + b"Connection: close\r\n\r\n", b"x"),
        dripping(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        dripping(HEAD + b"X-Header: ", b"x"),
        dripping(b"HTTP/1.1 ", b"1"),
        dripping(b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["body", "body until the end", "chunks", "header", "status line", "100 Continue"],
)
def test_a_very_slow_response_times_out(answer, server, connect):
    """Send each byte in time, but never all of them."""
    transport = connect(server.start(answer), connect_timeout_seconds=0.1, patience_seconds=0.1)
    began = time.monotonic()
    with pytest.raises(ConnectionLostError, match="Timed out while reading the response") as caught:
        transport.send("GET", "/", server_timeout_seconds=0.1)
    assert caught.value.ambiguous
    assert 0.3 <= time.monotonic() - began < 10


def test_a_request_body_that_is_not_received_times_out(connect):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        transport = connect(address, connect_timeout_seconds=0.1, patience_seconds=0.1)
        began = time.monotonic()
        with pytest.raises(ConnectionLostError) as caught:
            transport.send("POST", "/", server_timeout_seconds=0.1, body=b"x" * 50_000_000)
        assert caught.value.ambiguous
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("word", [b"HTTP/1.1 200 OK\r\n", b""])
def test_a_very_slow_proxy_means_that_nothing_was_sent(word, server, connect, monkeypatch):
    monkeypatch.setenv("https_proxy", server.start(dripping(word, b"x")))
    monkeypatch.delenv("no_proxy", raising=False)
    transport = connect(
        "https://marketo.invalid", connect_timeout_seconds=0.1, patience_seconds=0.1
    )
    with pytest.raises(UnreachableError, match=r"\(connection timed out\)") as caught:
        transport.send("POST", "/", server_timeout_seconds=0.1, body=b"{}")
    assert not caught.value.ambiguous


def test_without_a_tls_handshake_nothing_was_sent(connect):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        transport = connect(address, connect_timeout_seconds=0.1, patience_seconds=0.1)
        with pytest.raises(UnreachableError, match=r"timed out|in time") as caught:
            transport.send("POST", "/", server_timeout_seconds=0.1, body=b"{}")
        assert not caught.value.ambiguous


@pytest.mark.parametrize("seconds", [30.0, 60.0, 300.0])
def test_the_read_timeout_exceeds_marketos_by_ten_seconds(seconds, connect):
    timeouts = []

    class Session(requests.Session):
        def send(self, *_args, timeout, **_keywords):
            timeouts.append(timeout)
            raise requests.ReadTimeout("Read timed out. (read timeout=40)")

    transport = connect("http://127.0.0.1:9", session=Session())
    with pytest.raises(ConnectionLostError, match=r"Read timed out\. \(read timeout=40\)"):
        transport.send("GET", "/", server_timeout_seconds=seconds)
    assert timeouts == [(10.0, seconds + 10.0)]


def test_a_silent_server_times_out(server, connect):
    silent = threading.Event()
    address = server.start(lambda _: silent.wait(5))
    with pytest.raises(ConnectionLostError, match="timed out") as caught:
        connect(address, patience_seconds=0.05).send("GET", "/", server_timeout_seconds=0.05)
    silent.set()
    assert caught.value.ambiguous


def test_a_refused_connection_means_that_nothing_was_sent(connect):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        address = f"http://127.0.0.1:{closed.getsockname()[1]}"
    with pytest.raises(UnreachableError) as caught:
        get(connect(address))
    assert str(caught.value) == (
        f"{address} cannot be reached (Connection refused): check 'endpoint' and the network."
    )
    assert not caught.value.ambiguous
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_an_unknown_host_means_that_nothing_was_sent(connect, monkeypatch):
    def fail(*_args, **_keywords):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(UnreachableError, match=r"\(Name or service not known\)") as caught:
        get(connect("https://nowhere.invalid"))
    assert not caught.value.ambiguous


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
@pytest.mark.parametrize("proxies", [{}, {"http": "http://127.0.0.1:9"}])
def test_too_many_open_files_are_no_fault_of_the_network(number, proxies, connect, monkeypatch):
    def fail(*_args, **_keywords):
        raise OSError(number, os.strerror(number))

    session = requests.Session()
    session.proxies.update(proxies)
    monkeypatch.setattr(socket, "socket", fail)
    with pytest.raises(UnreachableError) as caught:
        get(connect("http://127.0.0.1:9", session=session))
    assert str(caught.value) == (
        f"http://127.0.0.1:9 cannot be reached ({os.strerror(number)}): raise the limit on open "
        "files (ulimit -n), or end programs that have many open."
    )
    assert not caught.value.ambiguous


@pytest.mark.parametrize("error", [OSError(113, "No route to host"), TimeoutError("timed out")])
def test_without_a_connection_nothing_was_sent(error, connect, monkeypatch):
    def fail(*_args, **_keywords):
        raise error

    monkeypatch.setattr(socket.socket, "connect", fail)
    with pytest.raises(UnreachableError) as caught:
        get(connect("http://127.0.0.1:9"))
    assert not caught.value.ambiguous


def test_an_unreachable_proxy_means_that_nothing_was_sent(connect, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        proxy = f"http://127.0.0.1:{closed.getsockname()[1]}"
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(UnreachableError, match=r"through the proxy .*: check HTTPS_PROXY"):
        get(connect("https://marketo.invalid"))


@pytest.mark.parametrize(
    "proxy",
    [
        *("http://me:my-word@127.0.0.1:port", "ftp://127.0.0.1:9", "socks5://127.0.0.1:9", "://:x"),
        *("http://proxy:99999", "http://me:my-word@", "http://", "http://a b:1", "http://a..b:1"),
        *("http://me:my-word\N{SNOWMAN}@127.0.0.1:9", "http://me:my-word@127.0.0.1:9/path"),
    ],
)
def test_an_invalid_proxy_is_a_settings_error(proxy, connect, monkeypatch):
    monkeypatch.setenv("https_proxy", proxy)
    with pytest.raises(SettingsError, match=r"The proxy for .*: correct HTTPS_PROXY") as caught:
        get(connect("https://marketo.invalid"))
    assert "my-word" not in str(caught.value)


@pytest.mark.parametrize(("name", "said"), [("none", "No such file"), ("text", "it contains none")])
def test_unreadable_certificates_are_a_settings_error(name, said, connect, monkeypatch, tmp_path):
    (tmp_path / "text").write_text("no certificate")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / name))
    with pytest.raises(SettingsError, match=f"{said}.*: correct REQUESTS_CA_BUNDLE"):
        connect("https://marketo.invalid")


@pytest.mark.parametrize(
    "password",
    [
        *("p@ss", "pa#ss", "pa/ss", "pa?ss", "pa ss", "pa:ss", "pa[ss", "pa\\ss", "p%zz", "p%40ss"),
        "p://ss",
        "p\N{LATIN SMALL LETTER E WITH ACUTE}ss",
    ],
)
@pytest.mark.parametrize("scheme", ["http://", "HTTP://", ""])
def test_a_proxys_password_may_be_anything_and_is_redacted(
    *, password, scheme, server, connect, monkeypatch, caplog
):
    caplog.set_level("DEBUG")
    address = server.start(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
    monkeypatch.setenv("https_proxy", f"{scheme}me:{password}@{address.removeprefix('http://')}")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(UnreachableError, match="407") as caught:
        get(connect("https://marketo.invalid"))
    (sent,) = re.findall(rb"Proxy-Authorization: Basic (\S+)", server.requests[0])
    assert base64.b64decode(sent).decode("latin-1") == f"me:{unquote(password)}"
    assert password not in str(caught.value) + caplog.text


def test_loopback_is_called_without_a_proxy(server, connect, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    assert get(connect(server.start(whole(b"here")))).body == b"here"


def test_the_environments_proxy_and_certificates_are_used(connect, monkeypatch, tmp_path):
    monkeypatch.setenv("https_proxy", "http://proxy.invalid:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    session = requests.Session()
    connect("https://marketo.invalid", session=session)
    assert session.proxies["https"] == "http://proxy.invalid:3128"
    assert session.verify == str(tmp_path)
    assert not session.trust_env


def test_the_environments_certificates_are_used_for_loopback(connect, monkeypatch, tmp_path):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
    session = requests.Session()
    connect("https://127.0.0.1:9", session=session)
    assert session.verify == str(tmp_path)


def test_unreadable_certificates_do_not_matter_without_tls(server, connect, monkeypatch):
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "no/such/file")
    assert get(connect(server.start(whole(b"here")))).body == b"here"


@pytest.mark.parametrize(
    "reason",
    [
        *("UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "SSLV3_ALERT_HANDSHAKE_FAILURE"),
        *("DH_KEY_TOO_SMALL", "NO_SHARED_CIPHER", "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
        "UNSAFE_LEGACY_RENEGOTIATION_DISABLED",
    ],
)
def test_an_incompatible_tls_is_a_settings_error(reason):
    failure = connection_error(tls_error(reason), "https://marketo.invalid")
    assert isinstance(failure, SettingsError)
    why = f"[SSL: {reason}] in words (_ssl.c:1006)"
    assert f"TLS handshake with https://marketo.invalid failed ({why}): check" in str(failure)


@pytest.mark.parametrize(
    "reason", ["UNEXPECTED_EOF_WHILE_READING", "TLSV1_ALERT_INTERNAL_ERROR", "BAD_RECORD_MAC", None]
)
def test_a_transient_tls_failure_is_a_lost_connection(reason):
    failure = connection_error(tls_error(reason), "https://marketo.invalid")
    assert isinstance(failure, ConnectionLostError)


def tls_error(reason):
    refused = ssl.SSLError(1, f"[SSL: {reason}] in words (_ssl.c:1006)")
    refused.reason = reason
    wrapped = urllib3.exceptions.MaxRetryError(None, "/x", urllib3.exceptions.SSLError(refused))
    return requests.exceptions.SSLError(wrapped)


def test_a_server_with_an_old_tls_version_is_a_settings_error(server, connect):
    def refuse():
        connection, _ = server.listener.accept()
        with connection:
            connection.recv(65536)
            # A fatal alert: protocol_version.
            connection.sendall(b"\x15\x03\x01\x00\x02\x02\x46")

    threading.Thread(target=refuse, daemon=True).start()
    with pytest.raises(SettingsError, match="TLS handshake with"):
        get(connect(server.address.replace("http:", "https:")))


def test_a_netrc_does_not_replace_the_token(server, connect, monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    get(connect(server.start(whole(b""))), headers={"Authorization": "Bearer t"})
    assert b"Authorization: Bearer t\r\n" in server.requests[0] + b"\r\n"


def test_an_unverifiable_certificate_is_a_settings_error():
    refused = ssl.SSLCertVerificationError(1, "certificate verify failed")
    refused.verify_message = "self-signed certificate"
    wrapped = urllib3.exceptions.MaxRetryError(None, "/x", urllib3.exceptions.SSLError(refused))
    failure = connection_error(requests.exceptions.SSLError(wrapped), "https://marketo.invalid")
    assert isinstance(failure, SettingsError)
    assert "(self-signed certificate)" in str(failure)
    assert "REQUESTS_CA_BUNDLE" in str(failure)


@pytest.mark.parametrize(
    ("cause", "error"),
    [
        (http.client.RemoteDisconnected("Remote end closed connection"), ConnectionLostError),
        (ConnectionResetError(104, "Connection reset by peer"), ConnectionLostError),
        (urllib3.exceptions.NewConnectionError(None, "refused"), UnreachableError),
        (urllib3.exceptions.ConnectTimeoutError("too slow"), UnreachableError),
        (OSError("Tunnel connection failed: 407 Proxy Authentication Required"), UnreachableError),
    ],
)
def test_a_call_without_a_connection_through_a_proxy_is_unsent(cause, error):
    # urllib3 raises this for any connection through a proxy, even if the call was sent on it.
    wrapped = urllib3.exceptions.ProxyError("Unable to connect to proxy", cause)
    given_up = urllib3.exceptions.MaxRetryError(None, "/x", wrapped)
    failure = connection_error(requests.exceptions.ProxyError(given_up), "https://marketo.invalid")
    assert type(failure) is error
    assert failure.ambiguous is (error is ConnectionLostError)


def test_a_server_without_tls_is_a_settings_error(server, connect):
    def answer_plainly():
        connection, _ = server.listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")

    threading.Thread(target=answer_plainly, daemon=True).start()
    with pytest.raises(SettingsError, match=r"does not use TLS: check 'endpoint'"):
        get(connect(server.address.replace("http:", "https:")))


def test_a_connection_is_reused(server, connect):
    def answer_twice(connection):
        connection.sendall(whole(b"one"))
        server.requests.append(receive(connection))
        connection.sendall(whole(b"two"))

    transport = connect(server.start(answer_twice))
    assert [get(transport).body, get(transport).body] == [b"one", b"two"]
    assert len(server.connections) == 1


def test_eleven_connections_are_kept_for_ten_calls_and_a_token(connect, monkeypatch):
    made = []

    def adapter(**options):
        made.append(options)
        return WatchedAdapter(**options)

    monkeypatch.setattr("marketo_opps.transport.WatchedAdapter", adapter)
    connect("http://127.0.0.1:9")
    assert made == [{"pool_maxsize": 11}]
