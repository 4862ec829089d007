"""The access token that all threads share."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime

import pytest

from marketo_opps import CredentialsError, MarketoObject, redaction
from marketo_opps.auth import Token, TokenCache, read_token, token_path
from marketo_opps.errors import (
    ConnectionLostError,
    ServerError,
    ThrottledError,
    TokenRefusedError,
    TransientError,
    UnexpectedResponseError,
)
from marketo_opps.transport import HttpResponse

OPPORTUNITIES = MarketoObject.OPPORTUNITIES


class Identity:
    """An identity service that issues the given values, then the last one again and again.

    Each token is valid for an hour.
    """

    def __init__(self, clock, *values, life_seconds=3600.0):
        self.values = list(values)
        self.clock = clock
        self.life_seconds = life_seconds
        self.fetches = 0

    def __call__(self):
        self.fetches += 1
        value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
        return Token(value, self.clock() + self.life_seconds)


@pytest.fixture
def keep(fake_time):
    def make(*values, life_seconds=3600.0):
        identity = Identity(fake_time.clock, *values, life_seconds=life_seconds)
        keeper = TokenCache(
            identity, clock=fake_time.clock, sleep=lambda seconds: fake_time.nap(None, seconds)
        )
        return keeper, identity

    return make


class TestTokenKeeper:
    def test_a_token_is_fetched_on_first_use_and_then_kept(self, keep, fake_time):
        keeper, identity = keep("one", "two")
        assert identity.fetches == 0
        assert keeper.token() is keeper.token()
        fake_time.now += 3599
        assert keeper.token().value == "one"
        assert identity.fetches == 1

    def test_an_expired_token_is_replaced(self, keep, fake_time):
        keeper, identity = keep("one", "two")
        keeper.token()
        fake_time.now += 3600
        assert keeper.token().value == "two"
        assert identity.fetches == 2

    def test_a_refused_token_is_replaced_without_waiting(self, keep, fake_time):
        keeper, _ = keep("one", "two")
        keeper.renew(keeper.token())
        assert keeper.token().value == "two"
        assert fake_time.waited == 0

    def test_a_late_thread_uses_the_token_renewed_by_another(self, keep):
        keeper, identity = keep("one", "two", "three")
        refused = keeper.token()
        keeper.renew(refused)
        keeper.renew(refused)
        assert (keeper.token().value, identity.fetches) == ("two", 2)

    @pytest.mark.parametrize(("left", "waited"), [(7.5, 7.5), (60.0, 60.0), (3600.0, 60.0)])
    def test_the_same_token_again_is_waited_for_up_to_a_minute(self, left, waited, keep, fake_time):
        keeper, identity = keep("one", "one", "two", life_seconds=left)
        keeper.renew(keeper.token())
        assert fake_time.waited == pytest.approx(waited)
        assert (keeper.token().value, identity.fetches) == ("two", 3)

    def test_late_threads_do_not_wait_for_the_same_token_again(self, keep, fake_time):
        keeper, identity = keep("one")
        refused = keeper.token()
        for _ in range(5):
            keeper.renew(refused)
        assert identity.fetches == 3
        assert fake_time.waited == 60

    def test_after_a_failed_fetch_the_token_is_renewed_again(self, fake_time):
        tokens = [Token("one", 1e9), ServerError("down"), Token("two", 1e9)]

        def fetch():
            token = tokens.pop(0)
            if isinstance(token, Exception):
                raise token
            return token

        keeper = TokenCache(fetch, clock=fake_time.clock, sleep=lambda _: None)
        refused = keeper.token()
        with pytest.raises(ServerError):
            keeper.renew(refused)
        keeper.renew(refused)
        assert keeper.token().value == "two"


@pytest.mark.parametrize("code", [601, 602])
def test_many_threads_refused_at_once_fetch_one_token(
    *, code, instance, connect, shared_time, in_threads, success, refusal
):
    refused_together = threading.Barrier(8)

    def answer(request, _context):
        if request.headers["Authorization"] == "Bearer old-token":
            refused_together.wait(timeout=20)
            return json.dumps(refusal(code)).encode()
        return json.dumps(success({"total": 1})).encode()

    instance.tokens = ["old-token", "new-token", "one-too-many"]
    instance.answers("stats/usage.json", answer)
    client = connect(shared_time, max_concurrent_calls=8)

    assert in_threads(8, lambda _: client.calls_today()) == [1] * 8
    assert len(instance.token_fetches) == 2
    assert client.counts.retries == 8


class SlowIdentity:
    """An identity service so slow that other threads find that there is no token yet."""

    def __init__(self):
        self.fetches = 0

    def __call__(self):
        self.fetches += 1
        fetched = Token(f"token {self.fetches}", 1e9)
        threading.Event().wait(0.05)
        return fetched


def test_many_threads_without_a_token_fetch_one(in_threads):
    identity, all_ask = SlowIdentity(), threading.Barrier(8)
    keeper = TokenCache(identity, clock=lambda: 0.0, sleep=lambda _: None)

    def ask(_index):
        all_ask.wait(5)
        return keeper.token().value

    assert in_threads(8, ask) == ["token 1"] * 8
    assert identity.fetches == 1


def test_many_threads_with_a_refused_token_fetch_one(in_threads):
    identity, all_ask = SlowIdentity(), threading.Barrier(8)
    keeper = TokenCache(identity, clock=lambda: 0.0, sleep=lambda _: None)
    refused = keeper.token()

    def ask(_index):
        all_ask.wait(5)
        keeper.renew(refused)
        return keeper.token().value

    assert in_threads(8, ask) == ["token 2"] * 8
    assert identity.fetches == 2


def test_a_call_requests_a_new_token_at_most_twice(instance, client, refusal):
    instance.tokens = ["a-token", "b-token", "c-token", "d-token"]
    instance.answers("stats/usage.json", refusal(601, "Access token invalid"))
    with pytest.raises(TokenRefusedError, match=r"601 Access token invalid.*LaunchPoint"):
        client.calls_today()
    used = [call.headers["Authorization"] for call in instance.calls]
    assert used == ["Bearer a-token", "Bearer b-token", "Bearer c-token"]


def test_a_token_is_used_until_it_expires(instance, client, fake_time, success):
    instance.tokens, instance.expires_in = ["first-token", "second-token"], 100
    instance.answers("stats/usage.json", success({"total": 1}))
    client.calls_today()
    fake_time.now += 99
    client.calls_today()
    fake_time.now += 1
    client.calls_today()
    used = [call.headers["Authorization"].split()[1] for call in instance.calls]
    assert used == ["first-token", "first-token", "second-token"]


@pytest.mark.parametrize("life", [0, 1, None, "soon", "3_600", True, "\u0663\u0660"])
def test_a_token_in_its_last_second_is_used_once(life, instance, client, fake_time, success):
    instance.expires_in = life
    instance.answers("stats/usage.json", success({"total": 1}))
    client.calls_today()
    client.calls_today()
    assert len(instance.token_fetches) == 1
    fake_time.now += 1
    client.calls_today()
    assert len(instance.token_fetches) == 2


def test_a_transient_failure_of_identity_is_retried(instance, client, fake_time, success):
    answers = iter([503, 200])

    def token(_request, context):
        context.status_code = next(answers)
        return json.dumps({"access_token": "token-1", "expires_in": 60})

    instance.adapter.register_uri("POST", "/identity/oauth/token", text=token)
    instance.answers("stats/usage.json", success({"total": 1}))
    assert client.calls_today() == 1
    assert fake_time.waited == pytest.approx(0.75)
    assert client.counts.retries == 0


def test_a_retry_after_of_identity_is_respected(instance, client, fake_time, success):
    throttled = {"status_code": 429, "headers": {"Retry-After": "50"}}
    token = {"json": {"access_token": "token-1", "expires_in": 60}}
    instance.adapter.register_uri("POST", "/identity/oauth/token", [throttled, token])
    instance.answers("stats/usage.json", success({"total": 1}))
    assert client.calls_today() == 1
    assert fake_time.waited == pytest.approx(50)


def test_a_token_request_has_both_credentials(client, instance, success):
    instance.answers("stats/usage.json", success({"total": 1}))
    client.calls_today()
    (fetch,) = instance.token_fetches
    assert fetch.qs == {
        "grant_type": ["client_credentials"],
        "client_id": ["id-1"],
        "client_secret": ["secret-1"],
    }


def test_a_refused_token_issued_again_is_waited_for(client, instance, success, refusal, fake_time):
    instance.expires_in = 7
    instance.tokens = ["token-1", "token-1", "token-2"]
    instance.answers("stats/usage.json", refusal(601), success({"total": 5}))
    assert client.calls_today() == 5
    assert fake_time.waited == pytest.approx(7)
    assert instance.calls[-1].headers["Authorization"] == "Bearer token-2"


def test_waiting_for_a_token_ends_with_max_retry_seconds(
    instance, connect, refusal, fake_time, caplog
):
    instance.answers("stats/usage.json", *[refusal(601)] * 3)
    with pytest.raises(TokenRefusedError):
        connect(max_retry_seconds=7).calls_today()
    assert fake_time.waited == pytest.approx(14)
    assert "returned the same token again. Waiting 7 s" in caplog.text


def answer(members, status=200):
    body = members if isinstance(members, bytes) else json.dumps(members).encode()
    return HttpResponse(status, datetime.now(UTC), body, "application/json")


class TestReadToken:
    def test_the_life_of_a_token_starts_with_its_request(self):
        token = read_token(answer({"access_token": "abc:lon", "expires_in": 300}), now=10.0)
        assert (token.value, token.expires_at) == ("abc:lon", 310.0)

    def test_a_token_is_redacted_once_it_is_read(self):
        read_token(answer({"access_token": "abc:lon", "expires_in": 300}), now=0)
        assert redaction.REDACTOR.redact("it is abc:lon!") == "it is [redacted]!"

    @pytest.mark.parametrize("error", ["unauthorized", "invalid_client"])
    def test_refused_credentials_are_an_error_with_identitys_words(self, error):
        members = {"error": error, "error_description": "No client with requested id"}
        with pytest.raises(CredentialsError) as caught:
            read_token(answer(members, 401), now=0)
        told = str(caught.value)
        assert f"HTTP 401, {error}: No client with requested id" in told
        assert "LaunchPoint" in told

    def test_a_secret_in_a_response_of_identity_is_redacted(self):
        redaction.REDACTOR.protect("hush-hush")
        members = {"error": "invalid_client", "error_description": "Bad secret hush-hush"}
        with pytest.raises(CredentialsError) as caught:
            read_token(answer(members, 401), now=0)
        assert "hush-hush" not in str(caught.value)

    @pytest.mark.parametrize(
        ("members", "status"),
        [
            (b"<html>", 200),
            ({}, 200),
            ([], 200),
            ({"access_token": None}, 200),
            ({"access_token": ""}, 200),
            ({"access_token": 5}, 200),
            ({"access_token": ["abc"]}, 200),
            ("abc", 200),
            (5, 200),
            (b"[" * 100_000, 200),
            ({}, 404),
            ({}, 302),
        ],
    )
    def test_a_response_that_is_not_identitys_is_unexpected(self, members, status):
        with pytest.raises(UnexpectedResponseError, match=f"HTTP {status} with neither"):
            read_token(answer(members, status), now=0)

    @pytest.mark.parametrize("body", [b"", b" ", b'{"access_token":"abc'])
    def test_an_incomplete_token_response_is_a_lost_connection(self, body):
        with pytest.raises(ConnectionLostError, match=f"ends after {len(body)} bytes"):
            read_token(answer(body), now=0)

    def test_a_5xx_of_identity_is_a_server_error(self):
        with pytest.raises(ServerError, match="HTTP 502"):
            read_token(answer(b"", 502), now=0)

    @pytest.mark.parametrize(
        ("status", "error"), [(408, ServerError), (425, ThrottledError), (429, ThrottledError)]
    )
    def test_a_transient_status_does_not_refuse_the_credentials(self, status, error):
        response = HttpResponse(status, datetime.now(UTC), b"", "", retry_after_seconds=9.0)
        with pytest.raises(error, match=f"HTTP {status}") as caught:
            read_token(response, now=0)
        assert type(caught.value) is error
        assert caught.value.retry_after_seconds == 9.0

    @pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable"])
    def test_transient_oauth_errors_do_not_refuse_the_credentials(self, error):
        with pytest.raises(ServerError, match=error):
            read_token(answer({"error": error}, 400), now=0)

    @pytest.mark.parametrize("status", [200, 401, 503])
    def test_an_envelope_from_identity_is_read_by_its_code(self, status):
        errors = [{"code": "608", "message": "unavailable"}]
        members = {"requestId": "r#1", "success": False, "errors": errors}
        told = r"refused POST /identity/oauth/token: 608 unavailable \(requestId r#1\)"
        with pytest.raises(TransientError, match=told):
            read_token(answer(members, status), now=0)

    @pytest.mark.parametrize(
        "value", ["line\nbreak", "br\u00e9ve", "\u4e00\u4e8c", "two words", "a\0b"]
    )
    def test_a_token_invalid_in_a_header_is_an_error_and_not_quoted(self, value):
        with pytest.raises(
            UnexpectedResponseError, match="is not valid in an HTTP header"
        ) as caught:
            read_token(answer({"access_token": value, "expires_in": 60}), now=0)
        assert value not in str(caught.value)

    @pytest.mark.parametrize(
        "life", [10**400, -5, "soon", [], {}, None, b"1e999", b"NaN", b'"nan"', b'"inf"']
    )
    def test_the_life_of_a_token_is_at_least_a_second(self, life):
        told = life if isinstance(life, bytes) else json.dumps(life).encode()
        token = read_token(answer(b'{"access_token":"abc","expires_in":' + told + b"}"), now=0)
        assert token.expires_at == 1.0

    @pytest.mark.parametrize("error", [{"code": 1}, ["a"], 5, True])
    def test_an_error_of_any_form_is_shown(self, error):
        with pytest.raises(CredentialsError, match="LaunchPoint"):
            read_token(answer({"error": error, "error_description": ["b"]}, 401), now=0)

    def test_a_long_error_of_identity_is_cut_to_one_short_line(self):
        with pytest.raises(CredentialsError) as caught:
            read_token(answer({"error": "a\nb" + "x" * 5000}, 401), now=0)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 450

    def test_another_programs_error_does_not_refuse_the_credentials(self):
        with pytest.raises(UnexpectedResponseError, match=r"HTTP 404 \(Not Found: no desc"):
            read_token(answer({"error": "Not Found", "status": 404}, 404), now=0)

    def test_http_500_does_not_refuse_the_credentials(self):
        with pytest.raises(ServerError):
            read_token(answer(b"<html>", 500), now=0)


def test_credentials_are_encoded_in_the_request():
    assert token_path("a b", "c&d=e/f") == (
        "/identity/oauth/token?grant_type=client_credentials&client_id=a+b&client_secret=c%26d%3De%2Ff"
    )
