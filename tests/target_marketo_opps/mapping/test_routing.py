"""Test where streams are written."""

from __future__ import annotations

import logging

import pytest

from marketo_opps import MarketoObject
from target_marketo_opps.mapping.routing import destination


@pytest.mark.parametrize(
    ("stream", "properties", "chosen", "expected"),
    [
        ("opportunities", [], {}, MarketoObject.OPPORTUNITIES),
        ("opportunity_roles", [], {}, None),
        ("opportunity_fields", [], {}, None),
        ("opportunity_activities", [], {}, None),
        ("opportunity_changes", [], {}, None),
        ("opportunity_role_changes", [], {}, None),
        ("deals", ["External_Opportunity_ID"], {}, MarketoObject.OPPORTUNITIES),
        ("deals", [], {"deals": "opportunities"}, MarketoObject.OPPORTUNITIES),
        ("deals", [], {"deals": "opportunity_roles"}, MarketoObject.OPPORTUNITY_ROLES),
        ("opportunities", ["externalOpportunityId"], {"opportunities": "ignore"}, None),
        (
            "opportunity_roles",
            [],
            {"opportunity_roles": "opportunity_roles"},
            MarketoObject.OPPORTUNITY_ROLES,
        ),
    ],
)
def test_a_stream_is_written_to_its_object_or_ignored(stream, properties, chosen, expected):
    found = destination(
        stream,
        properties,
        stream_objects=chosen,
        field_map={},
        key_fields=lambda: ("externalOpportunityId",),
        logger=logging.getLogger("x"),
    )
    assert found is expected
