"""Test refused calls, lost responses, deletes and unchanged records."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from marketo_opps.errors import UnexpectedResponseError
from marketo_opps.wire import decode_response
from tests.target_marketo_opps.helpers import calls, stored, syncs

pytestmark = pytest.mark.slow


class TestRefusedCalls:
    @pytest.fixture
    def sandbox(self, marketo_sandbox_factory):
        return marketo_sandbox_factory(sales_persons=frozenset({"good"}))

    def messages(self, singer, people):
        yield singer.schema(properties=("externalOpportunityId", "name", "externalSalesPersonId"))
        for n, person in enumerate(people):
            yield singer.opportunity(f"K{n}", externalSalesPersonId=person)
        yield singer.state("end")

    def test_one_bad_record_does_not_take_its_batch_with_it(self, sandbox, singer):
        people = ["good"] * 150 + ["bad"] + ["good"] * 149
        run = singer.run(sandbox, self.messages(singer, people), max_rejects=1).succeeded()
        assert len(stored(sandbox)) == 299
        assert run.states == ["end"]
        assert len(syncs(sandbox)) == 2
        assert any("1 rejected with 718" in line and line.endswith("K150") for line in run.log)

    def test_a_refused_sales_person_is_remembered_for_the_run(self, sandbox, singer):
        people = (["good"] * 299 + ["bad"]) * 3
        run = singer.run(
            sandbox, self.messages(singer, people), max_rejects=-1, max_concurrent_calls=1
        ).succeeded()
        assert "3 rejected" in run.closing
        assert len(syncs(sandbox)) == 2 + 2

    def test_bad_record_is_named_if_no_reject_is_allowed(
        self,
        sandbox,
        singer,
    ):
        people = ["good"] * 299 + ["bad"]
        run = singer.run(sandbox, self.messages(singer, people))
        assert "718" in str(run.error)
        assert run.states == []
        assert any(line.endswith("K299") for line in run.log)

    def test_ten_unknown_sales_persons_do_not_stop_the_others(self, sandbox, singer):
        people = [f"bad{n % 120}" if n % 120 < 10 else "good" for n in range(300)]
        run = singer.run(sandbox, self.messages(singer, people), max_rejects=-1).succeeded()
        assert len(stored(sandbox)) == 300 - 30
        assert run.states == ["end"]
        assert "30 rejected" in run.closing

    @pytest.mark.parametrize("bad", [(0, 1, 299), (0, 1, 2, 3), (7,), range(0, 300, 7)])
    def test_bad_records_at_any_position_do_not_stop_others(self, sandbox, singer, tmp_path, bad):
        path = tmp_path / "rejects.jsonl"
        people = [f"bad{n}" if n in bad else "good" for n in range(300)]
        run = singer.run(
            sandbox, self.messages(singer, people), max_rejects=len(bad), rejects_path=str(path)
        ).succeeded()
        assert stored(sandbox).keys() == {f"K{n}" for n in range(300) if n not in bad}
        rejects = [json.loads(line) for line in path.read_text().splitlines()]
        kept = sorted(one["record"]["externalOpportunityId"] for one in rejects)
        assert kept == sorted(f"K{n}" for n in bad)
        assert run.states == ["end"]

    def test_batch_of_only_bad_records_costs_few_calls(self, sandbox, singer):
        people = [f"bad{n}" for n in range(300)]
        run = singer.run(sandbox, self.messages(singer, people), max_rejects=-1)
        assert "718" in str(run.error)
        assert len(syncs(sandbox)) <= 15
        assert run.states == []


class TestLostAnswers:
    def run(self, sandbox, singer, fault, **options):
        sandbox.fault(fault, operation="sync opportunity", times=1, **options)
        messages = [singer.schema(), singer.opportunity("old"), *map(singer.opportunity, "abc")]
        return singer.run(sandbox, [*messages, singer.state(1)], action="createOnly", max_rejects=9)

    @pytest.mark.parametrize(
        ("fault", "options"),
        [("cut_after_write", {}), ("611", {"after": True}), ("http_502", {"after": True})],
    )
    def test_create_only_recognizes_its_own_records(
        self,
        marketo_sandbox,
        singer,
        fault,
        options,
    ):
        marketo_sandbox.set_clock(datetime(2026, 1, 1, tzinfo=UTC))
        singer.run(marketo_sandbox, [singer.schema(), singer.opportunity("old")]).succeeded()
        marketo_sandbox.advance(3600)
        run = self.run(marketo_sandbox, singer, fault, **options).succeeded()
        assert "3 created" in run.closing
        assert "1 rejected" in run.closing
        assert run.states == [1]
        assert any(
            "after lost responses: 3 created by this run, 1 created before it" in line
            for line in run.log
        )
        assert len(calls(marketo_sandbox, "query opportunity")) == 1

    def test_other_record_created_in_the_same_second_is_a_reject(self, marketo_sandbox, singer):
        marketo_sandbox.set_clock(datetime(2026, 1, 1, tzinfo=UTC), frozen=True)
        # The first attempt of the second call is refused before Marketo writes anything.
        marketo_sandbox.fault("604", operation="sync opportunity", times=1, skip=1)
        records = [singer.opportunity("a", amount=1), singer.opportunity("a", amount=2)]
        run = singer.run(
            marketo_sandbox, [singer.schema(), *records], action="createOnly", max_rejects=9
        ).succeeded()
        assert "1 created" in run.closing
        assert "1 rejected" in run.closing

    @pytest.mark.parametrize("refusal", ["413", "1003", "1005"])
    def test_lost_creation_is_recognized_after_a_bisection(self, marketo_sandbox, singer, refusal):
        marketo_sandbox.fault(refusal, operation="sync opportunity", times=1, skip=1)
        run = self.run(marketo_sandbox, singer, "cut_after_write").succeeded()
        assert "4 created" in run.closing
        assert "0 rejected" in run.closing
        assert run.states == [1]

    def test_lost_creation_is_recognized_in_a_refused_call(self, marketo_sandbox, singer):
        marketo_sandbox.fault("1005", operation="sync opportunity", times=1, skip=1)
        marketo_sandbox.fault("cut_after_write", operation="sync opportunity", times=1)
        messages = [singer.schema(), singer.opportunity("a")]
        run = singer.run(marketo_sandbox, messages, action="createOnly").succeeded()
        assert "1 created" in run.closing
        assert len(syncs(marketo_sandbox)) == 2

    def test_key_that_cannot_be_looked_up_stays_unresolved(self, marketo_sandbox, singer):
        marketo_sandbox.fault("cut_after_write", operation="sync opportunity", times=1)
        records = [singer.opportunity("a,b"), singer.opportunity("c")]
        run = singer.run(
            marketo_sandbox, [singer.schema(), *records], action="createOnly", max_rejects=9
        ).succeeded()
        assert "1 created" in run.closing
        assert (
            "Records that 'already exist' after lost responses: 1 created by this run, "
            "0 created before it, 1 unknown."
        ) in run.log

    def test_no_lookup_follows_a_received_response(self, marketo_sandbox, singer):
        singer.run(marketo_sandbox, [singer.schema(), singer.opportunity("old")]).succeeded()
        run = self.run(marketo_sandbox, singer, "615").succeeded()
        assert "3 created" in run.closing
        assert "1 rejected" in run.closing
        assert calls(marketo_sandbox, "query opportunity") == []

    def test_a_repeated_upsert_does_no_harm(self, marketo_sandbox, singer):
        marketo_sandbox.fault("cut_after_write", operation="sync opportunity", times=1)
        singer.run(marketo_sandbox, [singer.schema(), singer.opportunity("a")]).succeeded()
        assert set(stored(marketo_sandbox)) == {"a"}


class TestOddAnswers:
    @pytest.fixture
    def answer(self, monkeypatch):
        """Return a function that changes items of the sandbox's responses that have a member."""

        def change(member, **members):
            def decode(body):
                answered = decode_response(body)
                for item in answered.get("result") or []:
                    if member in item:
                        item.update(members)
                return answered

            monkeypatch.setattr("marketo_opps.envelope.decode_response", decode)

        return change

    def run(self, sandbox, singer, **settings):
        messages = [singer.schema(), singer.opportunity("a"), singer.state(1)]
        return singer.run(sandbox, messages, **settings)

    @pytest.mark.parametrize("members", [{"seq": None}, {"seq": "0"}, {"marketoGUID": 5}])
    def test_unusual_but_clear_outcomes_are_accepted(
        self, marketo_sandbox, singer, answer, members
    ):
        answer("status", **members)
        assert "1 created" in self.run(marketo_sandbox, singer).succeeded().closing

    @pytest.mark.parametrize(
        ("members", "what"),
        [
            ({"seq": "first"}, "do not match one to one"),
            ({"status": "queued"}, "Marketo answered with the unknown status 'queued' (requestId "),
            ({"status": None}, "Marketo answered with the unknown status 'None' (requestId "),
        ],
    )
    def test_an_unreadable_outcome_ends_the_run_with_one_sentence(
        self, marketo_sandbox, singer, answer, members, what
    ):
        answer("status", **members)
        run = self.run(marketo_sandbox, singer, max_rejects=-1)
        assert isinstance(run.error, UnexpectedResponseError)
        assert what in str(run.error)
        assert run.states == []

    @pytest.mark.parametrize("created_at", [None, 5, "yesterday"])
    def test_record_without_creation_date_is_not_its_own(
        self, marketo_sandbox, singer, answer, created_at
    ):
        answer("createdAt", createdAt=created_at)
        marketo_sandbox.fault("cut_after_write", operation="sync opportunity", times=1)
        run = self.run(marketo_sandbox, singer, action="createOnly", max_rejects=1).succeeded()
        assert "0 created" in run.closing
        assert "1 rejected" in run.closing


class TestDeletes:
    def deletion(self, singer, **key):
        return singer.record(**key, _sdc_deleted_at="2026-01-01T00:00:00Z")

    def test_missing_records_count_as_deleted_in_batches(self, marketo_sandbox, singer):
        marketo_sandbox.seed(350)
        ids = marketo_sandbox.instance.opportunity_ids(0, 350)
        messages = [
            singer.schema(),
            *(self.deletion(singer, externalOpportunityId=key) for key in [*ids, "gone"]),
            singer.state(1),
        ]
        run = singer.run(marketo_sandbox, messages, hard_delete=True).succeeded()
        assert "351 deleted" in run.closing
        assert run.states == [1]
        assert marketo_sandbox.instance.opportunities() == []
        sent = [len(call["keys"]) for call in calls(marketo_sandbox, "delete opportunity")]
        assert sorted(sent) == [51, 300]

    def test_deletes_are_left_alone_without_hard_delete(self, marketo_sandbox, singer):
        marketo_sandbox.seed(1)
        (key,) = marketo_sandbox.instance.opportunity_ids(0, 1)
        messages = [singer.schema(), self.deletion(singer, externalOpportunityId=key)]
        run = singer.run(marketo_sandbox, messages).succeeded()
        assert "1 left alone" in run.closing
        assert len(marketo_sandbox.instance.opportunities()) == 1

    def mapped(self, sandbox, singer, definition, **settings):
        given = {
            "externalOpportunityId": "id",
            "name": "title",
            "__key_properties__": ["externalOpportunityId"],
            "__else__": None,
        }
        name = "opportunities" if "__source__" in definition else "deals"
        messages = [
            singer.schema("deals", ("id", "title", "_sdc_deleted_at")),
            singer.record("deals", id="A", title="x", _sdc_deleted_at="2026-01-01T00:00:00Z"),
            singer.record("deals", id="B", title="x"),
        ]
        maps = {name: {**given, **definition}}
        if "__source__" in definition:
            maps["deals"] = None
        return singer.run(sandbox, messages, stream_maps=maps, **settings).succeeded()

    @pytest.mark.parametrize(
        "definition",
        [{"__alias__": "opportunities"}, {"__source__": "deals"}, {"__else__": "__NULL__"}],
    )
    @pytest.mark.parametrize("hard_delete", [True, False])
    def test_stream_map_with_else_keeps_the_delete_mark(
        self, marketo_sandbox, singer, definition, hard_delete
    ):
        run = self.mapped(marketo_sandbox, singer, definition, hard_delete=hard_delete)
        assert set(stored(marketo_sandbox)) == {"B"}
        assert ("1 deleted" if hard_delete else "1 left alone") in run.closing

    @pytest.mark.parametrize("mark", [None, "''"])
    def test_stream_map_may_change_the_delete_mark(self, marketo_sandbox, singer, mark):
        definition = {"__alias__": "opportunities", "_sdc_deleted_at": mark}
        self.mapped(marketo_sandbox, singer, definition, hard_delete=True)
        assert set(stored(marketo_sandbox)) == {"A", "B"}

    @pytest.mark.parametrize("order", ["upsert delete", "delete upsert", "upsert delete upsert"])
    def test_the_order_of_upserts_and_deletes_of_a_key_is_kept(
        self, marketo_sandbox, singer, order
    ):
        steps = {
            "upsert": singer.opportunity("a"),
            "delete": self.deletion(singer, externalOpportunityId="A"),
        }
        messages = [singer.schema(), *(steps[step] for step in order.split())]
        singer.run(marketo_sandbox, messages, hard_delete=True).succeeded()
        assert set(stored(marketo_sandbox)) == ({"a"} if order.endswith("upsert") else set())

    def test_deletes_by_id(self, marketo_sandbox, singer):
        marketo_sandbox.seed(2)
        guid = marketo_sandbox.instance.opportunities()[0]["marketoGUID"]
        messages = [
            singer.schema(properties=("marketoGUID",)),
            self.deletion(singer, marketoGUID=guid),
        ]
        run = singer.run(
            marketo_sandbox, messages, hard_delete=True, action="updateOnly", dedupe_by="idField"
        ).succeeded()
        assert "1 deleted" in run.closing
        assert guid not in {one["marketoGUID"] for one in marketo_sandbox.instance.opportunities()}

    def test_deletes_of_roles_by_their_compound_key(self, marketo_sandbox, singer):
        marketo_sandbox.seed(20, leads=10, roles=True)
        role = marketo_sandbox.instance.roles()[0]
        key = {name: role[name] for name in ("externalOpportunityId", "leadId", "role")}
        messages = [
            singer.schema("opportunity_roles", tuple(key)),
            singer.record("opportunity_roles", **key, _sdc_deleted_at="2026-01-01T00:00:00Z"),
        ]
        run = singer.run(
            marketo_sandbox,
            messages,
            hard_delete=True,
            stream_objects={"opportunity_roles": "opportunity_roles"},
        ).succeeded()
        assert "1 deleted" in run.closing
        left = {one["marketoGUID"] for one in marketo_sandbox.instance.roles()}
        assert role["marketoGUID"] not in left


class TestSkipUnchanged:
    def test_only_records_that_differ_are_written(self, marketo_sandbox, singer):
        base = {
            "amount": "1234.50",
            "probability": 40,
            "closeDate": "2026-03-04",
            "externalCreatedDate": "2026-01-02T03:04:05.750+02:00",
            "isWon": "false",
            "description": "text",
            "nextStep": "",
        }
        names = ("externalOpportunityId", "name", *base)
        first = [singer.schema(properties=names)]
        first += [singer.opportunity(f"K{n}", **base) for n in range(400)]
        singer.run(marketo_sandbox, first).succeeded()
        before = stored(marketo_sandbox)
        marketo_sandbox.advance(3600)
        same = {
            "amount": 1234.5,
            "probability": "40",
            "closeDate": "2026-03-04T00:00:00Z",
            "externalCreatedDate": "2026-01-02T01:04:05Z",
            "isWon": False,
            "description": "text  ",
            "nextStep": None,
        }
        changed = {7: {"amount": 1234.51}, 70: {"description": None}, 310: {"nextStep": "call"}}
        second = [singer.schema(properties=names)]
        second += [
            singer.opportunity(f"K{n}", **{**same, **changed.get(n, {})}) for n in range(400)
        ]
        second += [singer.opportunity("new"), singer.state("end")]
        run = singer.run(marketo_sandbox, second, skip_unchanged=True).succeeded()
        assert "1 created, 3 updated, 0 deleted, 397 unchanged" in run.closing
        assert run.states == ["end"]
        assert len(calls(marketo_sandbox, "query opportunity")) == 2
        after = stored(marketo_sandbox)
        touched = {key for key in before if after[key]["updatedAt"] != before[key]["updatedAt"]}
        assert touched == {"K7", "K70", "K310"}

    def test_all_pages_of_a_look_up_are_read(self, marketo_sandbox_factory, singer):
        sandbox = marketo_sandbox_factory(short_pages=1.0)
        messages = [singer.schema(), *(singer.opportunity(f"K{n}") for n in range(300))]
        singer.run(sandbox, messages).succeeded()
        run = singer.run(sandbox, messages, skip_unchanged=True).succeeded()
        assert "300 unchanged" in run.closing
        assert len(calls(sandbox, "query opportunity")) > 1

    def test_record_that_cannot_be_looked_up_is_written(self, marketo_sandbox, singer):
        messages = [singer.schema(), singer.opportunity("a,b"), singer.opportunity("c")]
        singer.run(marketo_sandbox, messages).succeeded()
        run = singer.run(marketo_sandbox, messages, skip_unchanged=True).succeeded()
        assert "1 updated, 0 deleted, 1 unchanged" in run.closing

    def test_roles_are_compared_too(self, marketo_sandbox, singer):
        marketo_sandbox.seed(20, leads=10, roles=True)
        fields = ("externalOpportunityId", "leadId", "role", "isPrimary")
        roles = [
            {name: one.get(name) for name in fields} for one in marketo_sandbox.instance.roles()
        ]
        roles[0]["isPrimary"] = not roles[0]["isPrimary"]
        messages = [singer.schema("opportunity_roles", fields)]
        messages += [singer.record("opportunity_roles", **one) for one in roles]
        run = singer.run(
            marketo_sandbox,
            messages,
            skip_unchanged=True,
            stream_objects={"opportunity_roles": "opportunity_roles"},
        ).succeeded()
        assert f"1 updated, 0 deleted, {len(roles) - 1} unchanged" in run.closing
