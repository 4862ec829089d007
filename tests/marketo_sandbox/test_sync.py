"""Syncs of opportunities: actions, keys and values."""

from __future__ import annotations

import pytest

from tests.marketo_sandbox.helpers import codes, outcome


def deal(external_id="a", **fields):
    return {"externalOpportunityId": external_id, "name": "Chairs", **fields}


def stored(sandbox):
    (record,) = sandbox.instance.opportunities()
    return record


def test_records_are_created_and_then_updated(api, sandbox):
    first = api.sync([deal("a"), deal("b")])
    second = api.sync([deal("b", stage="Won"), deal("c")])
    assert outcome(first) == ["created", "created"]
    assert outcome(second) == ["updated", "created"]
    assert first["result"][1]["marketoGUID"] == second["result"][0]["marketoGUID"]
    assert [each.get("stage") for each in sandbox.instance.opportunities()] == [None, "Won", None]


def test_results_have_the_order_and_index_of_the_input(api):
    answer = api.sync([deal("a"), {"name": "no key"}, deal("b")])
    assert [each["seq"] for each in answer["result"]] == [0, 1, 2]
    assert outcome(answer) == ["created", "1002", "created"]
    assert "marketoGUID" not in answer["result"][1]


def test_only_the_fields_sent_change(api, sandbox):
    api.sync([deal(stage="New", amount="5")])
    api.sync([{"externalOpportunityId": "a", "stage": "Won"}])
    record = stored(sandbox)
    assert (record["name"], record["stage"], record["amount"]) == ("Chairs", "Won", "5")


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_and_the_empty_string_clear_a_field(api, sandbox, nothing):
    api.sync([deal(stage="New")])
    assert outcome(api.sync([deal(stage=nothing)])) == ["updated"]
    assert "stage" not in stored(sandbox)


@pytest.mark.parametrize("nothing", [None, ""])
def test_name_must_not_be_null(api, nothing):
    assert outcome(api.sync([deal(name=nothing)])) == ["1002"]
    api.sync([deal()])
    assert outcome(api.sync([deal(name=nothing)])) == ["1002"]


def test_name_is_required_on_insert_and_optional_on_update(api):
    nameless = {"externalOpportunityId": "a", "stage": "New"}
    assert outcome(api.sync([nameless])) == ["1002"]
    api.sync([deal()])
    assert outcome(api.sync([nameless])) == ["updated"]


def test_create_only_skips_what_exists(api, sandbox):
    api.sync([deal(stage="New")])
    answer = api.sync([deal(stage="Won"), deal("b")], action="createOnly")
    assert outcome(answer) == ["1005", "created"]
    assert sandbox.instance.opportunities()[0]["stage"] == "New"


def test_update_only_skips_what_does_not_exist(api, sandbox):
    assert outcome(api.sync([deal()], action="updateOnly")) == ["1004"]
    assert sandbox.instance.opportunities() == []


def test_update_only_by_guid_updates(api, sandbox):
    guid = api.sync([deal()])["result"][0]["marketoGUID"]
    records = [{"marketoGUID": f"{guid.upper()} ", "stage": "Won"}]
    assert outcome(api.sync(records, action="updateOnly", dedupeBy="idField")) == ["updated"]
    assert stored(sandbox)["stage"] == "Won"


def test_update_by_guid_inserts_nothing(api):
    unknown = [{"marketoGUID": "dff23271-f996-47d7-984f-f2676861b5fb", **deal()}]
    assert outcome(api.sync(unknown, action="updateOnly", dedupeBy="idField")) == ["1004"]
    assert outcome(api.sync([deal()], action="updateOnly", dedupeBy="idField")) == ["1002"]


def test_update_by_guid_cannot_change_the_external_id(api, sandbox):
    guid = api.sync([deal()])["result"][0]["marketoGUID"]
    by_id = {"action": "updateOnly", "dedupeBy": "idField"}
    same = {"marketoGUID": guid, "externalOpportunityId": "a", "stage": "Won"}
    assert outcome(api.sync([same], **by_id)) == ["updated"]
    other = {"marketoGUID": guid, "externalOpportunityId": "b", "stage": "Lost"}
    assert outcome(api.sync([other], **by_id)) == ["1011"]
    assert stored(sandbox)["stage"] == "Won"


@pytest.mark.parametrize("mode", ["dedupeFields", "idField"])
def test_dedupe_by_applies_only_to_update_only(api, sandbox, mode):
    assert outcome(api.sync([deal()], action="createOnly", dedupeBy=mode)) == ["created"]
    assert outcome(api.sync([deal()], action="createOnly", dedupeBy=mode)) == ["1005"]
    both = [deal(stage="Won"), deal("b")]
    answer = api.sync(both, action="createOrUpdate", dedupeBy=mode)
    assert outcome(answer) == ["updated", "created"]
    assert [each.get("stage") for each in sandbox.instance.opportunities()] == ["Won", None]
    by_mode = "1002" if mode == "idField" else "updated"
    assert outcome(api.sync([deal()], action="updateOnly", dedupeBy=mode)) == [by_mode]


def test_a_guid_is_no_key_without_update_only(api):
    guid = api.sync([deal()])["result"][0]["marketoGUID"]
    for action in ("createOrUpdate", "createOnly"):
        by_guid = {"action": action, "dedupeBy": "idField"}
        assert outcome(api.sync([{"marketoGUID": guid, "name": "n"}], **by_guid)) == ["1002"]
        assert outcome(api.sync([deal("b", marketoGUID=guid)], **by_guid)) == ["1011"]
    assert outcome(api.sync([deal(marketoGUID=guid)])) == ["1011"]


@pytest.mark.parametrize(
    "mode", [{"action": "upsert"}, {"action": ""}, {"dedupeBy": "externalOpportunityId"}]
)
def test_an_unknown_action_or_dedupe_mode_refuses_the_call(api, sandbox, mode):
    assert codes(api.sync([deal()], **mode)) == ["1003"]
    assert sandbox.instance.opportunities() == []


@pytest.mark.parametrize(
    ("records", "code"),
    [([], "701"), (None, "1002"), ({"a": 1}, "1003"), (["a"], "1003")],
)
def test_input_that_is_not_a_list_of_records_is_refused(api, records, code):
    assert codes(api.sync(records)) == [code]


def test_a_sync_of_more_than_300_records_is_1003(api, sandbox):
    records = [deal(f"a{number}") for number in range(301)]
    assert codes(api.sync(records)) == ["1003"]
    assert sandbox.instance.counts()["opportunities"] == 0
    assert set(outcome(api.sync(records[:300]))) == {"created"}


def test_a_repeated_key_in_a_sync_is_1036(api, sandbox):
    answer = api.sync([deal(stage="1"), deal("b"), deal(stage="2"), deal("A ", stage="3")])
    assert outcome(answer) == ["created", "created", "1036", "1036"]
    assert sandbox.instance.opportunities()[0]["stage"] == "1"


def test_a_key_keeps_its_first_spelling(api, sandbox):
    api.sync([deal("Acme 1 ")])
    assert outcome(api.sync([deal("ACME 1")])) == ["updated"]
    assert stored(sandbox)["externalOpportunityId"] == "Acme 1 "


def test_a_key_with_several_stored_records_is_1007(api, sandbox):
    sandbox.seed(3, duplicates=1)
    assert outcome(api.sync([deal("OPP-0000001"), deal("OPP-0000002")])) == ["1007", "updated"]


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("probability", "many", "1001"),
        ("probability", 1.5, "1001"),
        ("probability", True, "1001"),
        ("probability", 2**63, "1003"),
        ("amount", "1,604.47", "1001"),
        ("amount", "NaN", "1001"),
        ("amount", True, "1001"),
        ("amount", "1e39", "1003"),
        ("amount", {"value": 1}, "1001"),
        ("isWon", "yes", "1001"),
        ("isWon", 1, "1001"),
        ("closeDate", "05/07/2010", "1001"),
        ("closeDate", "2010-02-30", "1001"),
        ("closeDate", "2010-05-07T00:00:00Z", "1001"),
        ("externalCreatedDate", "yesterday", "1001"),
        ("externalCreatedDate", 1273190400, "1001"),
        ("stage", 5, "1001"),
        ("stage", ["a"], "1001"),
        ("notes", 5, "1001"),
        ("discountPercent", "12.5", "1001"),
        ("territory", 5, "1001"),
        ("stage", "x" * 256, "1003"),
        ("region", "ü" * 101, "1003"),
        ("notes", "é" * 15_001, "1003"),
        ("nonsense", "x", "1006"),
        ("seq", 0, "1006"),
        ("updatedAt", "2010-05-07T00:00:00Z", "1011"),
        ("marketoGUID", "dff23271-f996-47d7-984f-f2676861b5fb", "1011"),
        ("crmOwner", "x", "1011"),
        ("externalOpportunityId", 5, "1001"),
        ("externalOpportunityId", "x" * 51, "1003"),
        ("externalOpportunityId", None, "1002"),
    ],
)
def test_an_invalid_value_skips_only_its_record(api, sandbox, field, value, code):
    assert outcome(api.sync([deal("good"), deal(**{field: value})])) == ["created", code]
    assert stored(sandbox)["externalOpportunityId"] == "good"


def test_a_reason_names_the_value_and_the_type(api):
    answer = api.sync([deal(probability="many")])
    assert answer["result"] == [
        {
            "seq": 0,
            "status": "skipped",
            "reasons": [
                {"code": "1001", "message": "Invalid value 'many'. Required of type 'integer'"}
            ],
        }
    ]


@pytest.mark.parametrize(
    ("field", "value", "kept"),
    [
        ("amount", "1604.47", "1604.47"),
        ("amount", 1604.5, "1604.5"),
        ("probability", "75", 75),
        ("isWon", "true", True),
        ("isWon", False, False),
        ("closeDate", "2010-05-07", "2010-05-07"),
        ("externalCreatedDate", "2010-05-07T15:41:32-05:00", "2010-05-07T20:41:32Z"),
        ("externalCreatedDate", "2010-05-07T15:41:32.123Z", "2010-05-07T15:41:32Z"),
        ("externalCreatedDate", "2010-05-07T15:41:32+0000", "2010-05-07T15:41:32Z"),
        ("externalCreatedDate", "2010-05-07", "2010-05-07T00:00:00Z"),
        ("stage", "x" * 255, "x" * 255),
        ("notes", "é" * 15_000, "é" * 15_000),
        ("description", " keeps its blanks ", " keeps its blanks "),
        ("territory", "u33dc1", "u33dc1"),
    ],
)
def test_valid_values_are_stored(api, sandbox, field, value, kept):
    assert outcome(api.sync([deal(**{field: value})])) == ["created"]
    assert stored(sandbox)[field] == kept


def test_numbers_keep_all_digits(api, sandbox):
    body = (
        '{"input":[{"externalOpportunityId":"a","name":"n",'
        '"amount":12345678901234567890.12,"expectedRevenue":"0.1000000000000000055"}]}'
    )
    headers = {"Content-Type": "application/json"}
    answer = api.send("POST", "/rest/v1/opportunities.json", data=body, headers=headers).json()
    assert outcome(answer) == ["created"]
    record = stored(sandbox)
    assert record["amount"] == "12345678901234567890.12"
    assert record["expectedRevenue"] == "0.1000000000000000055"


@pytest.mark.parametrize(
    ("number", "result"),
    [
        ("5e-324", "created"),
        ("9.99e-325", "1003"),
        ("1e-99999999999999999", "1003"),
        ("0e-99999999999999999", "1003"),
        ("1e38", "created"),
        ("1e999999999999999999", "1003"),
    ],
)
def test_numbers_too_large_or_too_close_to_zero_are_1003(api, number, result):
    head = '{"input":[{"externalOpportunityId":"a","name":"n","amount":'
    headers = {"Content-Type": "application/json"}
    body = head + number + "}]}"
    answer = api.send("POST", "/rest/v1/opportunities.json", data=body, headers=headers).json()
    assert outcome(answer) == [result]


def test_an_unknown_sales_person_refuses_the_call_with_718(start, caller_of):
    sandbox = start(sales_persons=frozenset({"sam"}))
    api = caller_of(sandbox)
    records = [deal("a"), deal("b", externalSalesPersonId="kim")]
    assert codes(api.sync(records)) == ["718"]
    assert sandbox.instance.opportunities() == []
    assert outcome(api.sync([deal("b", externalSalesPersonId="sam")])) == ["created"]


def test_created_and_updated_follow_the_instance_clock(api, sandbox):
    sandbox.set_clock(sandbox.instance.clock.now(), frozen=True)
    api.sync([deal()])
    created = stored(sandbox)["createdAt"]
    sandbox.advance(60)
    api.authenticate()
    api.sync([deal()])
    record = stored(sandbox)
    assert (record["createdAt"], record["updatedAt"]) == (created, created + 60)


def test_a_sync_that_fails_midway_writes_nothing(api, sandbox, monkeypatch):
    monkeypatch.setattr(sandbox.instance.storage, "update", lambda *_: 1 / 0)
    api.sync([deal("a")])
    answer = api.send("POST", "/rest/v1/opportunities.json", json={"input": [deal("b"), deal("a")]})
    assert answer.status_code == 500
    assert "ZeroDivisionError" in sandbox.acknowledge_problems()[0]
    assert [each["externalOpportunityId"] for each in sandbox.instance.opportunities()] == ["a"]
