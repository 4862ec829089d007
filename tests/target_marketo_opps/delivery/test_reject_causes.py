"""Test the log lines about rejected records: one for each cause."""

from __future__ import annotations

from marketo_opps import Reason
from target_marketo_opps.delivery.reject_causes import RejectCauses


def test_five_keys_of_each_cause_are_named():
    causes = RejectCauses()
    for number in range(5):
        causes.add(f"K{number}", [Reason("1003", "Bad"), Reason("1001", "Worse")])
    assert list(causes.lines()) == ["5 rejected with 1003 (Bad): K0, K1, K2, K3, K4"]
    causes.add("K5", [Reason("1003", "Bad")])
    assert list(causes.lines()) == ["6 rejected with 1003 (Bad): K0, K1, K2, K3, K4, ..."]


def test_messages_that_differ_by_record_do_not_fill_the_log():
    causes = RejectCauses()
    for number in range(500):
        causes.add(f"K{number}", [Reason("1003", f"Value {number} is bad")])
    lines = list(causes.lines())
    assert lines[0].startswith("480 rejected with 1003 (other reasons): K20, ")
    assert len(lines) == 21


def test_a_reject_without_a_reason_is_counted_as_such():
    causes = RejectCauses()
    causes.add("K", [])
    assert list(causes.lines()) == ["1 rejected with no code (no reason was given): K"]
