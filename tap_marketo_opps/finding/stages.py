"""The stages of finding: keys go in, pages come out, positions wait until all is looked up."""

from __future__ import annotations

import functools
import logging
import typing as t
from collections import deque
from dataclasses import dataclass, field, replace

from marketo_opps import MarketoObject, PageTokenError, QueryPaging, is_valid_filter_value
from marketo_opps.fields import EXTERNAL_ID, MARKETO_GUID
from tap_marketo_opps.finding.key_sources import KEYS_PER_CALL
from tap_marketo_opps.finding.pending_keys import Backlog
from tap_marketo_opps.finding.seen_keys import Seen

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from marketo_opps import MarketoClient, Page, Record
    from tap_marketo_opps.finding.key_sources import Chunk, KeySource
    from tap_marketo_opps.finding.prefetch import Calls
    from tap_marketo_opps.sync.state import Position

_LOGGER = logging.getLogger("tap-marketo-opps")

# A position waits until the call that its keys are in has been filled and answered, unless it
# carries them. Where keys are rare, a call is made short after so many pages: some calls more,
# little to read again.
_MOST_PAGES_WAITING = 20
_NAMED_AT_MOST = 5

# An instance that restarts forgets its page tokens, a fresh one too; but what is refused again and
# again is not refused for its token, and reading on would cost calls for ever.
_MOST_REFUSALS = 5

Key = tuple[str, bool]
"""A key to look up, and whether what it leads to is emitted however old it is."""


def never(_record: Record) -> bool:
    """For steps whose records are emitted when they are new enough, and only then."""
    return False


@dataclass(frozen=True, slots=True)
class Step:
    """What one page brought.

    Attributes:
        stream: what the records are.
        records: as Marketo sent them.
        always: whether a record is emitted however old it is.
        position: what a STATE may tell once these records, and all before them, are written, or
            what tells it then; None for what was told last.
        keys: to be looked up, besides what the records name.
        in_backlog: whether a position tells of the keys while they are being looked up, so that
            the step may wait for long, and one without keys need not wait at all.
    """

    stream: str
    records: Sequence[Record]
    always: Callable[[Record], bool] = never
    position: Position | Callable[[], Position | None] | None = None
    keys: Sequence[Key] = ()
    in_backlog: bool = False

    def told(self) -> Position | None:
        """The position, now that the step is written."""
        return self.position() if callable(self.position) else self.position


@dataclass(frozen=True, slots=True)
class Query:
    """A lookup, as it is the same for all keys."""

    client: MarketoClient
    obj: MarketoObject
    filter_type: str
    key_field: str
    fields: Sequence[str]
    batch_size: int

    def page(self, keys: Sequence[str], next_page_token: str | None) -> Page:
        """One page of what the keys find."""
        return self.client.query(
            self.obj,
            filter_type=self.filter_type,
            filter_values=keys,
            fields=self.fields,
            batch_size=self.batch_size,
            next_page_token=next_page_token,
        )


@dataclass(slots=True)
class Reading:
    """A chunk of keys being looked up, page by page."""

    start: int
    keys: dict[str, bool]
    token: str | None = None
    begun: bool = False
    done: bool = False
    matched: set[str] = field(default_factory=set)
    entered_late: bool = False
    """Whether an earlier run has read its first pages, so that what they matched is not known."""
    refusals: int = 0
    """How often its page token was refused, with nothing gained in between."""
    paging: QueryPaging | None = None
    """Tells which page is its last; None before the first page is asked for."""

    def drop_token(self, error: PageTokenError) -> None:
        """Have it go on without its page token, which was refused.

        Raises:
            PageTokenError: it has been refused too often.
        """
        self.refusals += 1
        if self.refusals > _MOST_REFUSALS:
            raise error
        self.token = self.paging = None


@dataclass(slots=True)
class _Waiting:
    """A step whose keys are being looked up: those from the `first`-th offered to the `last`-th."""

    first: int
    last: int
    step: Step


class Stage(t.Protocol):
    """One kind of call, whatever it reads.

    Attributes:
        goes_on: whether a reading keeps its place in the line until its last page. What follows
            from others does: they wait for it. A source's next page goes to the end of the line,
            so that what follows from its pages is looked up in between.
    """

    goes_on: bool

    def next_reading(self) -> Reading | None:
        """Something new to read, if there is any just now."""

    def calls(self, reading: Reading) -> Calls:
        """The calls for its next page, and for those that are to be taken right after it."""

    def read(self, reading: Reading, page: Page) -> Iterable[Step]:
        """What the page brings."""

    def restart(self, reading: Reading, error: PageTokenError) -> None:
        """Have it begin again, without the page token that was refused."""

    @property
    def idle(self) -> bool:
        """Whether there is nothing left to read, now or later, but for what may be offered yet."""


class Lookups:
    """What all lookups by key have in common: paging, and counting the keys that found nothing."""

    goes_on = False

    def __init__(self, query: Query) -> None:
        self._query = query
        self.keys_done = 0
        self.unmatched = 0

    def calls(self, reading: Reading) -> Calls:
        """The calls for the next page, and for the ones after it where the line goes on."""
        keys = tuple(reading.keys)
        if reading.paging is None:
            reading.paging = _paging(self._query, keys)
        page = functools.partial(self._page, reading.paging, keys)

        def call(before: Page | None) -> Callable[[], Page] | None:
            if before is None:
                return functools.partial(page, reading.token)
            if before.more and self.goes_on:
                return functools.partial(page, before.next_page_token)
            return None

        return call

    def _page(self, paging: QueryPaging, keys: Sequence[str], token: str | None) -> Page:
        """Fetch a page; those of one reading are fetched one after another."""
        return paging.resolved(self._query.page(keys, token))

    def restart(self, reading: Reading, error: PageTokenError) -> None:
        """Have a chunk begin again, without the page token that was refused."""
        if reading.token is None:
            raise error
        reading.drop_token(error)
        _LOGGER.info(
            "Marketo no longer knows a page token of %s; reading %d keys again from their first "
            "page.",
            self._query.obj,
            len(reading.keys),
        )
        reading.entered_late = False
        reading.matched.clear()

    def _turn(self, reading: Reading, page: Page) -> None:
        reading.begun = True
        reading.token = page.next_page_token if page.more else None
        reading.done = not page.more
        key_field = self._query.key_field
        reading.matched.update(normal(record.get(key_field)) for record in page.records)
        if reading.done:
            self._settle(reading)

    def _settle(self, reading: Reading) -> None:
        self.keys_done += len(reading.keys)
        if reading.entered_late:
            return
        missing = [key for key in reading.keys if normal(key) not in reading.matched]
        self.unmatched += len(missing)
        if missing:
            _LOGGER.debug("No %s has %s in %s", self._query.obj, self._query.key_field, missing)


def _paging(query: Query, keys: Sequence[str]) -> QueryPaging:
    is_opportunity = query.obj == MarketoObject.OPPORTUNITIES
    is_unique = query.key_field == MARKETO_GUID or (
        is_opportunity and query.key_field == EXTERNAL_ID
    )
    return QueryPaging(keys if is_unique else (), query.key_field, Seen())


class Sweep(Lookups):
    """The first stage where keys are given: chunks of a source, each read page by page.

    Chunks are in the line side by side, so a position is where the first untouched one starts,
    and the page tokens of those that are half read.
    """

    def __init__(
        self,
        query: Query,
        stream: str,
        source: KeySource,
        *,
        noun: str,
        always: Callable[[Record], bool] = never,
        at: Position | None = None,
    ) -> None:
        """Get ready.

        Args:
            query: how keys are looked up.
            stream: what is found.
            source: of the keys.
            noun: what users call them.
            always: whether a record is emitted however old it is.
            at: where an interrupted run stood.
        """
        super().__init__(query)
        self.noun = noun
        self._stream = stream
        self._source = source
        self._always = always
        at = at or {"next": 0, "open": [], "done": 0, "unmatched": 0}
        self.keys_done = at["done"]
        self.unmatched = at["unmatched"]
        self._reopened = deque(self._reopen(start, token) for start, token in at["open"])
        self._half_read = {reading.start: reading for reading in self._reopened}
        self._untouched: deque[int] = deque()
        self._chunks = source.chunks(at["next"])
        self._next_start: int = at["next"]
        self._chunk = next(self._chunks, None)

    @property
    def total(self) -> int:
        """How many keys there are."""
        return self._source.total

    @property
    def idle(self) -> bool:
        """Whether all chunks have been read."""
        return not (self._chunk or self._half_read or self._untouched)

    def next_reading(self) -> Reading | None:
        """The next chunk; those half read by an earlier run come first."""
        if self._reopened:
            return self._reopened.popleft()
        if (chunk := self._chunk) is None:
            return None
        self._untouched.append(chunk.start)
        self._next_start = chunk.end
        self._chunk = next(self._chunks, None)
        return _reading(chunk)

    def read(self, reading: Reading, page: Page) -> Iterable[Step]:
        """The page's records, and the position after them."""
        if reading.start not in self._half_read:
            self._untouched.popleft()
            self._half_read[reading.start] = reading
        self._turn(reading, page)
        if reading.done:
            del self._half_read[reading.start]
        return [Step(self._stream, page.records, self._always, self._position())]

    def _reopen(self, start: int, token: str) -> Reading:
        reading = _reading(next(self._source.chunks(start)))
        reading.token = token
        reading.entered_late = token is not None
        return reading

    def _position(self) -> Position:
        return {
            "next": self._untouched[0] if self._untouched else self._next_start,
            "open": [[reading.start, reading.token] for reading in self._half_read.values()],
            "done": self.keys_done,
            "unmatched": self.unmatched,
        }


def _reading(chunk: Chunk) -> Reading:
    return Reading(chunk.start, dict.fromkeys(chunk.keys, False))


class Lookup(Lookups):
    """A later stage: what the steps before name is looked up, 300 keys a call, each key once.

    A step goes on to the next stage when every key it names has been looked up, so that its
    position never speaks of what has not been written, and calls are full all the same. Its
    records are held as long: whatever is written before its position can be is read again by the
    next run, should this one be killed.
    """

    goes_on = True

    def __init__(
        self,
        query: Query,
        stream: str,
        keys_of: Callable[[Step], Iterable[Key]],
        *,
        found_first: bool,
        is_new: Callable[[Record], bool] = never,
        backlog: Backlog | None = None,
    ) -> None:
        """Get ready.

        Args:
            query: how keys are looked up.
            stream: what is found.
            keys_of: the keys that a step names.
            found_first: whether what is found is written before the records that named it, or
                right after them.
            is_new: whether a found record is emitted in any case, and so need not be looked up
                again for a key that has it emitted however old it is.
            backlog: where the source's positions tell of what waits here.
        """
        super().__init__(query)
        self._stream = stream
        self._keys_of = keys_of
        self._is_new = is_new
        self._found_first = found_first
        self._backlog = backlog or Backlog()
        self._seen, self._seen_always = Seen(), Seen()
        self._offered = 0
        self._filling: dict[str, bool] = {}
        self._full: deque[Reading] = deque()
        self._unread: dict[int, Reading] = {}
        self._waiting: deque[_Waiting] = deque()
        self._patient = 0
        self.unaskable = 0
        self.unaskable_names: list[str] = []

    @property
    def idle(self) -> bool:
        """Whether all that was offered so far has been looked up."""
        return not (self._filling or self._unread)

    def accept(self, step: Step) -> Iterator[Step]:
        """Take note of a step's keys; yields the steps that may go on."""
        if step.in_backlog and not step.keys:
            yield step
            return
        first = self._offered
        for key, always in self._keys_of(step):
            if self._offer(key, always=always) and step.in_backlog:
                self._backlog.add(key, always=always)
        self._waiting.append(_Waiting(first, self._offered, step))
        self._patient += step.in_backlog
        if self._pages_waiting() > _MOST_PAGES_WAITING and not self._unread:
            self.seal()
        yield from self._released()

    def seal(self) -> None:
        """Let the call that is being filled be made as it is."""
        if self._filling:
            reading = Reading(self._offered - len(self._filling), self._filling)
            self._filling = {}
            self._full.append(reading)
            self._unread[reading.start] = reading

    def next_reading(self) -> Reading | None:
        """The next full call."""
        return self._full.popleft() if self._full else None

    def read(self, reading: Reading, page: Page) -> Iterable[Step]:
        """The page's records, and the steps that waited for them."""
        self._turn(reading, page)
        if reading.done:
            del self._unread[reading.start]
        for record in filter(self._is_new, page.records):
            self._seen_always.add(str(record.get(self._query.key_field)))
        if not self._found_first:
            yield from self._naming(reading)
        yield Step(self._stream, page.records, self._always(reading))
        yield from self._released()

    def _pages_waiting(self) -> int:
        """Those that would be read again by the next run, should this one be killed."""
        return len(self._waiting) - (0 if self._backlog.is_full else self._patient)

    def _offer(self, key: str, *, always: bool) -> bool:
        """Have a key looked up, unless it was for as good a reason; whether it is going to be."""
        if key in self._seen_always or (not always and key in self._seen):
            return False
        if not is_valid_filter_value(key):
            self._note_unaskable(key)
            return False
        if always:
            self._seen_always.add(key)
            if self._is_coming(key):
                return True
        self._seen.add(key)
        self._filling[key] = always
        self._offered += 1
        if len(self._filling) == KEYS_PER_CALL:
            self.seal()
        return True

    def _is_coming(self, key: str) -> bool:
        """Whether a key is about to be looked up anyway; then what it finds is emitted always."""
        for keys in (
            self._filling,
            *(each.keys for each in self._unread.values() if not each.begun),
        ):
            if key in keys:
                keys[key] = True
                return True
        return False

    def _note_unaskable(self, key: str) -> None:
        if key in self._seen:
            return
        self._seen.add(key)
        self._seen_always.add(key)
        self.unaskable += 1
        if len(self.unaskable_names) < _NAMED_AT_MOST:
            self.unaskable_names.append(key)

    def _always(self, reading: Reading) -> Callable[[Record], bool]:
        chosen = {normal(key) for key, always in reading.keys.items() if always}
        key_field = self._query.key_field
        return lambda record: normal(record.get(key_field)) in chosen

    def _naming(self, reading: Reading) -> Iterator[Step]:
        """The records that named these keys; their positions go on waiting."""
        end = reading.start + len(reading.keys)
        for waiting in self._waiting:
            step = waiting.step
            if waiting.first < end and step.records:
                waiting.step = replace(step, records=())
                yield Step(step.stream, step.records, step.always)

    def _released(self) -> Iterator[Step]:
        looked_up = next(iter(self._unread), self._offered - len(self._filling))
        while self._waiting and self._waiting[0].last <= looked_up:
            step = self._waiting.popleft().step
            self._patient -= step.in_backlog
            yield step


def normal(value: t.Any) -> str:
    """A key in the form in which asked and found ones are compared: no blanks around, no case."""
    return str(value).strip().casefold()
