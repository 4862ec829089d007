"""Marketo's opportunities API, as methods of one thread-safe client.

It is over 300 lines because each call of the API has its method here, and half of them are
documentation.
"""

from __future__ import annotations

import random
import threading
import time
import typing as t
from datetime import UTC, datetime
from urllib.parse import quote

from marketo_opps import redaction
from marketo_opps.call import Call, CallAttempts
from marketo_opps.describe import read_description, read_lead_fields, read_searchable_lead_fields
from marketo_opps.errors import (
    DataError,
    InvalidFilterValueError,
    NoDataError,
    PageTokenError,
    RequestRefusedError,
    UnexpectedResponseError,
    unexpected_response,
)
from marketo_opps.field_types import whole_number
from marketo_opps.models import (
    BatchOutcome,
    CallCounts,
    LeadDescription,
    MarketoObject,
    ObjectDescription,
    Page,
)
from marketo_opps.pacing import PACING_WINDOW_SECONDS
from marketo_opps.record_results import read_record_results
from marketo_opps.request_loop import RequestLoop
from marketo_opps.server_clock import local_now
from marketo_opps.wire import MAX_BATCH_RECORDS, encode_batch, encode_record

if t.TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    import requests

    from marketo_opps.envelope import Envelope
    from marketo_opps.models import Record
    from marketo_opps.pacing import Nap
    from marketo_opps.settings import ConnectionSettings

# Any one of the permissions in a tuple allows the call.
_WRITE_OPPORTUNITY = ("Read-Write Opportunity",)
_READ_OPPORTUNITY = ("Read-Only Opportunity", *_WRITE_OPPORTUNITY)
_READ_LEAD = ("Read-Only Lead", "Read-Write Lead")
_READ_ACTIVITY = ("Read-Only Activity", "Read-Write Activity")
_SCHEMA_FIELD = ("Read-Write Schema Standard Field", "Read-Write Schema Custom Field")

# Adobe, "Leads": "Too many results match the filter"; for other calls 1003 has other meanings.
TOO_MANY_LEADS = "1003"

_JSON = "application/json"
_NO_SUCH_RESOURCE = "610"

# Adobe's server-side timeouts of the calls that have another one than the usual 30 s.
_WRITE_SECONDS = 60.0
_PAGING_TOKEN_SECONDS = 300.0


def _unexpected_response(call: Call, envelope: Envelope, what: str) -> UnexpectedResponseError:
    return unexpected_response(call.name, envelope.request_id, what)


def is_valid_filter_value(value: str) -> bool:
    """Return whether a query can look up a value: it must not contain a comma, the separator."""
    return "," not in value


def _lookup(
    filter_type: str, filter_values: Sequence[str], fields: Sequence[str], batch_size: int
) -> list[tuple[str, str]]:
    if not all(map(is_valid_filter_value, filter_values)):
        raise InvalidFilterValueError(
            "A lookup value contains a comma, which Marketo reads as the end of the value: this "
            "record cannot be looked up."
        )
    return [
        ("filterType", filter_type),
        ("filterValues", ",".join(filter_values)),
        ("fields", ",".join(fields)),
        ("batchSize", str(batch_size)),
    ]


# Separate from Python's shared generator, which a program may seed and rely on.
_JITTER = random.Random()  # noqa: S311 - how long to wait is no secret


class MarketoClient:
    """Client of one instance's opportunities API; all methods may be called from any thread.

    Every method makes one call: it waits until the rate limit and the concurrency limit allow the
    call, and retries transient errors for up to `max_retry_seconds`. It raises `MarketoError`; see
    `marketo_opps.errors` for what can be done about each subclass.

    Methods that return a `Page` leave paging to the caller: `more` is what Marketo sent, None if
    it sent nothing, and `marketo_opps.paging` decides whether another page follows. They share
    these arguments: `fields`, the API names of the fields to return (without them Marketo leaves
    most fields out); `batch_size`, the number of records per page, up to 300; `next_page_token`,
    that of the previous page, with all other arguments unchanged. They raise `PageTokenError` if
    Marketo no longer accepts the token.

    Args:
        settings: the instance, the credentials, and this client's share of the limits.
        clock: returns monotonic seconds.
        nap: waits on a condition, at most for the given seconds.
        fraction: returns random numbers from 0 to 1, for jitter.
        local_now: returns the current time by this machine's clock.
        session: a session of `requests` to use instead of a new one.
        writes: True for a client that writes; it decides which advice error texts give.
        pacing_window_seconds: window in which `calls_per_20_seconds` are counted.
    """

    def __init__(
        self,
        settings: ConnectionSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        nap: Nap = threading.Condition.wait,
        fraction: Callable[[], float] = _JITTER.random,
        local_now: Callable[[], datetime] = local_now,
        session: requests.Session | None = None,
        writes: bool = False,
        pacing_window_seconds: float = PACING_WINDOW_SECONDS,
    ) -> None:
        redaction.install()
        redaction.REDACTOR.protect(settings.client_secret)
        self._loop = RequestLoop(
            settings,
            clock=clock,
            nap=nap,
            fraction=fraction,
            local_now=local_now,
            session=session,
            writes=writes,
            pacing_window_seconds=pacing_window_seconds,
        )

    def __enter__(self) -> t.Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections, and delete this process from the file at `limits_path`, if any."""
        self._loop.close()

    def stop(self) -> None:
        """Refuse new calls and retries; this only sets a flag, so a signal handler may do it.

        Calls in flight continue. Waiting threads and later callers get a `StoppedError`.
        """
        self._loop.stop()

    @property
    def counts(self) -> CallCounts:
        """Return how many calls and retries were made so far, and how long threads waited."""
        return self._loop.counts

    def server_now(self) -> datetime:
        """Return the current time by Marketo's clock: its last `Date` header and the time since.

        The result is never later than Marketo's own clock, and earlier by at most one second and
        the travel time of the response. If there was no response yet, fetch a token to get one.
        """
        return self._loop.server_now()

    def earliest_now(self) -> datetime:
        """Return the earliest current time that any `Date` header so far gives.

        A header gives its own time plus the seconds since its response. Use the result as the
        start of a run, which must not be in the future: a `Date` that is in the future has no
        effect once another response has had the right time.
        """
        return self._loop.earliest_now()

    # Opportunities and roles

    def describe(self, obj: MarketoObject) -> ObjectDescription:
        """Return the keys and fields of opportunities or of roles: `GET .../describe.json`."""
        call = Call("GET", f"{obj.path}/describe.json", permissions=_READ_OPPORTUNITY)
        envelope = self._loop.make(call)
        if len(envelope.result) != 1:
            raise _unexpected_response(call, envelope, f"{len(envelope.result)} objects")
        try:
            return read_description(obj, envelope.result[0])
        except ValueError as error:
            raise _unexpected_response(call, envelope, str(error)) from None

    def query(
        self,
        obj: MarketoObject,
        *,
        filter_type: str,
        filter_values: Sequence[str],
        fields: Sequence[str],
        batch_size: int = MAX_BATCH_RECORDS,
        next_page_token: str | None = None,
    ) -> Page:
        """Return one page of the records of an object in which a field has one of the given values.

        Args:
            obj: opportunities or roles.
            filter_type: a searchable field, or `dedupeFields` or `idField`.
            filter_values: up to 300, none of them with a comma.
            fields: API names; see the class.
            batch_size: records per page.
            next_page_token: of the previous page.

        Raises:
            InvalidFilterValueError: a value contains a comma.
            PageTokenError: Marketo no longer accepts `next_page_token`.
        """
        query = _lookup(filter_type, filter_values, fields, batch_size)
        return self._read_page(f"{obj.path}.json", query, next_page_token, _READ_OPPORTUNITY)

    def query_by_keys(
        self,
        obj: MarketoObject,
        *,
        keys: Sequence[Mapping[str, t.Any]],
        fields: Sequence[str],
        batch_size: int = MAX_BATCH_RECORDS,
        next_page_token: str | None = None,
    ) -> Page:
        """Return one page of the records with the given compound keys, which are sent as JSON.

        Args:
            obj: roles, whose key has three fields.
            keys: up to 300, each with every dedupe field.
            fields: API names; see the class.
            batch_size: records per page.
            next_page_token: of the previous page.

        Raises:
            PageTokenError: Marketo no longer accepts `next_page_token`.
        """
        query: dict[str, t.Any] = {
            "filterType": "dedupeFields",
            "fields": list(fields),
            "input": list(keys),
            "batchSize": batch_size,
        }
        if next_page_token:
            query["nextPageToken"] = next_page_token
        call = Call(
            "POST",
            f"{obj.path}.json",
            query=(("_method", "GET"),),
            body=encode_record(query),
            content_type=_JSON,
            permissions=_READ_OPPORTUNITY,
        )
        return self._page(call, has_token=bool(next_page_token))

    def sync(
        self,
        obj: MarketoObject,
        records: Sequence[bytes],
        *,
        action: str,
        dedupe_by: str | None = None,
    ) -> BatchOutcome:
        """Upsert a batch of records, and return their outcomes: `POST /v1/opportunities.json`.

        Args:
            obj: opportunities or roles.
            records: up to 300, each encoded by `encode_record`, under 1 MB in total.
            action: `createOrUpdate`, `createOnly` or `updateOnly`.
            dedupe_by: `dedupeFields` or `idField`; Marketo uses it only with `updateOnly`.
        """
        body = encode_batch(records, action=action, dedupeBy=dedupe_by)
        return self._write(f"{obj.path}.json", body, len(records))

    def delete(
        self,
        obj: MarketoObject,
        keys: Sequence[bytes],
        *,
        delete_by: str = "dedupeFields",
    ) -> BatchOutcome:
        """Delete a batch of records, and return their outcomes: `POST .../delete.json`.

        A record that does not exist in Marketo has the outcome skipped, with code 1013.

        Args:
            obj: opportunities or roles.
            keys: up to 300, each with the key fields only, encoded by `encode_record`.
            delete_by: `dedupeFields` or `idField`.
        """
        body = encode_batch(keys, deleteBy=delete_by)
        return self._write(f"{obj.path}/delete.json", body, len(keys))

    # Field metadata

    def browse_fields(
        self,
        *,
        batch_size: int = MAX_BATCH_RECORDS,
        next_page_token: str | None = None,
    ) -> Page:
        """Return a page of opportunity field metadata: `GET .../schema/fields.json`."""
        path = "/v1/opportunities/schema/fields.json"
        query = [("batchSize", str(batch_size))]
        return self._read_page(path, query, next_page_token, _SCHEMA_FIELD)

    def field(self, name: str) -> Record | None:
        """Return the metadata of an opportunity field by its API name; None if absent."""
        path = f"/v1/opportunities/schema/fields/{quote(name, safe='')}.json"
        try:
            envelope = self._loop.make(Call("GET", path, permissions=_SCHEMA_FIELD))
        except (NoDataError, DataError):
            return None
        except RequestRefusedError as error:
            # Marketo's response to an unknown name is not documented. It responds with 610 to an
            # unknown path, and here the name is part of the path.
            if error.code == _NO_SUCH_RESOURCE:
                return None
            raise
        return envelope.result[0] if envelope.result else None

    # Leads

    def describe_leads(self) -> LeadDescription:
        """Return the fields of leads: `GET /v1/leads/describe.json`."""
        call = Call("GET", "/v1/leads/describe.json", permissions=_READ_LEAD)
        envelope = self._loop.make(call)
        try:
            return LeadDescription(read_lead_fields(envelope.result))
        except ValueError as error:
            raise _unexpected_response(call, envelope, str(error)) from None

    def searchable_lead_fields(self) -> frozenset[str] | None:
        """Return the fields by which leads can be looked up: `GET /v1/leads/describe2.json`.

        Returns:
            REST names; None if the instance does not list them. In that case Marketo accepts or
            refuses the first lookup.
        """
        call = Call("GET", "/v1/leads/describe2.json", permissions=_READ_LEAD)
        try:
            envelope = self._loop.make(call)
        except (NoDataError, DataError, RequestRefusedError, UnexpectedResponseError):
            # Not every instance has this endpoint, which is newer than describe.json, and lookups
            # work without it.
            return None
        return read_searchable_lead_fields(envelope.result)

    def leads(
        self,
        *,
        filter_type: str,
        values: Sequence[str],
        fields: Sequence[str],
        batch_size: int = MAX_BATCH_RECORDS,
        next_page_token: str | None = None,
    ) -> Page:
        """Return one page of the leads whose field has one of the given values.

        Several leads may share a value, for example an e-mail address.

        Args:
            filter_type: `id`, `email` or another searchable field.
            values: up to 300, none of them with a comma.
            fields: REST names; see the class.
            batch_size: leads per page.
            next_page_token: of the previous page.

        Raises:
            DataError: with code `TOO_MANY_LEADS` if over 1,000 leads match: look up fewer values.
            InvalidFilterValueError: a value contains a comma.
            PageTokenError: Marketo no longer accepts `next_page_token`.
        """
        query = _lookup(filter_type, values, fields, batch_size)
        return self._read_page("/v1/leads.json", query, next_page_token, _READ_LEAD)

    def list_members(
        self,
        list_id: int,
        *,
        fields: Sequence[str],
        batch_size: int = MAX_BATCH_RECORDS,
        next_page_token: str | None = None,
    ) -> Page:
        """Return one page of the leads in a static list: `GET /v1/lists/{id}/leads.json`.

        Args:
            list_id: the list's number.
            fields: REST names; see the class.
            batch_size: leads per page.
            next_page_token: of the previous page.

        Raises:
            PageTokenError: Marketo no longer accepts `next_page_token`.
        """
        query = [("fields", ",".join(fields)), ("batchSize", str(batch_size))]
        path = f"/v1/lists/{list_id}/leads.json"
        return self._read_page(path, query, next_page_token, _READ_LEAD)

    # The activity log

    def activity_types(self) -> dict[str, int]:
        """Return the names of all activity types, with their ids on this instance."""
        call = Call("GET", "/v1/activities/types.json", permissions=_READ_ACTIVITY)
        envelope = self._loop.make(call)
        try:
            return {kind["name"]: whole_number(kind["id"]) for kind in envelope.result}
        except (KeyError, TypeError, ValueError):
            what = "an activity type without name or id"
            raise _unexpected_response(call, envelope, what) from None

    def paging_token(self, since: datetime) -> str:
        """Return the page token with which a read of the activity log starts at a given time.

        Args:
            since: the time, to the second; with a time zone.
        """
        since_text = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        call = Call(
            "GET",
            "/v1/activities/pagingtoken.json",
            query=(("sinceDatetime", since_text),),
            server_timeout_seconds=_PAGING_TOKEN_SECONDS,
            permissions=_READ_ACTIVITY,
        )
        envelope = self._loop.make(call)
        token = envelope.token(call.name)
        if not token:
            raise _unexpected_response(call, envelope, "no paging token")
        return token

    def activities(
        self,
        *,
        next_page_token: str,
        activity_type_ids: Sequence[int],
        batch_size: int = MAX_BATCH_RECORDS,
    ) -> Page:
        """Return one page of the activity log; it may be short or empty although more pages follow.

        Args:
            next_page_token: from `paging_token` or the previous page.
            activity_type_ids: up to 10.
            batch_size: activities per page, up to 300.

        Raises:
            PageTokenError: Marketo no longer accepts `next_page_token`.
        """
        query = [
            ("activityTypeIds", ",".join(map(str, activity_type_ids))),
            ("batchSize", str(batch_size)),
        ]
        return self._read_page("/v1/activities.json", query, next_page_token, _READ_ACTIVITY)

    # Usage

    def calls_today(self) -> int:
        """Return today's number of calls by all clients of the instance; it may be out of date."""
        return self._loop.calls_today()

    # Pages and batches

    def _read_page(
        self,
        path: str,
        query: list[tuple[str, str]],
        next_page_token: str | None,
        permissions: tuple[str, ...],
    ) -> Page:
        if next_page_token:
            query.append(("nextPageToken", next_page_token))
        call = Call("GET", path, query=tuple(query), permissions=permissions)
        return self._page(call.as_post_if_long(), has_token=bool(next_page_token))

    def _page(self, call: Call, *, has_token: bool) -> Page:
        try:
            envelope = self._loop.make(call)
        except NoDataError as error:
            return Page(
                [],
                None,
                more=False,
                request_id=error.request_id,
                call=call.name,
            )
        except (DataError, RequestRefusedError) as error:
            # Everything but the token is as in the call for the previous page.
            if has_token:
                raise PageTokenError(error.call, error.reasons, error.request_id) from error
            raise
        if not all(isinstance(record, dict) for record in envelope.result):
            raise _unexpected_response(call, envelope, "a record that is not an object")
        return envelope.page(call.name)

    def _write(self, path: str, body: bytes, records: int) -> BatchOutcome:
        call = Call(
            "POST",
            path,
            body=body,
            content_type=_JSON,
            server_timeout_seconds=_WRITE_SECONDS,
            permissions=_WRITE_OPPORTUNITY,
            writes=True,
        )
        attempts = CallAttempts()
        envelope = self._loop.make(call, attempts)
        assert attempts.first_sent_at is not None
        return BatchOutcome(
            results=read_record_results(call.name, envelope, records),
            request_id=envelope.request_id,
            ambiguous=attempts.ambiguous,
            first_sent_at=attempts.first_sent_at,
        )
