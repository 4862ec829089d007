"""Fake the client of Marketo within the process of the test, without HTTP."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from types import SimpleNamespace

from marketo_opps import (
    BatchOutcome,
    CallCounts,
    DataError,
    FieldDescription,
    MarketoError,
    MarketoObject,
    ObjectDescription,
    Page,
    Reason,
    RecordResult,
    decode_record,
)

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
KEYS = {
    MarketoObject.OPPORTUNITIES: ("externalOpportunityId",),
    MarketoObject.OPPORTUNITY_ROLES: ("externalOpportunityId", "leadId", "role"),
}
TYPES = {"leadId": "integer", "isPrimary": "boolean", "amount": "integer"}
NAMES = {
    MarketoObject.OPPORTUNITIES: ("name", "stage", "amount", "description", "nextStep"),
    MarketoObject.OPPORTUNITY_ROLES: ("isPrimary", "externalCreatedDate"),
}
LEADS = {
    1: {"email": "ann@x", "createdAt": "2026-01-01T00:00:00Z"},
    2: {"email": "bob@x", "createdAt": "2026-01-02T00:00:00Z"},
    3: {"email": "team@x", "createdAt": "2026-01-04T00:00:00Z"},
    4: {"email": "team@x", "createdAt": "2026-01-03T00:00:00Z"},
    5: {"email": "Zoe@x", "createdAt": "2026-01-05T00:00:00Z"},
}


def refusal(code, message="Said Marketo"):
    return (Reason(code, message),)


class FakeMarketo:
    """Stores records; their description decides which are refused.

    A record whose description begins with "bad" is skipped; one whose description begins with
    "poison" has its whole call refused.
    """

    def __init__(self, *, fails_at=(), after=False, lookups_fail_at=(), **leads):
        self.stored = {obj: {} for obj in MarketoObject}
        self.calls = []
        self.lookups = []
        self.asked_for_leads = []
        self.lookups_fail_at = set(lookups_fail_at)
        self.ignores_case = leads.get("ignores_case", True)
        self.most_leads, self.page = leads.get("most_leads", 1000), leads.get("page", 300)
        self.fails_at = set(fails_at)
        self.after = after
        self.lock = threading.Lock()

    # Attributes of the client

    counts = CallCounts()

    def stop(self):
        pass

    def close(self):
        pass

    def describe(self, obj):
        keys = KEYS[obj]
        fields = tuple(
            FieldDescription(name, name, TYPES.get(name, "string"), 255)
            for name in (*keys, *NAMES[obj])
        )
        return ObjectDescription(obj.value, "marketoGUID", keys, (keys,), fields)

    def sync(self, obj, bodies, *, action, dedupe_by):
        assert dedupe_by in {None, "dedupeFields"}
        return self._write(obj, bodies, lambda record: self._upsert(obj, record, action))

    def delete(self, obj, bodies, *, delete_by):
        assert delete_by == "dedupeFields"
        return self._write(obj, bodies, lambda record: self._delete(obj, record))

    def query(self, obj, *, filter_values, **_options):
        with self.lock:
            self.lookups.append(list(filter_values))
            wanted = {(value.rstrip().casefold(),) for value in filter_values}
            found = [one for key, one in self.stored[obj].items() if key in wanted]
        return Page(found, None, False, "r")

    def query_by_keys(self, obj, *, keys, **_options):
        with self.lock:
            found = [self.stored[obj].get(self.key(obj, key)) for key in keys]
        return Page([one for one in found if one], None, False, "r")

    def searchable_lead_fields(self):
        return frozenset({"id", "email"})

    def leads(self, *, filter_type, values, fields, next_page_token=None):
        assert {"id", "createdAt", filter_type} == set(fields)
        with self.lock:
            self.asked_for_leads.append(list(values))
            if len(self.asked_for_leads) in self.lookups_fail_at:
                raise MarketoError("The line is cut.")
        assert len({value.casefold() for value in values}) == len(values) <= 300
        spelt = str.casefold if self.ignores_case else str
        wanted = set(map(spelt, values))
        found = [{"id": i, **lead} for i, lead in LEADS.items() if spelt(lead["email"]) in wanted]
        if len(found) > self.most_leads:
            raise DataError("GET /x", refusal("1003", "Too many results match the filter"), "r")
        start = int(next_page_token or 0)
        end = start + self.page
        return Page(found[start:end], str(end), end < len(found), "r")

    # Methods of the client

    @staticmethod
    def key(obj, record):
        return tuple(str(record[name]).rstrip().casefold() for name in KEYS[obj])

    def _write(self, obj, bodies, write):
        with self.lock:
            number = len(self.calls)
            records = [decode_record(body) for body in bodies]
            self.calls.append((obj, records))
            assert len({self.key(obj, record) for record in records}) == len(records)
            if number in self.fails_at and not self.after:
                raise MarketoError("The line is cut.")
            if any(str(record.get("description")).startswith("poison") for record in records):
                raise DataError("POST /x", refusal("1003"), f"r{number}")
            results = [write(record) for record in records]
            if number in self.fails_at:
                raise MarketoError("The line is cut.")
        numbered = [
            RecordResult(seq, *([each] if isinstance(each, str) else ["skipped", None, each]))
            for seq, each in enumerate(results)
        ]
        return BatchOutcome(numbered, f"r{number}", False, NOW)

    def _upsert(self, obj, record, action):
        key, stored = self.key(obj, record), self.stored[obj]
        if str(record.get("description")).startswith("bad"):
            return refusal("1003")
        if obj is MarketoObject.OPPORTUNITY_ROLES and (
            key[:1] not in self.stored[MarketoObject.OPPORTUNITIES] or int(key[1]) not in LEADS
        ):
            return refusal("1004")
        if action == "createOnly" and key in stored:
            return refusal("1005")
        if action == "updateOnly" and key not in stored:
            return refusal("1013")
        status = "updated" if key in stored else "created"
        stored.setdefault(key, {}).update(record)
        return status

    def _delete(self, obj, record):
        gone = self.stored[obj].pop(self.key(obj, record), None) is None
        return refusal("1013") if gone else "deleted"


def connected(fake):
    """Return an object to run the target against instead of a sandbox."""
    named = {"endpoint": "http://127.0.0.1:1", "client_id": "i", "client_secret": "s"}
    return SimpleNamespace(credentials=named, instance=fake)
