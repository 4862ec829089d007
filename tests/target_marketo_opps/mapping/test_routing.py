"""Test where streams are written."""

from __future__ import annotations

import logging
import re

import pytest

from marketo_opps import MarketoObject
from target_marketo_opps.errors import UnwritableStreamError
from target_marketo_opps.mapping.routing import destination, is_ignored, log_ignored


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


def test_a_stream_without_the_key_is_an_error_with_an_example():
    words = (
        "Stream 'deals' is not named 'opportunities' and has no property for name and amount: set "
        "it to 'opportunities', 'opportunity_roles' or 'ignore' in stream_objects, as in "
        '{"deals": "opportunities"}. '
    )
    with pytest.raises(UnwritableStreamError, match=re.escape(words)):
        destination(
            "deals",
            ["Id", "Name"],
            stream_objects={},
            field_map={},
            key_fields=lambda: ("name", "amount"),
            logger=logging.getLogger("x"),
        )


@pytest.mark.parametrize(
    ("stream", "chosen", "ignored"),
    [
        ("opportunities", {}, False),
        ("deals", {}, False),
        ("deals", {"deals": "ignore"}, True),
        ("opportunity_roles", {}, True),
        ("opportunity_roles", {"opportunity_roles": "opportunity_roles"}, False),
        ("opportunity_changes", {}, True),
    ],
)
def test_streams_are_ignored_by_setting_or_by_default(stream, chosen, ignored):
    assert is_ignored(stream, chosen) is ignored


@pytest.mark.parametrize(
    ("stream", "level", "words"),
    [
        ("opportunity_roles", "WARNING", "'opportunity_roles' is ignored: in another Marketo"),
        ("opportunity_changes", "INFO", "Stream 'opportunity_changes' is ignored: it describes"),
    ],
)
def test_an_ignored_stream_is_logged_with_the_reason(caplog, stream, level, words):
    with caplog.at_level("INFO"):
        log_ignored(stream, logging.getLogger("x"))
    (record,) = caplog.records
    assert record.levelname == level
    assert words in record.getMessage()
