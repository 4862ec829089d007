"""Why a record is invalid, as an error that carries all reasons."""

from __future__ import annotations

from marketo_opps import Reason
from target_marketo_opps.mapping.mapped_record import RecordError


def test_an_invalid_record_has_all_its_reasons_in_order():
    reasons = [Reason("1003", "a"), Reason("1006", "b")]
    error = RecordError(iter(reasons))
    assert error.reasons == tuple(reasons)
    # A value of the record may be in a reason, and must not reach a log by the error's text.
    assert str(error) == ""
