"""Many threads on one instance: pauses, limits, and the end after a stop."""

from __future__ import annotations

import json
import threading
import time

import pytest

from marketo_opps import (
    ConnectionSettings,
    MarketoClient,
    MarketoObject,
    StoppedError,
    request_loop,
)
from marketo_opps.call import Call
from marketo_opps.errors import RateLimitError, RequestRefusedError, UnreachableError
from marketo_opps.pacing import PACING_WINDOW_SECONDS, WINDOW_SECONDS, Pacer
from marketo_opps.transport import Transport

OPPORTUNITIES = MarketoObject.OPPORTUNITIES


class Watched:
    """Responses that record for each call its time, how many ran at once, and its success."""

    def __init__(self, time, answer):
        self.time = time
        self.answer = answer
        self.lock = threading.Lock()
        self.log = []
        self.under_way = self.most_under_way = 0

    def __call__(self, _request, _context):
        with self.lock:
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            index, came_at = len(self.log), self.time.clock()
            self.log.append((came_at, self.under_way))
        members = self.answer(index)
        time.sleep(0.001)
        with self.lock:
            self.under_way -= 1
        return json.dumps(members).encode()


def test_both_limits_hold_at_the_sandbox(
    *, instance, connect, shared_time, in_threads, success, let_go_at
):
    watched = Watched(shared_time, lambda _: success({"total": 1}))
    instance.answers("stats/usage.json", watched)
    client = connect(shared_time, calls_per_20_seconds=11, max_concurrent_calls=3)

    in_threads(8, lambda _: [client.calls_today() for _ in range(6)])

    assert len(watched.log) == len(let_go_at) == 48
    for start in let_go_at:
        assert sum(start <= each < start + WINDOW_SECONDS for each in let_go_at) <= 11
    assert watched.most_under_way <= 3


@pytest.mark.parametrize("code", [606, 615])
def test_after_a_limit_all_threads_wait_and_one_probes(
    *, code, instance, connect, shared_time, in_threads, success, refusal, monkeypatch
):
    """Refuse the first call, and the first one after the pause."""
    watched = Watched(
        shared_time, lambda index: refusal(code) if index in {0, 1} else success({"total": 1})
    )
    instance.answers("stats/usage.json", watched)
    meets_it = threading.Event()

    class Noting(Pacer):
        def pause(self, seconds):
            super().pause(seconds)
            meets_it.set()

    monkeypatch.setattr(request_loop, "Pacer", Noting)
    client = connect(shared_time)
    first_wait, second_wait = {606: (6.0, 12.0), 615: (0.75, 1.5)}[code]
    client.server_now()

    def work(index):
        if index:
            meets_it.wait(10)
        return client.calls_today()

    assert in_threads(5, work) == [1] * 5

    refused, probe, after_first, after_second = [watched.log[index][0] for index in (0, 1, 2, 3)]
    assert probe >= refused + first_wait
    # The probing thread has failed once or twice by now.
    assert after_first >= probe + min(first_wait, second_wait)
    assert [at_once for _, at_once in watched.log[:3]] == [1, 1, 1]
    assert after_second >= after_first
    assert len(watched.log) == 7


def test_a_limit_at_the_last_attempt_lets_others_probe(
    instance, connect, fake_time, success, refusal
):
    instance.answers("stats/usage.json", refusal(606), success({"total": 1}))
    client = connect(max_retry_seconds=0)
    with pytest.raises(RateLimitError, match="calls_per_20_seconds"):
        client.calls_today()
    assert client.calls_today() == 1
    assert fake_time.waited == 0


def test_a_probe_refused_for_good_releases_the_others(
    *, instance, connect, shared_time, in_threads, success, refusal
):
    instance.answers("stats/usage.json", refusal(606), refusal(610), success({"total": 1}))
    client = connect(shared_time)
    with pytest.raises(RequestRefusedError):
        client.calls_today()
    assert in_threads(5, lambda _: client.calls_today()) == [1] * 5


def test_a_defect_in_reading_a_response_blocks_no_thread(
    *, instance, connect, success, refusal, monkeypatch
):
    instance.answers("stats/usage.json", refusal(606), success({"total": 1}))
    client = connect()
    read = request_loop.read_response

    def read_or_fail(*args, **options):
        return 1 / 0 if client.counts.calls == 2 else read(*args, **options)

    monkeypatch.setattr(request_loop, "read_response", read_or_fail)
    with pytest.raises(ZeroDivisionError):
        client.calls_today()
    assert client.calls_today() == 1


class TestStop:
    def test_after_a_stop_no_call_is_made(self, instance, client, success):
        instance.answers("stats/usage.json", success({"total": 1}))
        client.calls_today()
        client.stop()
        with pytest.raises(StoppedError):
            client.calls_today()
        assert len(instance.calls) == 1

    def test_a_call_in_flight_is_finished_after_a_stop(self, instance, client, success):
        def answer(_request, _context):
            client.stop()
            return json.dumps(success({"total": 1})).encode()

        instance.answers("stats/usage.json", answer)
        assert client.calls_today() == 1

    @pytest.mark.parametrize("failure", [502, "606", "601", "608"])
    def test_a_call_that_fails_after_a_stop_is_not_retried(
        self, failure, instance, client, refusal
    ):
        def answer(_request, context):
            client.stop()
            if isinstance(failure, int):
                context.status_code = failure
                return b""
            return json.dumps(refusal(failure)).encode()

        instance.answers("stats/usage.json", answer)
        with pytest.raises(StoppedError):
            client.calls_today()
        assert len(instance.calls) == 1
        assert len(instance.token_fetches) == 1

    def test_a_stop_ends_a_long_wait_for_a_retry(self, instance, settings, refusal):
        instance.answers("stats/usage.json", refusal(608))
        napping = threading.Event()
        ended = []

        def nap(condition, seconds):
            napping.set()
            condition.wait(seconds)

        with MarketoClient(
            settings(), fraction=lambda: 1.0, nap=nap, session=instance.session
        ) as client:

            def work():
                try:
                    client.calls_today()
                except StoppedError as error:
                    ended.append(error)

            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            assert napping.wait(5)
            began = time.monotonic()
            client.stop()
            thread.join(timeout=5)
            assert time.monotonic() - began < 0.9
            assert len(ended) == 1


def test_an_unreachable_instance_fails_after_max_retry_seconds(fake_time):
    settings = ConnectionSettings("http://127.0.0.1:1", "id", "secret", max_retry_seconds=10)
    with (
        MarketoClient(
            settings, clock=fake_time.clock, nap=fake_time.nap, fraction=lambda: 0.5
        ) as client,
        pytest.raises(UnreachableError, match="Connection refused"),
    ):
        client.calls_today()
    assert fake_time.waited == pytest.approx(10)
    assert client.counts.calls == 0


def test_the_log_line_of_a_retry_has_reason_and_wait(instance, client, success, refusal, caplog):
    instance.tokens = ["token-1", "token-2"]
    caplog.set_level("INFO")
    instance.answers(
        "stats/usage.json", refusal(608, "down"), refusal(602, "expired"), success({"total": 1})
    )
    client.calls_today()
    told = [
        record.getMessage()
        for record in caplog.records
        if record.name == "marketo_opps.request_loop"
    ]
    refused = "Marketo refused query GET /v1/stats/usage.json"
    again = "Trying again in 0.8 s (attempt 2, giving up in 300 s)."
    assert told == [
        f"{refused}: 608 down (requestId r#1). {again}",
        f"{refused}: 602 expired (requestId r#1). Fetching a new token.",
    ]


def test_no_log_line_has_a_query_string(instance, client, success, caplog):
    caplog.set_level("DEBUG")
    instance.answers("opportunities.json", 502, success())
    client.query(OPPORTUNITIES, filter_type="idField", filter_values=["customer-7"], fields=[])
    assert "GET /v1/opportunities.json: HTTP 200" in caplog.text
    assert "customer-7" not in caplog.text


def test_the_name_of_a_call_has_no_query_string():
    call = Call("GET", "/v1/opportunities.json", query=(("filterValues", "customer-7"),))
    assert call.name == "query GET /v1/opportunities.json"
    assert call.target == "/rest/v1/opportunities.json?filterValues=customer-7"
    assert call.as_post_if_long() is call


def test_retries_are_logged_as_warnings_from_the_third_on(
    instance, client, success, refusal, caplog
):
    caplog.set_level("INFO")
    down = refusal(608)
    instance.answers("stats/usage.json", down, down, down, success({"total": 1}))
    client.calls_today()
    told = [each.levelname for each in caplog.records if "Trying again" in each.getMessage()]
    assert told == ["INFO", "INFO", "WARNING"]


def test_a_temporary_error_of_one_call_delays_no_other(
    *, instance, connect, fake_time, success, refusal, monkeypatch
):
    instance.answers("stats/usage.json", refusal(608), success({"total": 1}))
    began, nap, others = fake_time.now, fake_time.nap, []

    def call_meanwhile(condition, seconds):
        if not others:
            others.append(None)
            client.calls_today()
            others[0] = fake_time.now
        nap(condition, seconds)

    monkeypatch.setattr(fake_time, "nap", call_meanwhile)
    client = connect()
    client.calls_today()
    assert others == [began]
    assert fake_time.now > began


def test_a_slow_response_does_not_delay_the_next_window(
    *, instance, connect, fake_time, success, monkeypatch
):
    class SlowTransport(Transport):
        """Tells at once that a request was sent, and has its response 15 seconds later."""

        def send(self, *arguments, on_sent=None, **options):
            response = super().send(*arguments, **options)
            if on_sent:
                on_sent()
                fake_time.now += 15
            return response

    monkeypatch.setattr(request_loop, "Transport", SlowTransport)
    instance.answers("stats/usage.json", success({"total": 1}))
    client = connect(calls_per_20_seconds=1)
    client.calls_today()
    client.calls_today()
    # A call may take a second to Marketo, so it counts from then.
    expected = PACING_WINDOW_SECONDS + 1 - 15
    assert fake_time.waited == pytest.approx(expected)
    assert client.counts.seconds_waited_for_limits == pytest.approx(expected)


def test_the_window_of_the_rate_limit_can_be_shortened(instance, settings, fake_time, success):
    instance.answers("stats/usage.json", success({"total": 1}))
    with MarketoClient(
        settings(calls_per_20_seconds=1),
        clock=fake_time.clock,
        nap=fake_time.nap,
        session=instance.session,
        pacing_window_seconds=3.0,
    ) as client:
        client.calls_today()
        client.calls_today()
    assert fake_time.waited == pytest.approx(3.0)


def test_clients_with_one_limits_path_share_the_rate(
    instance, connect, fake_time, success, tmp_path
):
    instance.answers("stats/usage.json", success({"total": 1}))
    shared = {"limits_path": str(tmp_path / "limits.db"), "calls_per_20_seconds": 1}
    one, other = connect(**shared), connect(**shared)
    one.calls_today()
    assert fake_time.waited == 0
    other.calls_today()
    assert fake_time.waited == pytest.approx(PACING_WINDOW_SECONDS, abs=0.6)


def test_waits_before_retries_are_counted(instance, client, success, refusal, fake_time):
    instance.answers("stats/usage.json", refusal(608), refusal(608), success({"total": 1}))
    client.calls_today()
    assert fake_time.waited > 2
    assert client.counts.seconds_waited_to_retry == pytest.approx(fake_time.waited)
    assert client.counts.seconds_waited_for_limits == 0


def test_the_response_with_a_new_token_sets_marketos_clock(instance, client, success, refusal):
    client.server_now()
    later = {"Date": "Mon, 23 Nov 2026 18:00:00 GMT"}
    token = {"access_token": "token-2", "expires_in": 3600, "scope": "someone"}
    instance.adapter.register_uri(
        "POST", f"{instance.base}/identity/oauth/token", json=token, headers=later
    )
    without_date = {"status_code": 200, "json": success({"total": 1})}
    instance.answers("stats/usage.json", refusal(602), without_date)
    client.calls_today()
    assert client.server_now().hour == 18
