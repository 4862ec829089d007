"""A client with a clock of its own, and an instance whose responses the test defines."""

from __future__ import annotations

import json
import threading
from email.utils import parsedate_to_datetime

import pytest
import requests
import requests_mock

from marketo_opps import ConnectionSettings, MarketoClient, pacing, redaction

BASE = "http://127.0.0.1:9"
SERVER_TIME = "Mon, 23 Nov 2026 17:00:00 GMT"


class FakeTime:
    """A clock that only moves when a thread waits for it; for one thread."""

    def __init__(self):
        self.now = 1000.0
        self.waits = []

    def clock(self):
        return self.now

    def nap(self, _condition, seconds):
        self.now += seconds
        self.waits.append(seconds)

    @property
    def waited(self):
        return sum(self.waits)


class SharedTime:
    """A clock that many threads may wait for at once: each wait moves it."""

    def __init__(self):
        self.now = 1000.0
        self._lock = threading.Lock()

    def clock(self):
        with self._lock:
            return self.now

    def nap(self, condition, seconds):
        # Lets the other threads acquire the condition and run.
        condition.wait(0.0005)
        self.move(seconds)

    def move(self, seconds):
        with self._lock:
            self.now += seconds


@pytest.fixture
def fake_time():
    return FakeTime()


@pytest.fixture
def shared_time():
    return SharedTime()


@pytest.fixture
def let_go_at(monkeypatch):
    """Return the times at which calls of this test were allowed to start.

    A thread may lose its turn right after that, so it may send its call later.
    """
    times = []

    class Noting(pacing.SlidingWindow):
        def add(self, when):
            times.append(when)
            super().add(when)

    # Only of pacers made from now on, because a thread of an earlier test may still run.
    monkeypatch.setattr(pacing, "SlidingWindow", Noting)
    return times


@pytest.fixture(autouse=True)
def _forget_secrets(monkeypatch):
    """Keep the secrets of one test from redacting texts of another."""
    monkeypatch.setattr(redaction.REDACTOR, "_secrets", ())


@pytest.fixture
def settings():
    def make(**changes):
        return ConnectionSettings.from_config(
            {"endpoint": BASE, "client_id": "id-1", "client_secret": "secret-1"} | changes
        )

    return make


class Instance:
    """An instance with the responses that a test lists, one per call; it records its calls."""

    base = BASE

    def __init__(self):
        self.adapter = requests_mock.Adapter(case_sensitive=True)
        self.session = requests.Session()
        self.session.mount("http://", self.adapter)
        self.adapter.register_uri(
            "POST", f"{BASE}/identity/oauth/token", json=self._token, headers=self._date()
        )
        self.tokens = ["token-1"]
        self.expires_in = 3600

    @staticmethod
    def _date():
        return {"Date": SERVER_TIME}

    def _token(self, _request, _context):
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        return {"access_token": token, "expires_in": self.expires_in, "scope": "someone"}

    def answers(self, path, *answers, method=requests_mock.ANY):
        self.adapter.register_uri(
            method,
            f"{BASE}/rest/v1/{path}",
            [self._answer(answer) for answer in answers],
        )

    def _answer(self, answer):
        if isinstance(answer, Exception):
            return {"exc": answer}
        if callable(answer):
            return {"content": answer, "headers": self._date()}
        if isinstance(answer, dict) and "status_code" in answer:
            return answer
        if isinstance(answer, int):
            return {"status_code": answer, "text": "<html>gateway</html>"}
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return {"content": body, "headers": self._date()}

    @property
    def calls(self):
        return [each for each in self.adapter.request_history if "/rest/" in each.url]

    @property
    def token_fetches(self):
        return [each for each in self.adapter.request_history if "/identity/" in each.url]


@pytest.fixture
def instance():
    return Instance()


@pytest.fixture
def connect(instance, settings, fake_time):
    """Return a function that makes clients of the instance, with the fake clock by default."""
    made = []

    def make(time=fake_time, **changes):
        client = MarketoClient(
            settings(**changes),
            clock=time.clock,
            nap=time.nap,
            fraction=lambda: 0.5,
            local_now=lambda: parsedate_to_datetime(SERVER_TIME),
            session=instance.session,
        )
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


@pytest.fixture
def client(connect):
    return connect()


@pytest.fixture
def in_threads():
    """Run a function on several threads at once; return the results, or the exceptions raised."""

    def run(count, function):
        results = [None] * count

        def work(index):
            try:
                results[index] = function(index)
            except Exception as error:  # noqa: BLE001 - handed back to the test
                results[index] = error

        threads = [
            threading.Thread(target=work, args=(index,), daemon=True) for index in range(count)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=30)
        assert not any(thread.is_alive() for thread in threads)
        return results

    return run


def success(*result, **members):
    return {"requestId": "r#1", "success": True, "result": list(result), **members}


def refusal(code, message="said Marketo", **members):
    errors = [{"code": str(code), "message": message}]
    return {"requestId": "r#1", "success": False, "errors": errors, **members}


@pytest.fixture(name="success")
def _success():
    return success


@pytest.fixture(name="refusal")
def _refusal():
    return refusal
