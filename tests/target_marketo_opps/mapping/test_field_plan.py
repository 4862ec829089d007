"""Test which field a property is written to, and which properties are not written."""

from __future__ import annotations

import re

import msgspec
import pytest

from target_marketo_opps.errors import UnwritableStreamError
from target_marketo_opps.mapping.record_mapping import RecordError
from target_marketo_opps.mapping.stream_notes import StreamNotes
from tests.target_marketo_opps.mapping.objects import ROLES, body


def test_names_match_exactly_or_ignoring_case_and_underscores(make):
    mapping = make("CLOSE_DATE", "is_won", "deal_size", "dealSize")
    assert body(mapping, CLOSE_DATE="2026-01-01", is_won=True, deal_size=1, dealSize="big") == {
        "externalOpportunityId": "K",
        "closeDate": "2026-01-01",
        "isWon": True,
        "deal_size": 1,
        "dealSize": "big",
    }


def test_property_that_matches_two_fields_is_an_error(make):
    with pytest.raises(
        UnwritableStreamError,
        match=r"'DEAL_SIZE' matches Marketo's fields 'deal_size', 'dealSize'. Choose one",
    ):
        make("DEAL_SIZE")
    make("DEAL_SIZE", field_map={"deals": {"DEAL_SIZE": "dealSize"}})


def test_ambiguous_property_is_ignored_beside_both_fields(make):
    mapping = make("DEAL_SIZE", "deal_size", "dealSize")
    values = {"DEAL_SIZE": 3, "deal_size": 1, "dealSize": "big"}
    expected = {"externalOpportunityId": "K", "deal_size": 1, "dealSize": "big"}
    assert body(mapping, **values) == expected


def test_new_ambiguous_property_rejects_its_record(make):
    with pytest.raises(RecordError) as caught:
        make().map({"externalOpportunityId": "K", "DEAL_SIZE": 1})
    assert list(map(str, caught.value.reasons)) == [
        "1003 Property 'DEAL_SIZE' matches fields 'deal_size', 'dealSize': choose one in field_map"
    ]


@pytest.mark.parametrize("in_schema", [True, False])
def test_two_properties_of_one_field_reject_what_has_both(make, in_schema):
    mapping = make(*["close_date", "CloseDate"][: 2 * in_schema])
    assert body(mapping, close_date="2026-01-01")["closeDate"] == "2026-01-01"
    assert body(mapping, CloseDate="2026-01-02")["closeDate"] == "2026-01-02"
    for _ in range(2):
        with pytest.raises(RecordError) as caught:
            body(mapping, close_date="2026-01-01", CloseDate="2026-01-02", amount="x")
        assert list(map(str, caught.value.reasons)) == [
            (
                "1003 Properties 'close_date', 'CloseDate' match field 'closeDate': "
                "choose one in field_map"
            ),
            "1001 Field 'amount' is not a number",
        ]


@pytest.mark.parametrize("in_schema", [True, False])
def test_exact_property_name_wins_with_one_log_line(make, told, in_schema):
    mapping = make(*["close_date", "closeDate"][: 2 * in_schema])
    for _ in range(3):
        found = body(mapping, close_date="2026-01-01", closeDate="2026-01-02")
        assert found["closeDate"] == "2026-01-02"
    assert told() == [
        (
            "Stream 'deals': property 'close_date' is not written in records that have "
            "'closeDate', which is the exact name of the field."
        )
    ]


def test_exact_key_name_wins_over_another_spelling(make):
    mapping = make("ExternalOpportunityId")
    record = {"ExternalOpportunityId": "other", "externalOpportunityId": "K"}
    for _ in range(2):
        assert mapping.map(record).key == ("k",)
    assert mapping.map_fast(record) is not None
    assert mapping.map_key(record).body == b'{"externalOpportunityId":"K"}'
    assert mapping.display_key(record) == "K"
    assert mapping.display_key({"ExternalOpportunityId": "other"}) == "other"


def test_closed_schema_ignores_other_properties(make, told):
    mapping = make("name", is_closed=True, unknown_fields="fail")
    expected = {"externalOpportunityId": "K", "name": "x"}
    for _ in range(2):
        assert body(mapping, name="x", stage="won", bogus=1) == expected
    assert told() == []


def test_a_field_map_renames_before_names_are_matched(make):
    names = {"deal_id": "externalOpportunityId", "sum": "amount", "seq": "description"}
    mapping = make(
        "sum", "seq", "external_opportunity_id", key="deal_id", field_map={"deals": names}
    )
    record = {"deal_id": "D", "sum": "1.5", "seq": 7, "external_opportunity_id": "other"}
    for _ in range(2):
        mapped = mapping.map(record)
        assert msgspec.json.decode(mapped.body) == {
            "externalOpportunityId": "D",
            "amount": 1.5,
            "description": "7",
        }
        assert mapped.ordering_keys == ("d",)
        assert mapping.display_key(record) == "D"


def test_a_field_map_may_exchange_names(make):
    names = {"name": "description", "description": "name"}
    mapping = make("name", "description", field_map={"deals": names})
    for _ in range(2):
        assert body(mapping, name="n", description="d") == {
            "externalOpportunityId": "K",
            "description": "n",
            "name": "d",
        }


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (
            {"deal": "externalOportunityId"},
            "the object has no field 'externalOportunityId' (near: 'externalOpportunityId').",
        ),
        ({"dael": "name"}, "the SCHEMA has no property 'dael' (near: 'deal')."),
        ({"zzz": "name"}, "the SCHEMA has no property 'zzz'."),
        (
            {"deal": "name", "sum": "name"},
            "'deal' and 'sum' both map to field 'name'.",
        ),
        (
            {"deal": "externalOpportunityId"},
            "'externalOpportunityId' and 'deal' both map to field 'externalOpportunityId'.",
        ),
    ],
)
def test_invalid_field_map_is_refused_with_near_names(make, names, what):
    with pytest.raises(UnwritableStreamError) as caught:
        make("deal", "sum", field_map={"deals": names})
    assert str(caught.value) == f"Stream 'deals': invalid field_map: {what}"


def test_a_byte_order_mark_in_a_property_is_shown_in_messages(make, told):
    with pytest.raises(UnwritableStreamError, match=re.escape(r"'Deal ID' (near: '\ufeffDeal ID'")):
        make("\ufeffDeal ID", field_map={"deals": {"Deal ID": "name"}})
    make("\ufeffDeal ID", "Größe")
    (line,) = told()
    assert r"no field for '\ufeffDeal ID' (near: 'dealSize'), 'Größe'; not written" in line
    assert r'as in {"deals": {"\ufeffDeal ID": "..."}}' in line


def test_new_property_of_a_mapped_field_rejects_its_record(make):
    mapping = make("sum", field_map={"deals": {"sum": "amount"}})
    with pytest.raises(RecordError) as caught:
        body(mapping, sum=1, amount=2)
    assert "'amount', 'sum' match field 'amount'" in str(caught.value.reasons[0])


def test_what_marketo_manages_is_dropped_silently(make, told):
    mapping = make("createdAt", "updated_at", "marketoGUID", "seq", "_sdc_batched_at")
    values = {"createdAt": 1, "updated_at": 2, "marketoGUID": 3, "seq": 4, "_sdc_batched_at": 5}
    assert body(mapping, **values) == {"externalOpportunityId": "K"}
    assert told() == []


def test_what_cannot_be_updated_is_dropped_with_one_line(make, told):
    assert body(make("fiscal"), fiscal="Q1") == {"externalOpportunityId": "K"}
    assert told() == ["Stream 'deals': Marketo does not allow updates of 'fiscal'; not written."]


@pytest.mark.parametrize("in_schema", [True, False])
def test_unknown_fields_are_left_out_with_one_line(make, told, in_schema):
    mapping = make(*["bogus"][: int(in_schema)])
    for _ in range(3):
        assert body(mapping, bogus=1) == {"externalOpportunityId": "K"}
    assert told() == [
        (
            "Stream 'deals': the instance has no field for 'bogus'; not written. Name Marketo's "
            'field in field_map, as in {"deals": {"bogus": "..."}}, or see the setting '
            "unknown_fields."
        )
    ]


def test_unknown_fields_of_schema_and_records_share_one_line(make, told):
    mapping = make("bogus")
    body(mapping, stages=1)
    body(mapping, nme=1)
    (line,) = told()
    assert "no field for 'bogus', 'stages', 'nme' (near: 'name'); not written" in line


def test_unknown_fields_can_be_ignored():
    notes = StreamNotes("deals", logs_unknown=False)
    notes.note_unknown("bogus", ["name"])
    assert [*notes.warnings(), *notes.remarks()] == []


def test_a_role_can_be_identified_by_an_id_that_is_not_described(make):
    mapping = make(
        "isPrimary", description=ROLES, key="marketoGUID", action="updateOnly", dedupe_by="idField"
    )
    mapped = mapping.map({"marketoGUID": "G", "isPrimary": True})
    assert msgspec.json.decode(mapped.body) == {"marketoGUID": "G", "isPrimary": True}


def test_stream_without_key_is_an_error_with_advice(make):
    with pytest.raises(UnwritableStreamError, match="no property for leadId and role, w") as error:
        make("lead", description=ROLES)
    assert (
        'Map the key in field_map, as in {"deals": {"lead": "leadId", "...": "role"}} '
        "(properties of the stream: 'externalOpportunityId', 'lead')."
    ) in str(error.value)


def test_new_property_that_cannot_be_updated_is_logged(make, told):
    mapping = make()
    for _ in range(2):
        assert body(mapping, fiscal="Q1") == {"externalOpportunityId": "K"}
    assert told() == ["Stream 'deals': Marketo does not allow updates of 'fiscal'; not written."]


class CountedName(str):
    """A name that counts how often it is compared."""

    __slots__ = ()
    compared = 0
    __hash__ = str.__hash__

    def __eq__(self, other):
        CountedName.compared += 1
        return str.__eq__(self, other)


def test_thousands_of_unknown_names_are_not_each_searched_among_all(make):
    count = 2_000
    mapping = make(*(f"bogus{n}" for n in range(count)), unknown_fields="fail")
    record = {CountedName(f"bogus{n}"): 1 for n in range(count)}
    CountedName.compared = 0
    with pytest.raises(RecordError) as refused:
        mapping.map({**record, "externalOpportunityId": "K"})
    assert len(refused.value.reasons) == count
    assert CountedName.compared < 20 * count
