"""Test what is written to Marketo, and what is logged about it."""

from __future__ import annotations

import json
import re
import time

import pytest

from marketo_opps import MarketoObject
from target_marketo_opps.run import RunLimits
from tests.target_marketo_opps.helpers import stored, syncs


def many(singer, count, **values):
    return [singer.opportunity(f"K{n}", **values) for n in range(count)]


def test_records_are_upserted_in_full_batches_and_one_describe(marketo_sandbox, singer):
    messages = [singer.schema(), *many(singer, 650), singer.state({"at": 650})]
    run = singer.run(marketo_sandbox, messages).succeeded()
    assert len(stored(marketo_sandbox)) == 650
    assert sorted(len(call["keys"]) for call in syncs(marketo_sandbox)) == [50, 300, 300]
    operations = [call["operation"] for call in marketo_sandbox.journal()]
    assert operations.count("describe opportunity") == 1
    assert len(operations) == 5
    assert run.states == [{"at": 650}]


def test_last_log_line_has_the_outcomes_of_all_records(marketo_sandbox, singer):
    marketo_sandbox.seed(1)
    (old,) = marketo_sandbox.instance.opportunity_ids(0, 1)
    messages = [
        singer.schema(),
        singer.opportunity(old),
        singer.opportunity("new"),
        singer.record(externalOpportunityId="gone", _sdc_deleted_at="2026-01-01T00:00:00Z"),
        singer.record(name="keyless"),
    ]
    run = singer.run(marketo_sandbox, messages, max_rejects=1).succeeded()
    assert run.closing.startswith(
        "opportunities: 1 created, 1 updated, 0 deleted, 0 unchanged, 1 left alone, 1 rejected; "
        "2 calls, 0 retries, ",
    )


def test_an_empty_input_is_no_error_and_makes_no_call(marketo_sandbox, singer):
    run = singer.run(marketo_sandbox, b"").succeeded()
    assert marketo_sandbox.journal() == []
    assert run.states == []


def test_states_are_written_during_the_run(marketo_sandbox, singer):
    messages = [singer.schema()]
    for page in range(4):
        messages += (
            many(singer, 0)
            + [singer.opportunity(f"P{page}-{n}") for n in range(300)]
            + [singer.state({"page": page})]
        )
    run = singer.run(marketo_sandbox, messages).succeeded()
    assert run.states == [{"page": page} for page in range(4)]


def test_a_later_record_of_a_key_wins_field_by_field(marketo_sandbox, singer):
    messages = [
        singer.schema(),
        singer.opportunity("a", amount=1, stage="first"),
        singer.record(externalOpportunityId="A ", amount=2),
        singer.record(externalOpportunityId="a", description="last"),
    ]
    run = singer.run(marketo_sandbox, messages).succeeded()
    (one,) = marketo_sandbox.instance.opportunities()
    assert (float(one["amount"]), one["stage"], one["description"]) == (2, "first", "last")
    assert "1 created, 2 updated" in run.closing


def test_keys_are_sent_as_given(marketo_sandbox, singer):
    messages = [singer.schema(), singer.opportunity("OPP-1  ")]
    singer.run(marketo_sandbox, messages).succeeded()
    assert syncs(marketo_sandbox)[0]["keys"] == ["OPP-1  "]


def test_schema_change_neither_flushes_nor_reorders(
    marketo_sandbox,
    singer,
):
    messages = [
        singer.schema(),
        singer.opportunity("a", amount=1),
        singer.schema(properties=("externalOpportunityId", "amount", "stage")),
        singer.opportunity("b", stage="x"),
        singer.record(externalOpportunityId="a", amount=2),
        singer.schema(),
        singer.opportunity("c"),
    ]
    singer.run(marketo_sandbox, messages).succeeded()
    assert float(stored(marketo_sandbox)["a"]["amount"]) == 2
    assert [len(call["keys"]) for call in syncs(marketo_sandbox)] == [3]


def test_alternating_schemas_are_logged_once(marketo_sandbox, singer):
    forms = [
        singer.schema(properties=("externalOpportunityId", "name", "amount", "foo")),
        singer.schema(properties=("externalOpportunityId", "name", "stage", "bar")),
    ]
    messages = []
    for number in range(200):
        values = {"amount": number} if number % 2 else {"stage": f"S{number}"}
        messages += [forms[number % 2], singer.opportunity(f"K{number}", **values)]
    run = singer.run(marketo_sandbox, messages).succeeded()
    assert "200 created" in run.closing
    assert stored(marketo_sandbox)["K7"]["amount"] is not None
    assert stored(marketo_sandbox)["K8"]["stage"] == "S8"
    assert len(run.log) < 20
    assert sum("foo" in line for line in run.log) == sum("bar" in line for line in run.log) == 1


def test_more_schemas_than_are_kept_are_mapped_correctly(marketo_sandbox, singer):
    messages = []
    for turn in range(2):
        for number in range(120):
            names = ("externalOpportunityId", "name", f"x{number}")
            messages += [singer.schema(properties=names), singer.opportunity(f"K{number}-{turn}")]
    run = singer.run(marketo_sandbox, messages).succeeded()
    assert "240 created" in run.closing


def test_streams_with_one_alias_are_each_mapped_by_their_own_schema(marketo_sandbox, singer):
    aliased = {"__alias__": "opportunities"}
    messages = [
        singer.schema("deals", ("external_opportunity_id", "name", "AMOUNT")),
        singer.schema("tenders", ("ExternalOpportunityId", "NAME", "amount")),
    ]
    for number in range(4):
        deal = {"external_opportunity_id": f"D{number}", "name": "d", "AMOUNT": 1}
        tender = {"ExternalOpportunityId": f"T{number}", "NAME": "t", "amount": 2}
        messages += [singer.record("deals", **deal), singer.record("tenders", **tender)]
    maps = {"deals": aliased, "tenders": aliased}
    run = singer.run(marketo_sandbox, messages, stream_maps=maps, unknown_fields="fail")
    assert run.succeeded().closing.startswith("opportunities: 8 created")
    named = {
        key: (one["name"], float(one["amount"])) for key, one in stored(marketo_sandbox).items()
    }
    assert named == {
        f"{kind}{n}": (kind.lower(), value)
        for kind, value in (("D", 1), ("T", 2))
        for n in range(4)
    }
    assert len(syncs(marketo_sandbox)) == 1


def test_new_property_in_each_record_takes_constant_time(marketo_sandbox, singer):
    messages = [singer.schema()]
    messages += [singer.opportunity(f"K{n}", **{f"unknown_{n}": 1}) for n in range(5_000)]
    began = time.process_time()
    run = singer.run(marketo_sandbox, messages, unknown_fields="fail", max_rejects=-1).succeeded()
    # Comparing each record with all earlier names would take 12.5 million comparisons.
    assert time.process_time() - began < 2.5
    assert "5,000 rejected" in run.closing


def test_two_streams_of_one_object_share_batches(marketo_sandbox, singer):
    messages = [
        singer.schema("deals"),
        singer.schema("tenders"),
        *(
            singer.record(("deals", "tenders")[n % 2], externalOpportunityId=f"K{n}", name="x")
            for n in range(10)
        ),
    ]
    run = singer.run(marketo_sandbox, messages).succeeded()
    assert len(syncs(marketo_sandbox)) == 1
    assert "deals: 5 created" in run.closing
    assert "tenders: 5 created" in run.closing


def test_skipped_record_fails_the_run_before_later_states(
    marketo_sandbox,
    singer,
):
    messages = [
        singer.schema(),
        *many(singer, 300),
        singer.state("before"),
        *(singer.opportunity(f"L{n}") for n in range(299)),
        singer.record(externalOpportunityId="nameless", amount=1),
        singer.state("after"),
        *(singer.opportunity(f"M{n}") for n in range(300)),
        singer.state("much later"),
    ]
    run = singer.run(marketo_sandbox, messages)
    assert run.states == ["before"]
    request_id = next(
        call["request_id"] for call in syncs(marketo_sandbox) if call["statuses"].get("skipped")
    )
    assert request_id in str(run.error)
    code = next(iter(next(call for call in syncs(marketo_sandbox) if call["reasons"])["reasons"]))
    assert code in str(run.error)
    assert any(
        line.startswith(f"1 rejected with {code}") and "nameless" in line for line in run.log
    )


def test_run_succeeds_with_rejects_within_max_rejects(marketo_sandbox, singer, tmp_path):
    path = tmp_path / "rejects.jsonl"
    messages = [
        singer.schema(),
        singer.record(externalOpportunityId="nameless", amount=1, _sdc_batched_at="x"),
        singer.opportunity("fine"),
        singer.record(externalOpportunityId="b", name=None),
        singer.state("end"),
    ]
    run = singer.run(marketo_sandbox, messages, max_rejects=2, rejects_path=str(path)).succeeded()
    assert run.states == ["end"]
    assert set(stored(marketo_sandbox)) == {"fine"}
    rejects = [json.loads(line) for line in path.read_text().splitlines()]
    by_key = {reject["record"]["externalOpportunityId"]: reject for reject in rejects}
    assert by_key["nameless"]["record"] == messages[1]["record"]
    assert by_key["nameless"]["request_id"] == syncs(marketo_sandbox)[0]["request_id"]
    assert by_key["b"] == {
        "stream": "opportunities",
        "object": "opportunities",
        "record": {"externalOpportunityId": "b", "name": None},
        "reasons": [{"code": "1002", "message": "Missing value for required field 'name'"}],
        "request_id": None,
    }


def test_at_most_five_keys_of_a_code_are_named(marketo_sandbox, singer):
    messages = [
        singer.schema(),
        *(singer.record(externalOpportunityId=f"K{n}", name="") for n in range(7)),
    ]
    run = singer.run(marketo_sandbox, messages, max_rejects=-1).succeeded()
    (line,) = (line for line in run.log if line.startswith("7 rejected with 1002"))
    assert line.endswith("K0, K1, K2, K3, K4, ...")


@pytest.mark.parametrize("values", [{"amount": "?"}, {}], ids=["here", "by Marketo"])
@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("x\nERROR \x1b[31mfake\u2028", "x?ERROR ?[31mfake?"),
        ("ü" * 40 + "\t", "ü" * 40 + "?"),
    ],
)
def test_a_key_is_logged_on_one_line(marketo_sandbox, singer, key, shown, values):
    messages = [singer.schema(), singer.record(externalOpportunityId=key, **values)]
    run = singer.run(marketo_sandbox, messages, max_rejects=-1).succeeded()
    assert any(line.endswith(f": {shown}") for line in run.log)
    assert not any("\n" in line for line in run.log)


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ({"email": "jane@example.com"}, "(an object)"),
        (["jane@example.com"], "(a list)"),
        ("x" * 5000, "x" * 97 + "..."),
    ],
)
def test_logged_key_is_shortened_and_quotes_no_objects(marketo_sandbox, singer, key, shown):
    messages = [singer.schema(), singer.opportunity(key)]
    run = singer.run(marketo_sandbox, messages, max_rejects=-1).succeeded()
    assert any(line.endswith(f": {shown}") for line in run.log)
    assert "jane" not in " ".join(run.log)


def test_record_rejected_by_the_target_costs_no_call(marketo_sandbox, singer):
    messages = [singer.schema(), singer.opportunity("a", amount="much")]
    run = singer.run(marketo_sandbox, messages)
    assert "1001" in str(run.error)
    assert syncs(marketo_sandbox) == []


def test_records_before_a_rejected_one_are_delivered(
    marketo_sandbox,
    singer,
):
    messages = [
        singer.schema(),
        singer.opportunity("a"),
        singer.state(1),
        singer.opportunity("b", name=""),
    ]
    run = singer.run(marketo_sandbox, [*messages, singer.state(2)])
    assert run.error is not None
    assert run.states == [1]
    assert set(stored(marketo_sandbox)) == {"a"}


def test_error_that_affects_all_calls_ends_the_run_at_once(marketo_sandbox, singer):
    marketo_sandbox.fault("603", method="POST", path="/rest/v1/opportunities.json")
    messages = [singer.schema(), *many(singer, 3000), singer.state("end")]
    run = singer.run(marketo_sandbox, messages, max_concurrent_calls=2)
    assert "603" in str(run.error)
    assert "Read-Write Opportunity" in str(run.error)
    assert run.states == []
    assert len(syncs(marketo_sandbox)) <= 2
    counted = re.search(r"; ([0-9,]+) not delivered; ", run.closing)
    assert counted
    assert 300 < int(counted[1].replace(",", "")) <= 3000


@pytest.mark.parametrize("crm_sync", ["read-only"])
def test_an_instance_with_crm_sync_ends_the_run_at_once(marketo_sandbox_factory, singer, crm_sync):
    sandbox = marketo_sandbox_factory(crm_sync=crm_sync)
    run = singer.run(
        sandbox, [singer.schema(), *many(singer, 900)], max_concurrent_calls=1, max_rejects=-1
    )
    assert "1018" in str(run.error)
    assert "CRM" in str(run.error)
    assert len(syncs(sandbox)) == 1


def test_failed_call_holds_its_state_but_not_earlier_ones(
    marketo_sandbox_factory,
    singer,
):
    sandbox = marketo_sandbox_factory(latency_ms=600)
    sandbox.fault("610", operation="sync opportunity", skip=2, times=1)
    messages = [singer.schema()]
    for page in range(5):
        messages += [singer.opportunity(f"P{page}-{n}") for n in range(300)] + [singer.state(page)]
    run = singer.run(sandbox, messages)
    assert "610" in str(run.error)
    pages = {key.split("-")[0] for key in stored(sandbox)}
    for page in run.states:
        assert {f"P{n}" for n in range(page + 1)} <= pages
    assert len(pages) == 4
    missing = min({f"P{n}" for n in range(5)} - pages)
    assert run.states == list(range(int(missing[1])))


def test_update_only_by_id_sends_the_guid_and_not_the_dedupe_key(marketo_sandbox, singer):
    marketo_sandbox.seed(2)
    ids = {one["marketoGUID"]: one for one in marketo_sandbox.instance.opportunities()}
    messages = [
        singer.schema(properties=("marketoGUID", "externalOpportunityId", "name")),
        *(
            singer.record(marketoGUID=guid, externalOpportunityId="other", name=f"N{guid}")
            for guid in ids
        ),
    ]
    run = singer.run(
        marketo_sandbox, messages, action="updateOnly", dedupe_by="idField"
    ).succeeded()
    assert "2 updated" in run.closing
    for one in marketo_sandbox.instance.opportunities():
        assert one["name"] == f"N{one['marketoGUID']}"
        assert one["externalOpportunityId"] == ids[one["marketoGUID"]]["externalOpportunityId"]


def test_guid_may_end_in_a_blank(marketo_sandbox, singer):
    marketo_sandbox.seed(2)
    first, second = (one["marketoGUID"] for one in marketo_sandbox.instance.opportunities())
    messages = [
        singer.schema(properties=("marketoGUID", "name", "_sdc_deleted_at")),
        singer.record(marketoGUID=f"{first} ", name="new"),
        singer.record(marketoGUID=f"{second} ", _sdc_deleted_at="2026-01-01T00:00:00Z"),
    ]
    run = singer.run(
        marketo_sandbox, messages, action="updateOnly", dedupe_by="idField", hard_delete=True
    ).succeeded()
    assert "1 updated, 1 deleted" in run.closing
    assert [one["name"] for one in marketo_sandbox.instance.opportunities()] == ["new"]


def test_each_cause_of_a_code_has_its_own_log_line(marketo_sandbox, singer):
    messages = [
        singer.schema(),
        singer.opportunity(None),
        singer.opportunity(""),
        singer.opportunity("a", amount="x"),
        singer.opportunity("b", name=""),
    ]
    run = singer.run(marketo_sandbox, messages, max_rejects=-1).succeeded()
    key, name = "key field 'externalOpportunityId'", "required field 'name'"
    assert f"2 rejected with 1002 (Missing value for {key}): (none), (none)" in run.log
    assert f"1 rejected with 1002 (Missing value for {name}): b" in run.log
    assert "1 rejected with 1001 (Field 'amount' is not a number): a" in run.log


def test_dedupe_by_is_sent_with_update_only_alone(marketo_sandbox, singer):
    for action in ("createOrUpdate", "updateOnly"):
        singer.run(
            marketo_sandbox, [singer.schema(), singer.opportunity("a")], action=action
        ).succeeded()
    first, second = syncs(marketo_sandbox)
    assert "dedupeBy" not in first["parameters"]
    assert second["parameters"]["dedupeBy"] == "dedupeFields"


@pytest.mark.parametrize("rejects", [0, 1])
def test_roles_are_not_written_unless_asked_for(marketo_sandbox, singer, rejects):
    schema = singer.schema("opportunity_roles", ("externalOpportunityId", "leadId", "role"))
    role = singer.record("opportunity_roles", externalOpportunityId="a", leadId=1, role="x")
    run = singer.run(
        marketo_sandbox, [schema, role, singer.state(1)], max_rejects=rejects
    ).succeeded()
    assert run.states == [1]
    assert marketo_sandbox.journal() == []
    assert sum("the same lead id is a different person" in line for line in run.log) == 1


def test_roles_follow_their_opportunities(marketo_sandbox, singer):
    marketo_sandbox.instance.add_leads([1, 2])
    messages = [
        singer.schema(),
        singer.schema("opportunity_roles", ("externalOpportunityId", "leadId", "role")),
    ]
    for n in range(50):
        messages.append(singer.opportunity(f"K{n}"))
        messages += [
            singer.record(
                "opportunity_roles", externalOpportunityId=f"K{n}", leadId=lead, role="Buyer"
            )
            for lead in (1, "2")
        ]
    run = singer.run(
        marketo_sandbox,
        messages,
        stream_objects={"opportunity_roles": "opportunity_roles"},
    ).succeeded()
    assert len(marketo_sandbox.instance.roles()) == 100
    assert "opportunity_roles: 100 created" in run.closing
    writes = [
        c["operation"] for c in marketo_sandbox.journal() if c["operation"].startswith("sync")
    ]
    assert writes == ["sync opportunity", "sync role"]


def test_activate_version_is_accepted_and_explained_once(marketo_sandbox, singer):
    version = {"type": "ACTIVATE_VERSION", "stream": "opportunities", "version": 1}
    run = singer.run(marketo_sandbox, [singer.schema(), version, version]).succeeded()
    assert sum("ACTIVATE_VERSION" in line for line in run.log) == 1


def test_a_batch_message_goes_through_the_same_checks(marketo_sandbox, singer, tmp_path):
    path = tmp_path / "batch.jsonl"
    lines = [{"externalOpportunityId": f"K{n}", "name": "x", "amount": "1.5"} for n in range(5)]
    lines.append({"externalOpportunityId": "bad", "name": None})
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    batch = {
        "type": "BATCH",
        "stream": "opportunities",
        "encoding": {"format": "jsonl"},
        "manifest": [path.as_uri()],
    }
    run = singer.run(marketo_sandbox, [singer.schema(), batch], max_rejects=1).succeeded()
    assert "5 created" in run.closing
    assert "1 rejected" in run.closing


def test_stream_maps_rename_filter_and_exclude(marketo_sandbox, singer):
    messages = [
        singer.schema("crm_deals", ("id", "title", "amount")),
        singer.record("crm_deals", id=1, title="One", amount=10.5),
        singer.record("crm_deals", id=2, title="Two", amount=1),
        singer.schema("people", ("id",)),
        singer.record("people", id=7),
    ]
    maps = {
        "crm_deals": {
            "__alias__": "opportunities",
            "__filter__": "amount > 5",
            "externalOpportunityId": "'D' + str(id)",
            "name": "title",
            "closeDate": "datetime.date(2026, 1, 2)",
            "__key_properties__": ["externalOpportunityId"],
        },
        "people": None,
    }
    run = singer.run(marketo_sandbox, messages, stream_maps=maps).succeeded()
    (one,) = marketo_sandbox.instance.opportunities()
    assert (one["externalOpportunityId"], one["name"], one["closeDate"]) == (
        "D1",
        "One",
        "2026-01-02",
    )
    assert float(one["amount"]) == 10.5
    assert run.closing.startswith("opportunities: 1 created")


@pytest.mark.parametrize("stream", ["opportunity_fields", "opportunity_activities"])
def test_streams_about_marketo_are_ignored_with_one_line(marketo_sandbox, singer, stream):
    messages = [singer.schema(stream, ("name",)), singer.record(stream, name="x"), singer.state(1)]
    run = singer.run(marketo_sandbox, messages).succeeded()
    assert sum(f"'{stream}' is ignored" in line for line in run.log) == 1
    assert run.states == [1]
    assert marketo_sandbox.journal() == []


def test_any_other_stream_ends_the_run_at_its_schema(marketo_sandbox, singer):
    run = singer.run(
        marketo_sandbox, [singer.schema("leads", ("email",)), singer.record("leads", email="x")]
    )
    assert "stream_objects" in str(run.error)
    assert "'leads'" in str(run.error)


def test_stream_with_the_key_property_is_opportunities(marketo_sandbox, singer):
    messages = [
        singer.schema("deals", ("external_opportunity_id", "NAME")),
        singer.record("deals", external_opportunity_id="a", NAME="x"),
    ]
    singer.run(marketo_sandbox, messages).succeeded()
    assert stored(marketo_sandbox)["a"]["name"] == "x"


def test_a_stream_can_be_ignored_by_name(marketo_sandbox, singer):
    messages = [
        singer.schema("leads", ("email",)),
        singer.record("leads", email="x"),
        singer.state(1),
    ]
    run = singer.run(marketo_sandbox, messages, stream_objects={"leads": "ignore"}).succeeded()
    assert run.states == [1]
    assert MarketoObject.OPPORTUNITIES.value not in run.closing


def test_after_a_failure_no_other_call_is_retried(marketo_sandbox, singer):
    marketo_sandbox.fault("610", operation="sync opportunity", times=1, skip=1)
    marketo_sandbox.fault("611", operation="sync opportunity")
    began = time.monotonic()
    run = singer.run(marketo_sandbox, [singer.schema(), *many(singer, 600)], max_concurrent_calls=2)
    assert "610" in str(run.error)
    assert time.monotonic() - began < 20


def test_progress_counts_what_was_read(marketo_sandbox, singer):
    options = {"limits": RunLimits(progress_seconds=0.0)}
    messages = [singer.schema(), *many(singer, 300)]
    run = singer.run(marketo_sandbox, messages, options).succeeded()
    assert any("of 300 records settled, " in line for line in run.log)
