"""Fakes for queries of Marketo and for worker threads."""

from __future__ import annotations

from concurrent.futures import Future
from datetime import UTC, datetime

from marketo_opps import Page, PageTokenError, Reason
from marketo_opps.plugin.process import ShutdownSignal
from tap_marketo_opps.finding.key_scan import KeyScan
from tap_marketo_opps.finding.key_sources import ListedKeys
from tap_marketo_opps.finding.lookup_stage import LookupStage
from tap_marketo_opps.finding.pipeline import Pipeline
from tap_marketo_opps.finding.prefetch import OrderedPrefetcher

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REFUSED = PageTokenError("GET /x", [Reason("1003", "Invalid next page token")], None)


def page_of(records, token=None):
    return Page(records, token, more=token is not None, request_id=None)


class AtOnce:
    """Workers that make each call at once in this thread, and count the calls."""

    def __init__(self):
        self.submitted = 0

    def submit(self, function):
        self.submitted += 1
        future = Future()
        try:
            future.set_result(function())
        except PageTokenError as error:
            future.set_exception(error)
        return future


class FakeQuery:
    """A query that finds `per_key` records for each key, and records its calls."""

    def __init__(self, per_key=1, batch_size=300, found=None):
        self.asked = []
        self._per_key, self._batch_size = per_key, batch_size
        self._found = found or (lambda key, number: {"key": key, "number": number})
        self.refused = set()

    def __call__(self, *, filter_values, next_page_token):
        self.asked.append((tuple(filter_values), next_page_token))
        if next_page_token in self.refused:
            raise REFUSED
        start = int(next_page_token or 0)
        records = [self._found(key, n) for key in filter_values for n in range(self._per_key)]
        end = start + self._batch_size
        return page_of(records[start:end], str(end) if end < len(records) else None)


def make_scan(query, count=1000, **more):
    keys = ListedKeys("filter_values", [f"k{n}" for n in range(count)])
    return KeyScan(query, "found", "key", keys, noun="values", **more)


def make_lookup(query, *, write_found_first=True, by="link", **more):
    return LookupStage(
        query,
        "linked",
        "key",
        lambda result: ((record[by], True) for record in result.records if by in record),
        write_found_first=write_found_first,
        **more,
    )


def run_stages(source, lookups=(), workers=None):
    prefetcher = OrderedPrefetcher(workers or AtOnce(), 3, ShutdownSignal())
    return Pipeline(source, lookups, prefetcher).results()
