"""Marketo's objects and results as values."""

from __future__ import annotations

import pytest

from marketo_opps import MarketoObject
from marketo_opps.models import (
    NO_CODE,
    FieldDescription,
    LeadDescription,
    ObjectDescription,
    Reason,
    RecordResult,
)

NAME, STAGE = (FieldDescription(name, name.title(), "string") for name in ("name", "stage"))
FIELDS = (NAME, STAGE)


def test_each_object_has_a_path_and_the_name_that_users_type():
    assert {str(each): each.path for each in MarketoObject} == {
        "opportunities": "/v1/opportunities",
        "opportunity_roles": "/v1/opportunities/roles",
    }


@pytest.mark.parametrize(
    "description",
    [LeadDescription(FIELDS), ObjectDescription("o", "marketoGUID", (), (), FIELDS)],
    ids=["of leads", "of an object"],
)
def test_a_field_is_found_by_its_exact_api_name_only(description):
    assert description.field_names == ("name", "stage")
    assert description.field("stage") is STAGE
    for other in ("Stage", "stage ", "", "age"):
        assert description.field(other) is None


@pytest.mark.parametrize(
    ("code", "told"), [("1004", "1004 Lead not found"), (NO_CODE, "Lead not found")]
)
def test_a_reason_begins_with_its_code_if_it_has_one(code, told):
    assert str(Reason(code, "Lead not found")) == told


@pytest.mark.parametrize(
    ("status", "accepted"),
    [
        ("created", True),
        ("updated", True),
        ("deleted", True),
        ("skipped", False),
        ("Created", False),
        ("merged", False),
        ("", False),
    ],
)
def test_only_the_documented_statuses_of_success_count(status, accepted):
    assert RecordResult(0, status).accepted is accepted
