"""One run of a finder, on behalf of all streams that it finds records for."""

from __future__ import annotations

import logging
import time
import typing as t
from dataclasses import dataclass, replace

from marketo_opps import MarketoError
from marketo_opps.plugin.process import SHUTDOWN
from marketo_opps.plugin.workers import Workers
from tap_marketo_opps.finding.finders import ActivityFinder, LeadFinder
from tap_marketo_opps.finding.pipeline import Pipeline
from tap_marketo_opps.finding.prefetch import Line
from tap_marketo_opps.singer_writer import encode_state
from tap_marketo_opps.sync.error_advice import explained, may_be_got_over
from tap_marketo_opps.sync.progress import Advance, Pulse

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from marketo_opps import MarketoClient
    from tap_marketo_opps.finding.finders import Finder, Stages
    from tap_marketo_opps.finding.stages import Lookup, Reading, Stage, Step
    from tap_marketo_opps.singer_writer import MessageWriter
    from tap_marketo_opps.streams import FoundStream
    from tap_marketo_opps.sync.plan import Plan
    from tap_marketo_opps.sync.state import Bookmark, Position, Resume
    from tap_marketo_opps.typed_page import Typed

_LOGGER = logging.getLogger("tap-marketo-opps")

# While an answer is unpacked, its place among the calls at once is taken by a call that is ready.
_CALLS_IN_HAND = 2

_GO_ON = "Start again with the last STATE to go on from there."
_START_AGAIN = "It wrote no STATE yet: start again as it was started."


class Outlet:
    """One stream's records on their way out: typed, and only those that are to be emitted."""

    def __init__(self, stream: FoundStream, resume: Resume) -> None:
        self.stream = stream
        self._resume = resume
        self._seen = resume.seen or ""

    def emitted(self, step: Step) -> list[Typed]:
        """What is to be emitted of a page."""
        page = self.stream.read_page(step.records)
        self._seen = max(self._seen, *(changed for changed, _ in page if changed), "")
        since, always = self._resume.since, step.always
        if since is None:
            return self._limited([typed for _, typed in page])
        return self._limited(
            [
                typed
                for record, (changed, typed) in zip(step.records, page, strict=True)
                if changed is None or changed >= since or always(record)
            ]
        )

    def resume(self, at: Position | None) -> Resume:
        """How to go on from a position."""
        return replace(self._resume, seen=self._seen or None, at=at)

    def _limited(self, records: list[Typed]) -> list[Typed]:
        left = self.stream.record_limit - self.stream.emitted
        return records if len(records) <= left else records[: int(left)]


@dataclass(frozen=True)
class Run:
    """A run: reads, writes each page and a STATE after it, and leaves the bookmarks.

    Attributes:
        client: to read with.
        writer: of messages.
        streams: those that take part, by name; the first leads.
        bookmarks: theirs, as the run found them.
        finder: how records are found.
        plan: where to begin.
        stages: what is read.
        max_concurrent_calls: how many pages are fetched ahead.
        state: the tap's, written to.
    """

    client: MarketoClient
    writer: MessageWriter
    streams: Mapping[str, FoundStream]
    bookmarks: Mapping[str, Bookmark]
    finder: Finder
    plan: Plan
    stages: Stages
    max_concurrent_calls: int
    state: dict[str, t.Any]

    def pages(self) -> Iterator[tuple[FoundStream, list[Typed]]]:
        """Write all there is; yields what was written, by stream."""
        since = self.plan.any_resume.log_from
        _LOGGER.info("Finding by %s%s.", self.finder.told, f", since {since}" if since else "")
        for note in self.plan.notes:
            _LOGGER.info("%s", note)
        for stream in self.streams.values():
            stream.write_schema()
        account = _Account(self)
        workers = Workers(self.max_concurrent_calls + _CALLS_IN_HAND, "marketo-read")
        try:
            yield from self._read(workers, account)
        except MarketoError as error:
            fields = {name: stream.selected_fields for name, stream in self.streams.items()}
            more = explained(error, self.client, self.finder, fields)
            if may_be_got_over(more):
                account.tell_how_far()
            if more is error:
                raise
            raise more from error
        finally:
            workers.close()
        account.close()

    def _read(
        self, workers: Workers, account: _Account
    ) -> Iterator[tuple[FoundStream, list[Typed]]]:
        ahead = self.max_concurrent_calls + _CALLS_IN_HAND
        # Where calls find nothing to write, and where none is answered for long, too.
        line: Line[tuple[Stage, Reading]] = Line(
            workers, ahead, SHUTDOWN, account.tell_now_and_then
        )
        pipeline = Pipeline(self.stages.source, self.stages.lookups, line)
        outlets = {
            name: Outlet(stream, self.plan.resumes[name]) for name, stream in self.streams.items()
        }
        at = self.plan.any_resume.at
        for step in pipeline.steps():
            told = step.told()
            at = told or at
            outlet = outlets.get(step.stream)
            if not (told or (outlet and step.records)):
                continue
            records = outlet.emitted(step) if outlet else []
            lines = outlet.stream.lines(records) if outlet else b""
            self.writer.write(lines + self._paused_state(outlets, at))
            account.page_written()
            if outlet:
                yield outlet.stream, records
        self.writer.write(self._finished_state(outlets, at))

    def _paused_state(self, outlets: Mapping[str, Outlet], at: Position | None) -> bytes:
        return self._state_with(
            {
                name: self.bookmarks[name].paused(outlet.resume(at))
                for name, outlet in outlets.items()
            }
        )

    def _finished_state(self, outlets: Mapping[str, Outlet], at: Position | None) -> bytes:
        return self._state_with(
            {name: self._finished(name, outlet.resume(at)) for name, outlet in outlets.items()}
        )

    def _finished(self, name: str, resume: Resume) -> Bookmark:
        bookmark = self.bookmarks[name].finished(resume, self.finder.found_by)
        if isinstance(self.finder, ActivityFinder):
            return bookmark.after_log(resume.began)
        if isinstance(self.finder, LeadFinder):
            return bookmark.after_sweep(resume.began, self.finder.found_by)
        return bookmark

    def _state_with(self, bookmarks: Mapping[str, Bookmark]) -> bytes:
        for name, bookmark in bookmarks.items():
            stream = self.streams[name]
            key = stream.replication_key if stream.is_incremental else None
            stream.stream_state.update(bookmark.to_state(key))
        return encode_state(self.state)


class _Account:
    """What a run tells its users."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._began = time.monotonic()
        self._counts = run.client.counts
        self._done_before = run.stages.source.keys_done
        self._pulse = Pulse(time.monotonic)
        self._has_state = False

    def page_written(self) -> None:
        self._has_state = True

    def tell_now_and_then(self) -> None:
        if self._pulse.is_due:
            _LOGGER.info("%s: %s", self._names, self._advance().line())

    def tell_how_far(self) -> None:
        how = _GO_ON if self._has_state else _START_AGAIN
        _LOGGER.info("Ended at %s. %s", self._advance().so_far(), how)

    def close(self) -> None:
        """Tell what was done, a line for each stream."""
        leader, *others = self._run.streams.values()
        _LOGGER.info("%s", "; ".join([self._leaders_line(leader), *self._oddities(leader)]))
        for stream in others:
            found = f"{stream.name}: {stream.emitted:,} records, found together with {leader.name}"
            _LOGGER.info("%s", "; ".join([found, *_misfits(stream)]))

    @property
    def _names(self) -> str:
        return " and ".join(self._run.streams)

    def _leaders_line(self, leader: FoundStream) -> str:
        counts = self._run.client.counts
        calls, retries = counts.calls - self._counts.calls, counts.retries - self._counts.retries
        seconds = time.monotonic() - self._began
        return (
            f"{leader.name}: {leader.emitted:,} records, {calls:,} calls, {retries:,} retries, "
            f"{seconds:.1f} seconds"
        )

    def _oddities(self, leader: FoundStream) -> list[str]:
        oddities = _misfits(leader)
        source = self._run.stages.source
        if source.unmatched:
            oddities.append(f"{source.unmatched:,} {source.noun} matched nothing")
        for lookup in self._run.stages.lookups:
            oddities += _not_looked_up(lookup)
        return oddities

    def _advance(self) -> Advance:
        source = self._run.stages.source
        return Advance(
            done=source.keys_done,
            done_before=self._done_before,
            total=source.total,
            noun=source.noun,
            reached=getattr(source, "reached", None),
            records=sum(stream.emitted for stream in self._run.streams.values()),
            calls=self._run.client.counts.calls - self._counts.calls,
            seconds=time.monotonic() - self._began,
        )


def _misfits(stream: FoundStream) -> list[str]:
    if not stream.misfits:
        return []
    return [f"{stream.misfits:,} values did not fit their type and are null"]


def _not_looked_up(lookup: Lookup) -> list[str]:
    if not lookup.unaskable:
        return []
    named = ", ".join(map(repr, lookup.unaskable_names))
    return [
        f"{lookup.unaskable:,} external ids hold a comma, so Marketo cannot be asked for them: "
        f"{named}" + (", ..." if lookup.unaskable > len(lookup.unaskable_names) else "")
    ]
