"""Access tokens and the identity endpoint."""

from __future__ import annotations

import random

import pytest

from marketo_sandbox.instance.access import AccessTokens
from marketo_sandbox.instance.clock import Clock
from marketo_sandbox.instance.errors import CallRefusedError
from marketo_sandbox.instance.storage import SCRATCH, Storage


def test_identity_returns_the_same_token_until_it_expires(api, sandbox):
    sandbox.set_clock(sandbox.instance.clock.now(), frozen=True)
    sandbox.instance.expire_tokens()
    first = api.token()
    sandbox.advance(600)
    again = api.token()
    assert first["expires_in"] == 3600
    assert again == {**first, "expires_in": 3000}


def test_identity_returns_a_new_token_after_expiry(api, sandbox):
    first = api.token()
    sandbox.advance(3601)
    second = api.token()
    assert second["access_token"] != first["access_token"]
    assert second["expires_in"] == pytest.approx(3600, abs=2)


def test_an_expired_token_is_602(api, sandbox):
    sandbox.advance(3601)
    assert api.get("/rest/v1/stats/usage.json")["errors"][0]["code"] == "602"
    api.token()
    assert api.get("/rest/v1/stats/usage.json")["errors"][0]["code"] == "602"
    api.authenticate()
    assert api.get("/rest/v1/stats/usage.json")["success"]


def test_an_unknown_or_missing_token_is_601(api):
    api.session.headers["Authorization"] = "Bearer nobody:int"
    assert api.get("/rest/v1/stats/usage.json")["errors"][0]["code"] == "601"
    del api.session.headers["Authorization"]
    assert api.get("/rest/v1/stats/usage.json")["errors"][0]["code"] == "601"


def test_a_token_in_the_query_string_is_601_despite_a_valid_header(api):
    token = api.token()["access_token"]
    assert api.get("/rest/v1/stats/usage.json", access_token=token)["errors"][0]["code"] == "601"


@pytest.mark.parametrize("wrong", [{"client_id": "no"}, {"client_secret": "no"}])
def test_wrong_credentials_are_401_with_an_oauth_error(api, sandbox, wrong):
    parameters = {
        "grant_type": "client_credentials",
        **sandbox.credentials,
        **wrong,
    }
    answer = api.send("GET", "/identity/oauth/token", params=parameters)
    assert answer.status_code == 401
    assert answer.json()["error"] == "unauthorized"
    assert answer.json()["error_description"]


def test_credentials_are_accepted_in_a_posted_form(api, sandbox):
    form = {"grant_type": "client_credentials", **sandbox.credentials}
    answer = api.send("POST", "/identity/oauth/token", data=form)
    assert answer.json()["access_token"] == api.token()["access_token"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_identity_by_another_method_is_405(api, sandbox, method):
    parameters = {"grant_type": "client_credentials", **sandbox.credentials}
    answer = api.send(method, "/identity/oauth/token", params=parameters)
    assert answer.status_code == 405
    assert answer.headers["Content-Type"] == "text/html"
    assert "access_token" not in answer.text


def test_an_unknown_grant_type_is_refused(api):
    assert api.token(grant_type="password")["error"] == "unsupported_grant_type"


def test_identity_calls_count_against_no_limit(start, caller_of):
    sandbox = start(limits={"calls_per_window": 1, "daily_calls": 1})
    caller = caller_of(sandbox)
    for _ in range(5):
        caller.authenticate()
    assert caller.get("/rest/v1/stats/usage.json")["success"]


def test_the_journal_contains_no_credentials(api, sandbox):
    api.get("/rest/v1/stats/usage.json", access_token="seen")
    told = str(sandbox.journal())
    assert sandbox.client_secret not in told
    assert api.token()["access_token"] not in told
    assert "seen" not in told


class TestAccessTokens:
    """Access tokens without a server."""

    def setup_method(self):
        self.now = 1_000.0
        self.storage = Storage(SCRATCH)
        self.tokens = self.restarted()

    def teardown_method(self):
        self.storage.close()

    def restarted(self):
        source = random.Random(self.now)
        return AccessTokens(self.storage, Clock(lambda: self.now), 3600, source)

    def code(self, token, tokens=None):
        try:
            (tokens or self.tokens).check(token)
        except CallRefusedError as refusal:
            return refusal.code
        return "ok"

    def test_before_the_first_grant_every_token_is_unknown(self):
        assert self.tokens.seconds_left() <= 0
        assert {self.code(each) for each in (None, "", "any")} == {"601"}

    def test_a_token_is_valid_until_exactly_its_end(self):
        token, left = self.tokens.grant()
        assert left == 3600
        self.now += 3599
        assert self.tokens.grant() == (token, 1)
        assert self.code(token) == "ok"
        self.now += 1
        assert self.code(token) == "602"
        other, left = self.tokens.grant()
        assert left == 3600
        assert (self.code(other), self.code(token)) == ("ok", "602")

    def test_tokens_survive_a_restart(self):
        old, _ = self.tokens.grant()
        self.now += 4000
        new, _ = self.tokens.grant()
        self.now += 600
        again = self.restarted()
        assert again.grant() == (new, 3000)
        assert (self.code(old, again), self.code(new, again)) == ("602", "ok")
        self.tokens.expire()
        again = self.restarted()
        assert again.seconds_left() == 0
        assert self.code(new, again) == "602"

    def test_a_token_that_has_ended_does_not_live_again_when_expired(self):
        token, _ = self.tokens.grant()
        self.now += 4000
        self.tokens.expire()
        self.now -= 200
        assert self.code(token) == "602"
