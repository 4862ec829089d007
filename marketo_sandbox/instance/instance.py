"""The instance itself: every operation of the API, on its records, and no word of HTTP."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance import parameters as parsing
from marketo_sandbox.instance.access import API_USER, AccessTokens
from marketo_sandbox.instance.activity_log import ACTIVITY_TYPES, ActivityLog
from marketo_sandbox.instance.clock import Clock
from marketo_sandbox.instance.context import Books
from marketo_sandbox.instance.describe import MANAGED, OPPORTUNITY, ROLE, ObjectType
from marketo_sandbox.instance.errors import CallRefusedError, RecordRefusedError
from marketo_sandbox.instance.limits import DAYS_KEPT, Limits
from marketo_sandbox.instance.page_tokens import PageTokens, query_checksum
from marketo_sandbox.instance.records import Keys, decode, fold_guid, lead_number, plain, shown
from marketo_sandbox.instance.seed import Seeder
from marketo_sandbox.instance.storage import SCRATCH, Row, Storage
from marketo_sandbox.instance.values import parse_datetime
from marketo_sandbox.instance.writing import Writer
from marketo_sandbox.options import SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

DESCRIBED_SINCE = "2015-02-03T22:36:23Z"

Parameters = dict[str, Any]
Answer = dict[str, Any]


class Instance:
    """A Marketo subscription: its records, its log, its limits and its clock.

    Every public method may be called from any thread.

    Args:
        options: how it is set up.
        real: seconds since 1970, what the instance's clock runs by.
        monotonic: real seconds for the rate limit.
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
        self.clock = Clock(real)
        self.clock.advance(float(self.storage.meta("clock_offset") or 0))
        if self.options.clock is not None:
            self.clock.set(datetime.fromisoformat(self.options.clock))
        self.limits = Limits(self.options.limits, self.clock, monotonic)
        self.limits.load(self.storage.meta("usage"))
        self.log = ActivityLog(self.storage, self.clock, self.options)
        self._books = Books(self.storage, self.log, self.clock, self.options)
        self.client_id = self._kept("client_id", self.options.client_id, secrets.token_hex(16))
        self.client_secret = self._kept(
            "client_secret", self.options.client_secret, secrets.token_urlsafe(24)
        )
        self.access = AccessTokens(
            self.storage, self.clock, self.options.token_seconds, random.Random(secrets.token_hex())
        )
        self.page_tokens = PageTokens(
            bytes.fromhex(self._kept("page_token_key", None, secrets.token_hex(16))),
            int(self.storage.meta("page_token_generation") or 0),
        )
        if self.storage.meta("seeded") is None:
            self.seed(self.options.opportunities, leads=self.options.leads)

    def close(self) -> None:
        """Let the storage go; what was counted and how the clock stood is kept with it."""
        with self.lock:
            if self._closed:
                return
            self._closed = True
            self.storage.set_meta("usage", self.limits.dumped())
            self.storage.set_meta("clock_offset", repr(self.clock.offset_seconds))
            self.storage.close()

    # What the API's callers may do.

    def identity(self, parameters: Parameters) -> Answer | None:
        """An access token, or None for wrong credentials."""
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

    def describe(self, obj: ObjectType, _parameters: Parameters) -> Answer:
        """What fields and keys an object has."""
        dates = self.options.describe_role_dates
        return {"result": [obj.described(DESCRIBED_SINCE, dates=dates)]}

    def query(self, obj: ObjectType, parameters: Parameters) -> Answer:
        """Records whose field has one of the values, or whose keys are given, page by page."""
        asked = parsing.query(obj, parameters)
        checksum = query_checksum(
            obj.name, asked.field, asked.values, asked.fields, asked.batch_size
        )
        with self.lock:
            after = self._position(asked.page_token, checksum)
            size = self._page_size(asked.batch_size)
            rows = self._matching(obj, asked, after, size + 1)
        answer: Answer = {
            "result": [shown(row, asked.fields, seq) for seq, row in enumerate(rows[:size])]
        }
        if len(rows) > size:
            answer["nextPageToken"] = self.page_tokens.make(checksum, [rows[size - 1].id])
            answer["moreResult"] = True
        return answer

    def sync(self, obj: ObjectType, parameters: Parameters) -> Answer:
        """Create and update records."""
        write = parsing.sync(parameters)
        with self.lock, self.storage.transaction():
            return {"result": self._writer(obj).sync(write)}

    def delete(self, obj: ObjectType, parameters: Parameters) -> Answer:
        """Delete records."""
        write = parsing.delete(parameters)
        with self.lock, self.storage.transaction():
            return {"result": self._writer(obj).delete(write)}

    def fields(self, obj: ObjectType, parameters: Parameters) -> Answer:
        """The fields of an object with all that the schema knows, page by page."""
        size = parsing.batch_size(parameters)
        checksum = query_checksum("fields", obj.name, size)
        begin = self._position(parsing.page_token(parameters), checksum)
        known = [each for each in obj.fields if each.name not in MANAGED]
        end = begin + size
        answer: Answer = {"result": [each.schema() for each in known[begin:end]]}
        if end < len(known):
            answer["nextPageToken"] = self.page_tokens.make(checksum, [end])
            answer["moreResult"] = True
        return answer

    def field(self, obj: ObjectType, parameters: Parameters) -> Answer:
        """One field, by its API name."""
        name = parameters["fieldApiName"]
        field = obj.by_name.get(name)
        if field is None or name in MANAGED:
            raise CallRefusedError("1006", f"Field '{name}' not found")
        return {"result": [field.schema()]}

    def activity_types(self, _parameters: Parameters) -> Answer:
        """The activity types of the instance."""
        return {"result": list(ACTIVITY_TYPES)}

    def paging_token(self, parameters: Parameters) -> Answer:
        """A token for the log from a moment on."""
        text = parsing.required(parameters, "sinceDatetime")
        moment = parse_datetime(text)
        if moment is None:
            raise CallRefusedError("704", f"Invalid date format: '{text}'")
        # Past the last entry of that second: the moment itself is left out.
        position = [int(moment.timestamp()), 2**62]
        return {"nextPageToken": self.page_tokens.make("activities", position)}

    def activities(self, parameters: Parameters) -> Answer:
        """A stretch of the log; always with a token that leads on."""
        token = parsing.required(parameters, "nextPageToken")
        types = parsing.integers(parameters, "activityTypeIds", parsing.MAX_ACTIVITY_TYPES)
        leads = None
        if parameters.get("leadIds"):
            leads = parsing.integers(parameters, "leadIds", parsing.MAX_LEADS)
        size = parsing.batch_size(parameters)
        with self.lock:
            date, last = self.page_tokens.read(token, "activities")
            found, position, more = self.log.read((date, last), types, leads, size)
            answer = {
                "nextPageToken": self.page_tokens.make("activities", list(position)),
                "moreResult": more,
            }
        return {"result": found, **answer} if found else answer

    def usage(self, _parameters: Parameters) -> Answer:
        """Calls of the day."""
        return {"result": [self._usage_of(self.clock.day())]}

    def usage_of_week(self, _parameters: Parameters) -> Answer:
        """Calls of the last seven days."""
        return {"result": [self._usage_of(day) for day in self.clock.last_days(DAYS_KEPT)]}

    def errors(self, _parameters: Parameters) -> Answer:
        """Errors of the day, by code."""
        return {"result": [self._errors_of(self.clock.day())]}

    def errors_of_week(self, _parameters: Parameters) -> Answer:
        """Errors of the last seven days, by code."""
        return {"result": [self._errors_of(day) for day in self.clock.last_days(DAYS_KEPT)]}

    # What the sandbox's owner may do besides.

    def seed(self, opportunities: int, *, leads: int | None = None, **more: Any) -> None:
        """Add records drawn from the seed; see ``Seeder.run``."""
        with self.lock, self.storage.transaction():
            Seeder(self._books).run(opportunities, leads=leads, **more)
            self.storage.set_meta("seeded", "yes")

    def reset(self) -> None:
        """Forget every record, activity and count; credentials and clock stay."""
        with self.lock:
            with self.storage.transaction():
                self.storage.clear()
            self.limits.forget()

    def add_leads(self, ids: Iterable[int]) -> None:
        """Make leads known, so that they can have roles."""
        with self.lock, self.storage.transaction():
            self.storage.add_leads(ids)

    def lead_ids(self) -> list[int]:
        """The leads that exist."""
        with self.lock:
            return self.storage.lead_ids()

    def opportunity_ids(self, offset: int = 0, limit: int = -1) -> list[str]:
        """The externalOpportunityIds, in the order in which they came; the API cannot list them."""
        with self.lock:
            rows = self.storage.scan("opportunity", limit=limit, offset=offset)
            return [decode(row.body)["externalOpportunityId"] for row in rows]

    def records(self, obj: ObjectType, after: int = 0, limit: int = -1) -> list[dict[str, Any]]:
        """What is stored: exact GUIDs, dates in seconds since 1970, nulls left out."""
        with self.lock:
            return [plain(row) for row in self.storage.scan(obj.table, after, limit)]

    def opportunities(self) -> list[dict[str, Any]]:
        """Every opportunity as it is stored."""
        return self.records(OPPORTUNITY)

    def roles(self) -> list[dict[str, Any]]:
        """Every role as it is stored."""
        return self.records(ROLE)

    def change(self, ids: Iterable[str], fields: Mapping[str, Any]) -> int:
        """Change opportunities as if in Marketo itself: no call, but dated and logged.

        Args:
            ids: externalOpportunityIds.
            fields: new values, the same for all.

        Returns:
            How many were changed.

        Raises:
            RecordRefusedError: for a value that its field cannot take.
        """
        count = 0
        for each in ids:
            write = parsing.Write(
                "updateOnly", by_id=False, records=[{"externalOpportunityId": each, **fields}]
            )
            with self.lock, self.storage.transaction():
                (result,) = self._writer(OPPORTUNITY).sync(write)
            if result["status"] == "skipped":
                reason = result["reasons"][0]
                raise RecordRefusedError(reason["code"], reason["message"])
            count += 1
        return count

    def expire_tokens(self) -> None:
        """The access token in force ends now."""
        with self.lock:
            self.access.expire()

    def expire_page_tokens(self) -> None:
        """Every page token handed out so far is refused from now on."""
        with self.lock:
            self.page_tokens.generation += 1
            self.storage.set_meta("page_token_generation", str(self.page_tokens.generation))

    def counts(self) -> dict[str, int]:
        """How much the instance holds."""
        with self.lock:
            tables = {"opportunities": "opportunity", "roles": "role", "leads": "lead"}
            tables["activities"] = "activity"
            return {name: self.storage.count(table) for name, table in tables.items()}

    # Parts of the above.

    def _kept(self, name: str, given: str | None, fresh: str) -> str:
        value = given or self.storage.meta(name) or fresh
        self.storage.set_meta(name, value)
        return value

    def _writer(self, obj: ObjectType) -> Writer:
        return Writer(obj, self._books)

    def _position(self, token: str | None, checksum: str) -> int:
        return self.page_tokens.read(token, checksum)[0] if token else 0

    def _page_size(self, asked: int) -> int:
        if asked > 1 and self.random.random() < self.options.short_pages:
            return self.random.randrange(1, asked)
        return asked

    def _matching(self, obj: ObjectType, asked: parsing.Query, after: int, limit: int) -> list[Row]:
        column, values = self._column(obj, asked)
        return self.storage.find(obj.table, column, values, after, limit)

    def _column(self, obj: ObjectType, asked: parsing.Query) -> tuple[str, list[Any]]:
        keys = Keys(exact=self.options.exact_keys)
        if asked.field is None:
            return "key", [self._compound(obj, keys, each) for each in asked.values]
        if asked.field == obj.id_field:
            return "guid", [fold_guid(each) for each in asked.values]
        if asked.field == "externalOpportunityId":
            column = "key" if obj is OPPORTUNITY else "parent"
            return column, [keys.fold(each) for each in asked.values]
        if asked.field == "leadId":
            leads = [lead_number(each) for each in asked.values]
            return "lead", [each for each in leads if each is not None]
        return self.storage.searched(obj.table, asked.field), asked.values

    def _compound(self, obj: ObjectType, keys: Keys, record: dict[str, Any]) -> str:
        try:
            return keys.of(obj, record)
        except RecordRefusedError as refusal:
            raise CallRefusedError(refusal.code, refusal.message) from refusal

    def _usage_of(self, day: str) -> Answer:
        users = self.limits.by_day.get(day, Counter[str]())
        return {
            "date": day,
            "total": sum(users.values()),
            "users": [{"userId": user, "count": count} for user, count in users.items()],
        }

    def _errors_of(self, day: str) -> Answer:
        codes = self.limits.errors_by_day.get(day, Counter[str]())
        return {
            "date": day,
            "total": sum(codes.values()),
            "errors": [{"errorCode": code, "count": count} for code, count in codes.items()],
        }
