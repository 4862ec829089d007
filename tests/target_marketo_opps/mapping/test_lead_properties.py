"""The value by which the lead of a role is looked up."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from target_marketo_opps.mapping.lead_properties import LeadProperties, read_lookup_value


def faults(value):
    _, reasons = read_lookup_value({"lead_email": value}, "email")
    return [(each.code, each.message) for each in reasons]


@pytest.mark.parametrize(
    ("value", "text"), [("a@x", "a@x"), (7, "7"), (Decimal(7), "7"), ("a" * 255, "a" * 255)]
)
def test_texts_and_integers_find_leads(value, text):
    assert read_lookup_value({"lead_email": value}, "email") == (text, [])


@pytest.mark.parametrize("value", [None, "", "  ", math.nan, Decimal("NaN")])
def test_a_missing_value_has_a_reason_of_its_own(value):
    (fault,) = faults(value)
    assert fault == ("1002", "Missing value for 'email', which is needed to look up the lead")


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (1.5, "is neither a string nor an integer"),
        (True, "is neither a string nor an integer"),
        ({"a": 1}, "is neither a string nor an integer"),
        ("a,b", "contains a comma"),
        ("a" * 256, "is longer than 255 characters"),
        ("a\ud800", "contains half of a surrogate pair"),
        ("\udfffb", "contains half of a surrogate pair"),
    ],
)
def test_a_value_that_finds_no_lead_is_rejected_with_its_reason(value, why):
    (fault,) = faults(value)
    assert fault[0] == "1003"
    assert fault[1].startswith(f"Property 'lead_email' {why}")


def test_values_of_different_leads_are_rejected():
    _, reasons = read_lookup_value({"lead_email": "a@x", "email": "b@x"}, "email")
    assert [each.message for each in reasons] == [
        "Properties 'lead_email', 'email' have values of different leads: send one of them"
    ]


def test_only_properties_about_leads_describe_them():
    leads = LeadProperties("email", ["role"])
    names = ("email", "e_mail", "Lead_Email", "lead_company", "leadId", "lead_id", "leading")
    assert [name for name in names if leads.describes_lead(name)] == [
        "email",
        "e_mail",
        "Lead_Email",
        "lead_company",
        "leadId",
        "lead_id",
    ]
    assert [name for name in names if leads.finds_lead(name)] == ["email", "e_mail", "Lead_Email"]
