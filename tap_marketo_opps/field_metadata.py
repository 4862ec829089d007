"""Reading of the metadata of opportunity fields: of all fields, or of fields given by name."""

from __future__ import annotations

import logging
import typing as t

from marketo_opps import AccessDeniedError, PageTokenError, QueryPaging
from tap_marketo_opps.errors import FieldsDeniedError

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from marketo_opps import MarketoClient, Record
    from marketo_opps.plugin.workers import Workers
    from tap_marketo_opps.finding.prefetch import StopSignal

_LOGGER = logging.getLogger("tap-marketo-opps")

FIELDS = "opportunity_fields"


def read_one_field(client: MarketoClient) -> None:
    """Fetch the metadata of one field, to find out whether the API user has the permission.

    Raises:
        FieldsDeniedError: The user does not have it.
    """
    try:
        client.browse_fields(batch_size=1)
    except AccessDeniedError as error:
        raise FieldsDeniedError(error) from error


class FieldReader:
    """Reads the metadata of opportunity fields.

    Args:
        client: Client that makes the calls.
        workers: Threads on which the calls are made.
        batch_size: Fields per page.
        stop: Signal after which no further call is made.
        meanwhile: Called now and then while waiting for a response.

    Attributes:
        missing: Requested names for which the instance has no field.
    """

    def __init__(
        self,
        client: MarketoClient,
        workers: Workers,
        batch_size: int,
        stop: StopSignal,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        self._client = client
        self._workers = workers
        self._batch_size = batch_size
        self._stop = stop
        self._meanwhile = meanwhile
        self.missing: list[str] = []

    def by_name(self, names: Sequence[str]) -> Iterator[list[Record]]:
        """Yield the metadata of each named field, in the order of the names.

        Several calls are made at the same time.
        """
        calls = [(name, self._workers.submit(self._client.field, name)) for name in names]
        for name, future in calls:
            record = self._stop.result(future, self._meanwhile)
            if record is None:
                self.missing.append(name)
            else:
                yield [record]

    def browse(self) -> Iterator[list[Record]]:
        """Yield pages of all fields' metadata; start over once if Marketo refuses a page token."""
        token, restarted, paging = None, False, QueryPaging()
        while True:
            future = self._workers.submit(
                self._client.browse_fields, batch_size=self._batch_size, next_page_token=token
            )
            try:
                page = paging.resolved(self._stop.result(future, self._meanwhile))
            except PageTokenError:
                if restarted:
                    raise
                token, restarted, paging = None, True, QueryPaging()
                continue
            yield page.records
            if not page.more:
                return
            token = page.next_page_token
