"""A simulated Marketo subscription, with one method for each API operation."""

from __future__ import annotations

import random
import secrets
import threading
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.access import API_USER, AccessTokens
from marketo_sandbox.instance.activity_log import ACTIVITY_TYPES, ActivityLog, LogFilter
from marketo_sandbox.instance.clock import Clock
from marketo_sandbox.instance.context import InstanceContext
from marketo_sandbox.instance.describe import MANAGED, ObjectType, with_api_names
from marketo_sandbox.instance.errors import CallRefusedError
from marketo_sandbox.instance.lead_database import LeadDatabase
from marketo_sandbox.instance.limits import Limits
from marketo_sandbox.instance.page_tokens import PageTokens, query_checksum
from marketo_sandbox.instance.paging import Pager
from marketo_sandbox.instance.parameters import (
    MAX_ACTIVITY_TYPES,
    MAX_LEADS,
    MAX_RECORDS,
    read_batch_size,
    read_delete,
    read_integers,
    read_optional_integers,
    read_page_token,
    read_query,
    read_required,
    read_sync,
)
from marketo_sandbox.instance.querying import RecordReader
from marketo_sandbox.instance.records import to_result
from marketo_sandbox.instance.storage import SCRATCH, Storage
from marketo_sandbox.instance.usage import DAYS_KEPT, DailyUsage
from marketo_sandbox.instance.values import parse_datetime
from marketo_sandbox.instance.writing import RecordWriter
from marketo_sandbox.options import SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Callable

DESCRIBED_SINCE = "2015-02-03T22:36:23Z"

Parameters = dict[str, Any]
Envelope = dict[str, Any]


class Subscription:
    """A Marketo subscription as its API users see it: one method for each API operation.

    Operations on leads and static lists are methods of ``lead_database``. Each operation takes the
    parameters of a call and returns the members of the response other than ``requestId`` and
    ``success``; it raises ``CallRefusedError`` if Marketo would refuse the call.

    Every public method may be called from any thread.

    Args:
        options: options of the subscription; by default an empty one with Adobe's limits.
        real: returns the real time in seconds since 1970, from which the instance's clock starts.
        monotonic: returns monotonic real seconds, for the rate limit.
    """

    def __init__(
        self,
        options: SandboxOptions | None = None,
        *,
        real: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.options = options or SandboxOptions()
        self.lock = threading.RLock()
        self._closed = False
        self.random = random.Random(self.options.seed)
        self.storage = Storage(self.options.database or SCRATCH)
        self.clock = self._restore_clock(real)
        self.daily_usage = DailyUsage(self.clock)
        self.daily_usage.load(self.storage.meta("usage"))
        self.limits = Limits(self.options.limits, self.daily_usage, monotonic)
        self.log = ActivityLog(self.storage, self.clock, self.options)
        self.context = InstanceContext(self.storage, self.log, self.clock, self.options)
        keep, options = self.storage.keep_meta, self.options
        self.client_id = keep("client_id", options.client_id, secrets.token_hex(16))
        self.client_secret = keep("client_secret", options.client_secret, secrets.token_urlsafe(24))
        self.access = AccessTokens(
            self.storage, self.clock, options.token_seconds, random.Random(secrets.token_hex())
        )
        self.page_tokens = PageTokens(
            bytes.fromhex(keep("page_token_key", None, secrets.token_hex(16))),
            int(self.storage.meta("page_token_generation") or 0),
        )
        self._pager = Pager(self.page_tokens, options, self.random)
        self.lead_database = LeadDatabase(self.context, self._pager, self.lock)

    def _restore_clock(self, real: Callable[[], float]) -> Clock:
        """Return the clock with which the instance starts.

        It shows the time of the option ``clock``; without this option, real time plus the offset
        that the storage keeps from the last run of the sandbox.
        """
        clock = Clock(real)
        clock.advance(float(self.storage.meta("clock_offset") or 0))
        if self.options.clock is not None:
            clock.set(datetime.fromisoformat(self.options.clock))
        return clock

    def close(self) -> None:
        """Save the usage counts and the clock in the storage, and close the storage."""
        with self.lock:
            if self._closed:
                return
            self._closed = True
            self.storage.set_meta("usage", self.daily_usage.dump())
            self.storage.set_meta("clock_offset", repr(self.clock.offset_seconds))
            self.storage.close()

    def identity(self, parameters: Parameters) -> Envelope | None:
        """Return an access token as the identity endpoint does, or None for wrong credentials."""
        with self.lock:
            if parameters.get("client_id") != self.client_id:
                return None
            if parameters.get("client_secret") != self.client_secret:
                return None
            token, left = self.access.grant()
        return {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": left,
            "scope": API_USER,
        }

    def describe(self, obj: ObjectType, _parameters: Parameters) -> Envelope:
        """Return the describe result of opportunity or role, with its fields and key fields."""
        described = obj.to_describe(DESCRIBED_SINCE, dates=self.options.describe_role_dates)
        if "api-names" in self.options.dialects:
            described = with_api_names(described)
        return {"result": [described]}

    def query(self, obj: ObjectType, parameters: Parameters) -> Envelope:
        """Return a page of the opportunities or roles that match the filter of the call."""
        request = read_query(obj, parameters)
        checksum = query_checksum(
            obj.name, request.field, request.values, request.fields, request.batch_size
        )
        with self.lock:
            after = self._pager.position(request.page_token, checksum)
            size = self._pager.size(request.batch_size)
            rows = RecordReader(obj, self.context).find(request, after, size + 1)
        envelope: Envelope = {
            "result": [to_result(row, request.fields, seq) for seq, row in enumerate(rows[:size])]
        }
        reached = rows[:size][-1].id if rows else after
        return envelope | self._pager.next_page_members(checksum, reached, more=len(rows) > size)

    def sync(self, obj: ObjectType, parameters: Parameters) -> Envelope:
        """Create or update the opportunities or roles in ``input``; return one result for each."""
        write = read_sync(parameters)
        with self.lock, self.storage.transaction():
            return {"result": self._writer(obj).sync(write)}

    def delete(self, obj: ObjectType, parameters: Parameters) -> Envelope:
        """Delete the opportunities or roles in ``input``; return one result for each."""
        write = read_delete(parameters)
        with self.lock, self.storage.transaction():
            return {"result": self._writer(obj).delete(write)}

    def fields(self, obj: ObjectType, parameters: Parameters) -> Envelope:
        """Return a page of an object's fields as the schema endpoint shows them."""
        size = read_batch_size(parameters)
        checksum = query_checksum("fields", obj.name, size)
        begin = self._pager.position(read_page_token(parameters), checksum)
        known = [each for each in obj.fields if each.name not in MANAGED]
        end = begin + size
        envelope: Envelope = {"result": [each.to_schema() for each in known[begin:end]]}
        return envelope | self._pager.next_page_members(checksum, end, more=end < len(known))

    def field(self, obj: ObjectType, parameters: Parameters) -> Envelope:
        """Return the field with the API name in the path, as the schema endpoint shows it."""
        name = parameters["fieldApiName"]
        field = obj.by_name.get(name)
        if field is None or name in MANAGED:
            raise CallRefusedError("1006", f"Field '{name}' not found")
        return {"result": [field.to_schema()]}

    def activity_types(self, _parameters: Parameters) -> Envelope:
        """Return the types of activities that the activity log can contain."""
        return {"result": list(ACTIVITY_TYPES)}

    def paging_token(self, parameters: Parameters) -> Envelope:
        """Return the page token that starts reading the activity log after ``sinceDatetime``."""
        text = read_required(parameters, "sinceDatetime")
        moment = parse_datetime(text)
        if moment is None:
            raise CallRefusedError("704", f"Invalid date format: '{text}'")
        # Past every activity of that second, because the moment itself is excluded.
        position = [int(moment.timestamp()), 2**62]
        return {"nextPageToken": self.page_tokens.make("activities", position)}

    def activities(self, parameters: Parameters) -> Envelope:
        """Return a page of the activities that match the call; even the last has a page token."""
        token = read_required(parameters, "nextPageToken")
        wanted = LogFilter(
            read_integers(parameters, "activityTypeIds", MAX_ACTIVITY_TYPES),
            leads=read_optional_integers(parameters, "leadIds", MAX_LEADS),
            assets=read_optional_integers(parameters, "assetIds", MAX_RECORDS),
        )
        list_ids = read_optional_integers(parameters, "listId", 1)
        size = read_batch_size(parameters)
        with self.lock:
            date, last = self.page_tokens.read(token, "activities")
            if list_ids is not None:
                wanted = wanted._replace(members=self.storage.list_members(list_ids))
            found, position, more = self.log.read((date, last), wanted, size)
            envelope = {
                "nextPageToken": self.page_tokens.make("activities", list(position)),
                "moreResult": more,
            }
        return {"result": found, **envelope} if found else envelope

    def usage(self, _parameters: Parameters) -> Envelope:
        """Return the number of today's API calls, by API user."""
        return {"result": self.daily_usage.calls_by_user(1)}

    def usage_of_week(self, _parameters: Parameters) -> Envelope:
        """Return the number of API calls on each of the last seven days, by API user."""
        return {"result": self.daily_usage.calls_by_user(DAYS_KEPT)}

    def errors(self, _parameters: Parameters) -> Envelope:
        """Return the number of errors in today's API calls, by code."""
        return {"result": self.daily_usage.errors_by_code(1)}

    def errors_of_week(self, _parameters: Parameters) -> Envelope:
        """Return the number of errors in API calls on each of the last seven days, by code."""
        return {"result": self.daily_usage.errors_by_code(DAYS_KEPT)}

    def _writer(self, obj: ObjectType) -> RecordWriter:
        return RecordWriter(obj, self.context)
