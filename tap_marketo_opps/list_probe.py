"""Try whether a static list can be swept."""

from __future__ import annotations

import typing as t

from marketo_opps import DataError, RequestRefusedError
from tap_marketo_opps.errors import NoSuchListError
from tap_marketo_opps.finding.lead_list import ID

if t.TYPE_CHECKING:
    from marketo_opps import MarketoClient


def probe_list(client: MarketoClient, list_id: int) -> None:
    """Read one member of a static list.

    Raises:
        NoSuchListError: Marketo refuses it.
    """
    try:
        client.list_members(list_id, fields=(ID,), batch_size=1)
    except (DataError, RequestRefusedError) as error:
        raise NoSuchListError(error, list_id) from error
