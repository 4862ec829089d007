"""A test call for a static list of leads."""

from __future__ import annotations

import typing as t

from marketo_opps import DataError, RequestRefusedError
from tap_marketo_opps.errors import NoSuchListError
from tap_marketo_opps.finding.lead_list import ID

if t.TYPE_CHECKING:
    from marketo_opps import MarketoClient


def probe_list(client: MarketoClient, list_id: int) -> None:
    """Read one member of a static list, to find out whether the list can be read.

    Raises:
        NoSuchListError: Marketo refuses the list.
    """
    try:
        client.list_members(list_id, fields=(ID,), batch_size=1)
    except (DataError, RequestRefusedError) as error:
        raise NoSuchListError(error, list_id) from error
