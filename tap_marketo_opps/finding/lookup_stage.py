"""A pipeline stage that looks up keys found in the pages of earlier stages."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from marketo_opps import is_valid_filter_value
from marketo_opps.fields import EXTERNAL_ID
from marketo_opps.keys import comparable_key
from marketo_opps.seen_keys import KeyHashSet
from tap_marketo_opps.finding.key_sources import KEYS_PER_CALL
from tap_marketo_opps.finding.page_result import PageResult, never_force
from tap_marketo_opps.finding.pending_keys import PendingKeys
from tap_marketo_opps.finding.waiting_stage import MAX_PAGES_WAITING, WaitingStage

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from marketo_opps import Page, Record
    from tap_marketo_opps.finding.page_result import Key
    from tap_marketo_opps.finding.stages import ChunkCursor

_SAMPLE_SIZE = 5


class LookupStage(WaitingStage):
    """Looks up keys found in the pages of earlier pipeline stages, 300 per call, each key once.

    Args:
        query: Fetches a page, given `filter_values` and `next_page_token`.
        obj: Object to look up, which is also the name of its stream.
        key_field: Field that the keys are values of.
        keys_of: Returns the keys in a page of an earlier stage.
        write_found_first: True if found records are written before the records that contain their
            keys; False if right after them.
        is_new: Returns True for a found record that is new enough to be emitted. Its key is then
            not looked up again, even if all records of that key are required later.
        emit_regardless_of_age: Returns True for a found record that is always emitted, whatever
            key it was found by.
        pending: The keys of the first stage that are still looked up, saved with its position.
        keys_per_call: Number of keys looked up by one call.
        max_pages_waiting: Number of pages that may wait until their keys fill a call.
    """

    naming_field = EXTERNAL_ID

    def __init__(
        self,
        query: Callable[..., Page],
        obj: str,
        key_field: str,
        keys_of: Callable[[PageResult], Iterable[Key]],
        *,
        write_found_first: bool,
        is_new: Callable[[Record], bool] = never_force,
        emit_regardless_of_age: Callable[[Record], bool] = never_force,
        pending: PendingKeys | None = None,
        keys_per_call: int = KEYS_PER_CALL,
        max_pages_waiting: int = MAX_PAGES_WAITING,
    ) -> None:
        super().__init__(
            query,
            obj,
            key_field,
            keys_per_call=keys_per_call,
            max_pages_waiting=max_pages_waiting,
        )
        self._keys_of = keys_of
        self._is_new = is_new
        self._emit_regardless_of_age = emit_regardless_of_age
        self._write_found_first = write_found_first
        self._pending = pending or PendingKeys()
        self._seen, self._seen_forced = KeyHashSet(), KeyHashSet()

    def _take(self, result: PageResult) -> PageResult:
        for key, force in self._keys_of(result):
            if self._enqueue(key, force=force) and result.is_tracked:
                self._pending.add(key, force=force)
        return result

    def process(self, cursor: ChunkCursor, page: Page) -> Iterable[PageResult]:
        """Yield the records of a page that this stage has read to look up keys.

        Also yield the pages of earlier stages that waited until all keys in them were looked up.
        """
        self._take_page(cursor, page)
        if self._is_new is not never_force:
            self._note_new(cursor, page)
        if not self._write_found_first:
            yield from self._records_naming(cursor)
        yield PageResult(self.stream, page.records, self._forced_by(cursor))
        yield from self._released()

    def _note_new(self, cursor: ChunkCursor, page: Page) -> None:
        """Remember the keys of a page whose lookup returned a record new enough to be emitted.

        If all records of such a key are required later, regardless of their age, the key is not
        looked up again, because they are emitted anyway. Any other key is looked up a second time.
        """
        for record in page.records:
            key = str(record.get(self._key_field))
            # A key that was required regardless of age is in the set already.
            if not cursor.keys.get(key) and self._is_new(record):
                self._seen_forced.add(key)

    def _unsaved_count(self) -> int:
        """Return the number of waiting pages whose keys are not in the position saved in a STATE.

        If this run were killed, the next run would have to read these pages again.
        """
        return len(self._waiting) - (0 if self._pending.is_full else self._tracked_count)

    def _enqueue(self, key: str, *, force: bool) -> bool:
        """Queue a key for lookup, unless it has been queued before.

        Args:
            key: The key.
            force: True if the records found must be emitted however old they are. Then the key is
                looked up again, if an earlier lookup emitted only new records.

        Returns:
            True if the key will be looked up; False if it was looked up, is empty, or is not valid.
        """
        if not key:
            self.missing_key_count += 1
            return False
        if key in self._seen_forced or (not force and key in self._seen):
            return False
        if not is_valid_filter_value(key):
            self._note_invalid(key)
            return False
        if force:
            self._seen_forced.add(key)
            if self._force_if_coming(key):
                return True
        self._seen.add(key)
        self._queue(key, force=force)
        return True

    def _force_if_coming(self, key: str) -> bool:
        """Mark a queued key, so that the records found by it are emitted however old they are.

        Return False if the key is not queued, or if its lookup has begun.
        """
        for keys in (
            self._filling,
            *(each.keys for each in self._unread.values() if not each.begun),
        ):
            if key in keys:
                keys[key] = True
                return True
        return False

    def _note_invalid(self, key: str) -> None:
        if key in self._seen:
            return
        self._seen.add(key)
        self._seen_forced.add(key)
        self.invalid_key_count += 1
        if len(self.sample_invalid_keys) < _SAMPLE_SIZE:
            self.sample_invalid_keys.append(key)

    def _forced_by(self, cursor: ChunkCursor) -> Callable[[Record], bool]:
        forced = {comparable_key(key) for key, force in cursor.keys.items() if force}
        key_field, is_emitted = self._key_field, self._emit_regardless_of_age
        return lambda record: comparable_key(record.get(key_field)) in forced or is_emitted(record)

    def _records_naming(self, cursor: ChunkCursor) -> Iterator[PageResult]:
        """Yield the records of waiting pages that contain keys of a cursor, or of earlier chunks.

        So these records are written before the records found by the keys. The positions after the
        pages are not yielded before all keys in the pages are looked up.
        """
        end = cursor.start + len(cursor.keys)
        for waiting in self._waiting:
            result = waiting.result
            if waiting.first < end and result.records:
                waiting.result = replace(result, records=())
                yield PageResult(result.stream, result.records, result.emit_regardless_of_age)
