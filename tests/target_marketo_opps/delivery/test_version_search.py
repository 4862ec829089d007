"""Test merged bodies, and the search for bad versions in a merged record."""

from __future__ import annotations

import math
import random

import pytest

from marketo_opps import MarketoObject, Reason, decode_record, encode_record
from target_marketo_opps.delivery.batches import BatchTarget, Operation, OutboundRecord
from target_marketo_opps.delivery.outcomes import CREATED, UPDATED, Outcome, RecordOutcome
from target_marketo_opps.delivery.version_search import VersionSearch
from target_marketo_opps.delivery.versions import MergedBody, merged_body

BAD = RecordOutcome(Outcome.REJECTED, (Reason("1003", "Bad"),), "r")


def merged_record(count):
    target = BatchTarget(MarketoObject.OPPORTUNITIES, Operation.SYNC, ("k",), merges=True)
    versions = [
        OutboundRecord("s", target, "k", ("k",), encode_record({"k": "K", f"f{n}": n}), "s", b"{}")
        for n in range(count)
    ]
    for version in versions[1:]:
        assert versions[0].merge(version, most_bytes=1_000_000)
    return versions[0]


def search(record, bad):
    """Answer a search as Marketo would; return what was accepted in order, and the calls made."""
    under_way, accepted, calls = VersionSearch(record), [], 0
    while under_way.is_under_way:
        part = decode_record(under_way.part().body)
        covered = [number for name, number in part.items() if name != "k"]
        calls += 1
        outcome = BAD if bad.intersection(covered) else CREATED if not accepted else UPDATED
        if outcome is not BAD:
            accepted += covered
        under_way.answer(outcome)
    return under_way.outcomes, accepted, calls


def test_merged_body_has_the_last_value_of_each_field():
    bodies = [b'{"k":1,"a":1.50,"b":"x"}', b'{"k":1,"a":2.500}', b'{"k":1,"c":null}']
    assert merged_body(bodies) == b'{"k":1,"a":2.500,"b":"x","c":null}'


@pytest.mark.parametrize("seed", range(20))
def test_the_size_of_a_merged_body_is_known_without_encoding_it(seed):
    chance = random.Random(seed)
    merged, bodies = MergedBody(b'{"k":1}', ("k",)), [b'{"k":1}']
    for _ in range(30):
        name = chance.choice(["a", "b", 'quo"te', "ü"])
        bodies.append(encode_record({"k": 1, name: "x" * chance.randint(0, 9)}))
        assert merged.add(bodies[-1], most_bytes=1000)
        assert merged.size_bytes == len(merged.encoded()) == len(merged_body(bodies))


def test_a_version_that_makes_the_body_too_long_is_not_added():
    merged = MergedBody(b'{"k":1}', ("k",))
    assert not merged.add(b'{"k":1,"a":2}', most_bytes=5)
    assert merged.add(b'{"k":1,"a":2}', most_bytes=6)


def test_a_version_whose_key_is_spelled_otherwise_is_not_added():
    assert not MergedBody(b'{"k":"A"}', ("k",)).add(b'{"k":"a"}', most_bytes=99)


@pytest.mark.parametrize("count", [2, 3, 7, 100])
def test_bad_version_is_found_and_others_delivered_in_order(count):
    for bad in range(count):
        outcomes, accepted, calls = search(merged_record(count), {bad})
        assert [number for number, each in enumerate(outcomes) if each.is_rejected] == [bad]
        assert accepted == [number for number in range(count) if number != bad]
        assert calls <= 2 * math.ceil(math.log2(count))


def test_one_bad_version_of_10000_costs_at_most_thirty_calls():
    for bad in (0, 1, 4_999, 5_000, 9_999):
        outcomes, _, calls = search(merged_record(10_000), {bad})
        assert sum(each.is_rejected for each in outcomes) == 1
        assert calls <= 30


@pytest.mark.parametrize(
    ("count", "sent"), [(4, [[0, 1], [2], [3]]), (6, [[0, 1, 2], [3], [4], [5]])]
)
def test_half_is_not_sent_if_the_other_half_passed(count, sent):
    under_way, parts = VersionSearch(merged_record(count)), []
    while under_way.is_under_way:
        part = under_way.part()
        assert (list(part.all_versions), part.merged) == ([part], None)
        parts.append(
            [value for name, value in decode_record(part.sent_body).items() if name != "k"]
        )
        under_way.answer(BAD if count - 1 in parts[-1] else UPDATED)
    assert parts == sent


def test_any_bad_versions_are_found():
    for seed in range(50):
        chance = random.Random(seed)
        count = chance.randint(2, 30)
        bad = set(chance.sample(range(count), chance.randint(1, count)))
        outcomes, _, _ = search(merged_record(count), bad)
        assert {number for number, each in enumerate(outcomes) if each.is_rejected} == bad


def test_the_first_version_accepted_is_created_and_the_others_updated():
    outcomes, _, _ = search(merged_record(8), {0, 5})
    kinds = [each.kind.value for each in outcomes]
    assert kinds == ["rejected", "created", *["updated"] * 3, "rejected", "updated", "updated"]


def test_a_search_without_an_answer_leaves_the_rest_unknown():
    under_way = VersionSearch(merged_record(4))
    under_way.answer(CREATED)
    under_way.answer(None)
    kinds = [each and each.kind for each in under_way.outcomes]
    assert kinds == [Outcome.CREATED, Outcome.UPDATED, None, None]
    assert not under_way.is_under_way
