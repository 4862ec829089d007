"""Fixtures with a plain HTTP client, so that sandbox tests do not rely on the project's client."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
import requests

from marketo_sandbox.options import SandboxOptions
from marketo_sandbox.server.server import SandboxServer
from tests.marketo_sandbox.helpers import HeldLatency

OPPORTUNITIES = "/rest/v1/opportunities.json"
ROLES = "/rest/v1/opportunities/roles.json"


class Caller:
    """One HTTP session with the access token of one custom service."""

    def __init__(self, sandbox):
        self.sandbox = sandbox
        self.session = requests.Session()
        self.session.trust_env = False
        self.authenticate()

    def authenticate(self):
        self.session.headers["Authorization"] = f"Bearer {self.token()['access_token']}"

    def token(self, **changed):
        parameters = {
            "grant_type": "client_credentials",
            "client_id": self.sandbox.client_id,
            "client_secret": self.sandbox.client_secret,
            **changed,
        }
        return self.send("GET", "/identity/oauth/token", params=parameters).json()

    def send(self, method, path, **more):
        return self.session.request(method, self.sandbox.endpoint + path, timeout=30, **more)

    def get(self, path, **parameters):
        return self.send("GET", path, params=parameters).json()

    def post(self, path, body):
        return self.send("POST", path, json=body).json()

    def sync(self, records, path=OPPORTUNITIES, **more):
        return self.post(path, {"input": records, **more})

    def sync_roles(self, records, **more):
        return self.sync(records, ROLES, **more)

    def delete(self, keys, path="/rest/v1/opportunities/delete.json", **more):
        return self.post(path, {"input": keys, **more})

    def find(self, values, path=OPPORTUNITIES, **more):
        parameters = {"filterType": "dedupeFields", "filterValues": ",".join(values), **more}
        return self.get(path, **parameters)

    def log(self, since="2000-01-01T00:00:00Z", types="34,35,36"):
        token = self.get("/rest/v1/activities/pagingtoken.json", sinceDatetime=since)
        answer = {"nextPageToken": token["nextPageToken"], "moreResult": True}
        found = []
        while answer["moreResult"]:
            answer = self.get(
                "/rest/v1/activities.json",
                nextPageToken=answer["nextPageToken"],
                activityTypeIds=types,
            )
            found += answer.get("result", [])
        return found

    def close(self):
        self.session.close()


@pytest.fixture
def caller_of():
    """Yield a function that makes a caller of a sandbox; close the callers after the test."""
    callers = []

    def call(sandbox):
        callers.append(Caller(sandbox))
        return callers[-1]

    yield call
    for caller in callers:
        caller.close()


@pytest.fixture
def sandbox(marketo_sandbox):
    return marketo_sandbox


@pytest.fixture
def start(marketo_sandbox_factory):
    return marketo_sandbox_factory


@pytest.fixture
def api(sandbox, caller_of):
    return caller_of(sandbox)


@pytest.fixture
def latency():
    return HeldLatency()


@pytest.fixture
def start_held(latency):
    """Yield a function that starts a sandbox whose latency lasts until ``latency.ended`` is set."""
    with ExitStack() as running:

        def start(**options):
            server = SandboxServer(SandboxOptions(**options), sleep=latency)
            return running.enter_context(server)

        yield start
        latency.ended.set()


@pytest.fixture
def fuzzed(start, caller_of):
    """Return a seeded instance without limits that has two sales persons."""
    sandbox = start(
        opportunities=5, leads=3, sales_persons=frozenset({"a"}), limits={"enforced": False}
    )
    return caller_of(sandbox)


@pytest.fixture
def control(sandbox):
    """Yield a function that makes a control call and returns the response."""
    session = requests.Session()
    session.trust_env = False

    def call(method, path, body=None, **parameters):
        url = f"{sandbox.endpoint}/sandbox/{path}"
        return session.request(method, url, json=body, params=parameters, timeout=30)

    yield call
    session.close()
