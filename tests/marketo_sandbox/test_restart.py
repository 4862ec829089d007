"""An instance with a database: what survives its restart, and what options change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from marketo_sandbox.instance.describe import OPPORTUNITY
from marketo_sandbox.instance.errors import CallRefusedError
from marketo_sandbox.instance.instance import Instance
from marketo_sandbox.options import SandboxOptions

QUERY = {"filterType": "dedupeFields", "filterValues": "a,b", "batchSize": "1"}


@pytest.fixture
def run(tmp_path):
    """Yield a function that starts the instance of one database, after it has ended the last."""
    running = []

    def run(**options):
        for each in running:
            each.close()
        options = SandboxOptions(database=str(tmp_path / "sandbox.db"), **options)
        running.append(Instance(options, real=lambda: 1_790_000_000.0))
        return running[-1]

    yield run
    running[-1].close()


def granted(instance):
    return instance.identity(
        {"client_id": instance.client_id, "client_secret": instance.client_secret}
    )


def write(instance):
    records = [{"externalOpportunityId": each, "name": "n"} for each in ("a", "b")]
    instance.sync(OPPORTUNITY, {"input": records})


def test_records_credentials_and_token_survive_a_restart(run):
    first = run()
    write(first)
    records, token = first.opportunities(), granted(first)
    second = run()
    assert (second.client_id, second.client_secret) == (first.client_id, first.client_secret)
    assert granted(second) == token
    assert second.opportunities() == records


def test_given_credentials_replace_the_stored_ones(run):
    first = run()
    assert len(first.client_id) >= 32
    assert len(first.client_secret) >= 32
    assert first.client_id != first.client_secret
    for given in ({"client_id": "me", "client_secret": "word"}, {}):
        again = run(**given)
        assert (again.client_id, again.client_secret) == ("me", "word")


def test_usage_and_errors_survive_a_restart(run):
    first = run()
    first.daily_usage.add_calls(7, "me")
    first.daily_usage.add_error("606")
    second = run()
    assert second.usage({}) == first.usage({})
    assert second.errors({}) == first.errors({})
    assert second.daily_usage.calls_today() == 7


def test_the_clock_keeps_its_distance_over_a_restart(run):
    first = run()
    assert first.clock.seconds() == 1_790_000_000
    first.clock.advance(500)
    assert run().clock.seconds() == 1_790_000_500
    set_anew = run(clock="2031-01-01T00:00:00+00:00")
    assert set_anew.clock.now() == datetime(2031, 1, 1, tzinfo=UTC)


def test_page_tokens_survive_a_restart_unless_expired(run):
    first = run()
    write(first)
    more = {"nextPageToken": first.query(OPPORTUNITY, QUERY)["nextPageToken"]}
    second = run()
    (found,) = second.query(OPPORTUNITY, QUERY | more)["result"]
    assert found["externalOpportunityId"] == "b"
    second.expire_page_tokens()
    for instance in (second, run()):
        with pytest.raises(CallRefusedError, match="1003"):
            instance.query(OPPORTUNITY, QUERY | more)
    assert instance.query(OPPORTUNITY, QUERY)["result"]


def test_an_instance_is_seeded_once(run):
    assert run(opportunities=3).counts()["opportunities"] == 3
    assert run(opportunities=5).counts()["opportunities"] == 3


def test_an_instance_may_be_closed_twice(run):
    instance = run()
    instance.close()
    instance.close()


def test_two_instances_have_different_secrets():
    first, second = Instance(), Instance()
    try:
        for name in ("client_id", "client_secret"):
            assert getattr(first, name) != getattr(second, name)
        assert granted(first)["access_token"] != granted(second)["access_token"]
    finally:
        first.close()
        second.close()
