"""Which field a property is written to, and which properties are left out."""

from __future__ import annotations

import msgspec
import pytest

from target_marketo_opps.errors import UnwritableStreamError
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


def test_a_property_that_may_be_either_of_two_fields_is_an_error(make):
    with pytest.raises(
        UnwritableStreamError, match="'DEAL_SIZE' may be Marketo's field deal_size or dealSize"
    ):
        make("DEAL_SIZE")


def test_two_properties_of_one_field_are_an_error_that_names_both(make):
    with pytest.raises(UnwritableStreamError, match="'close_date' and 'closeDate' are both"):
        make("close_date", "closeDate")


def test_two_properties_of_one_field_are_an_error_in_a_record_too(make):
    mapping = make("closeDate")
    with pytest.raises(UnwritableStreamError, match="'closeDate' and 'close_date' are both"):
        mapping.map({"externalOpportunityId": "K", "close_date": "2026-01-01"})


def test_what_marketo_manages_is_dropped_silently(make, told):
    mapping = make("createdAt", "updated_at", "marketoGUID", "seq", "_sdc_batched_at")
    values = {"createdAt": 1, "updated_at": 2, "marketoGUID": 3, "seq": 4, "_sdc_batched_at": 5}
    assert body(mapping, **values) == {"externalOpportunityId": "K"}
    assert told == []


def test_what_cannot_be_updated_is_dropped_with_one_line(make, told):
    assert body(make("fiscal"), fiscal="Q1") == {"externalOpportunityId": "K"}
    assert told == ["Stream 'deals': Marketo says that 'fiscal' cannot be updated; left out."]


@pytest.mark.parametrize("in_schema", [True, False])
def test_unknown_fields_are_left_out_with_one_line(make, told, in_schema):
    mapping = make(*["bogus"][: int(in_schema)])
    for _ in range(3):
        assert body(mapping, bogus=1) == {"externalOpportunityId": "K"}
    assert told == [
        (
            "Stream 'deals': the instance has no field for 'bogus'; left out. See the setting "
            "unknown_fields."
        )
    ]


def test_unknown_fields_can_be_ignored(make, told):
    assert body(make("bogus", unknown_fields="ignore"), bogus=1) == {"externalOpportunityId": "K"}
    assert told == []


def test_a_role_can_be_identified_by_an_id_that_is_not_described(make):
    mapping = make(
        "isPrimary", description=ROLES, key="marketoGUID", action="updateOnly", dedupe_by="idField"
    )
    mapped = mapping.map({"marketoGUID": "G", "isPrimary": True})
    assert msgspec.json.decode(mapped.body) == {"marketoGUID": "G", "isPrimary": True}


def test_a_stream_without_its_key_is_an_error_that_names_what_is_missing(make):
    with pytest.raises(UnwritableStreamError, match="no property for leadId and role, so"):
        make(description=ROLES)


def test_a_property_that_cannot_be_updated_is_warned_of_late_too(make, told):
    mapping = make()
    for _ in range(2):
        assert body(mapping, fiscal="Q1") == {"externalOpportunityId": "K"}
    assert told == ["Stream 'deals': Marketo says that 'fiscal' cannot be updated; left out."]
