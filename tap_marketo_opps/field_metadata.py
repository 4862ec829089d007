"""The opportunity's fields: all of them page by page, or some by name."""

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
    """Try whether fields may be read.

    Raises:
        FieldsDeniedError: They may not.
    """
    try:
        client.browse_fields(batch_size=1)
    except AccessDeniedError as error:
        raise FieldsDeniedError(error) from error


class FieldReader:
    """Reads fields' metadata.

    Args:
        client: To read with.
        workers: Make the calls.
        batch_size: Fields a page.
        stop: May ask for no further call.
        meanwhile: Called now and then while a page is waited for.

    Attributes:
        missing: Names that the instance has no field of.
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
        """Yield each field, by a call of its own, several at once, in the order of the names."""
        calls = [(name, self._workers.submit(self._client.field, name)) for name in names]
        for name, future in calls:
            record = self._stop.result(future, self._meanwhile)
            if record is None:
                self.missing.append(name)
            else:
                yield [record]

    def browse(self) -> Iterator[list[Record]]:
        """Yield all fields, a page at a time; after a refused page token again from the first."""
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
