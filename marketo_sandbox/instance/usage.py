"""Calls and errors counted by day: what the daily quota and the usage endpoints rest on."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketo_sandbox.instance.clock import Clock

    CountsByDay = dict[str, Counter[str]]

DAYS_KEPT = 7


class DailyUsage:
    """Count calls by user and errors by code, for each of the last days.

    Args:
        clock: decides which day it is.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: CountsByDay = {}
        self._errors: CountsByDay = {}

    def add_calls(self, calls: int, user: str) -> str:
        """Count calls of a user as made today; return the day they were counted on."""
        self._today(self._calls)[user] += calls
        return self._clock.day()

    def set_calls_today(self, calls: int, user: str) -> None:
        """Raise or lower today's calls to a total, those of this user before those of others."""
        today = self._today(self._calls)
        today[user] += max(0, calls - today.total())
        for each in sorted(today, key=lambda name: name != user):
            today[each] -= min(today[each], max(0, today.total() - calls))
        self._calls[self._clock.day()] = +today

    def remove_call(self, user: str, day: str) -> None:
        """Uncount one call of a user on a day, unless a reset has dropped that day since."""
        if day in self._calls:
            self._calls[day] -= Counter([user])

    def add_error(self, code: str) -> None:
        """Count an error of today."""
        self._today(self._errors)[code] += 1

    def calls_today(self) -> int:
        """Return how many calls were counted since midnight US Central."""
        return self._calls.get(self._clock.day(), Counter()).total()

    def calls_by_user(self, days: int) -> list[dict[str, Any]]:
        """Return the calls of the last days as the usage endpoint shows them, newest first."""
        return self._report(self._calls, days, "users", "userId")

    def errors_by_code(self, days: int) -> list[dict[str, Any]]:
        """Return the errors of the last days as the errors endpoint shows them, newest first."""
        return self._report(self._errors, days, "errors", "errorCode")

    def dump(self) -> str:
        """Return the counts as text, to be kept over a restart."""
        return json.dumps([self._calls, self._errors])

    def load(self, text: str | None) -> None:
        """Add the counts that an earlier process has dumped, if any."""
        if text is not None:
            for counts, kept in zip((self._calls, self._errors), json.loads(text), strict=True):
                counts.update({day: Counter(of_day) for day, of_day in kept.items()})

    def clear(self) -> None:
        """Drop every count."""
        self._calls.clear()
        self._errors.clear()

    def _report(
        self, counts: CountsByDay, days: int, list_name: str, key_name: str
    ) -> list[dict[str, Any]]:
        by_day = ((day, counts.get(day, Counter[str]())) for day in self._clock.last_days(days))
        return [
            {
                "date": day,
                "total": of_day.total(),
                list_name: [{key_name: key, "count": count} for key, count in of_day.items()],
            }
            for day, of_day in by_day
        ]

    def _today(self, counts: CountsByDay) -> Counter[str]:
        day = self._clock.day()
        if day not in counts:
            kept = sorted([*counts, day])[-DAYS_KEPT - 1 :]
            for old in set(counts) - set(kept):
                del counts[old]
            counts[day] = Counter()
        return counts[day]
