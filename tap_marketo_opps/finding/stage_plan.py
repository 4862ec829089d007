"""The pipeline stages of a run, and the interface of the finders that create them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from marketo_opps import MarketoObject

if t.TYPE_CHECKING:
    from collections.abc import Sequence

    from marketo_opps import MarketoClient
    from tap_marketo_opps.finding.activity_log import ActivityLogReader
    from tap_marketo_opps.finding.key_scan import KeyScan
    from tap_marketo_opps.finding.lead_list import LeadListReader
    from tap_marketo_opps.finding.resume_point import ResumePoint
    from tap_marketo_opps.finding.waiting_stage import WaitingStage

OPPORTUNITIES = str(MarketoObject.OPPORTUNITIES)
ROLES = str(MarketoObject.OPPORTUNITY_ROLES)

Fields = t.Mapping[str, "Sequence[str]"]
"""Selected fields of each stream to read, by the stream's name."""

Resumes = t.Mapping[str, "ResumePoint"]
"""Resume points of a run by stream name; all of them have the same position."""


@dataclass(frozen=True, slots=True)
class StagePlan:
    """The pipeline stages of a run.

    Attributes:
        source: The first stage, which determines the progress of the run.
        lookups: The later stages, which look up keys found by the stages before them.
    """

    source: KeyScan | ActivityLogReader | LeadListReader
    lookups: Sequence[WaitingStage]


class Finder(t.Protocol):
    """Interface of the ways to find opportunities: a class for each value of `find_by`.

    Attributes:
        fingerprint_label: Text that names `find_by` and the keys. A bookmark is valid only
            for the label with which it was written.
        description: Text for log lines.
    """

    fingerprint_label: str
    description: str

    def stages(
        self, client: MarketoClient, batch_size: int, fields: Fields, resumes: Resumes
    ) -> StagePlan:
        """Return the pipeline stages by which a run finds its records.

        Args:
            client: Client that makes the calls.
            batch_size: Records per page.
            fields: Selected fields of each stream to read, by the stream's name.
            resumes: Resume point of each of these streams.
        """


def any_resume(resumes: Resumes) -> ResumePoint:
    """Return the first stream's resume point, for attributes that all streams share."""
    return next(iter(resumes.values()))
