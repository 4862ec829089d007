"""Provide mappings of a stream to opportunities."""

from __future__ import annotations

import pytest

from target_marketo_opps.mapping.record_mapping import (
    RecordMapping,
)
from target_marketo_opps.mapping.stream_notes import StreamNotes
from target_marketo_opps.settings import TargetSettings
from tests.target_marketo_opps.mapping.objects import DESCRIPTION


@pytest.fixture
def notes():
    return StreamNotes("deals")


@pytest.fixture
def told(notes):
    """Return a function that returns the log lines about values that were not written."""
    return lambda: [*notes.warnings(), *notes.remarks()]


@pytest.fixture
def make(notes):
    def make(
        *properties,
        description=DESCRIPTION,
        key="externalOpportunityId",
        max_shapes=1_000,
        is_closed=False,
        **settings,
    ):
        return RecordMapping(
            "deals",
            [key, *properties],
            description=description,
            settings=TargetSettings(**settings),
            notes=notes,
            is_closed=is_closed,
            max_shapes=max_shapes,
        )

    return make


@pytest.fixture
def by_id(make):
    return make(
        "externalOpportunityId", key="marketoGUID", action="updateOnly", dedupe_by="idField"
    )


@pytest.fixture
def make_by_id(make):
    def make_by_id(*properties, **options):
        by_id = {"key": "marketoGUID", "action": "updateOnly", "dedupe_by": "idField"}
        return make(*properties, **by_id, **options)

    return make_by_id
