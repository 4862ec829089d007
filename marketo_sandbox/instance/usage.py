"""Counts of calls and errors per day, for the daily API quota and the usage endpoints."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from marketo_sandbox.instance.clock import Clock

    CountsByDay = dict[str, Counter[str]]

DAYS_KEPT = 7


class DailyUsage:
    """Count API calls by user and errors by code, for each of the last days.

    Args:
        clock: the instance's clock, which says when a day ends.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calls: CountsByDay = {}
        self._errors: CountsByDay = {}

    def add_calls(self, calls: int, user: str) -> str:
        """Add a number of calls by an API user to today's count, and return today's ISO date."""
        self._today(self._calls)[user] += calls
        return self._clock.day()

    def set_calls_today(self, calls: int, user: str) -> None:
        """Set the total number of today's API calls, as if users had made more or fewer calls.

        Args:
            calls: the new total.
            user: API user whose count changes; other users' counts are lowered only if this user
                has too few calls.
        """
        today = self._today(self._calls)
        today[user] += max(0, calls - today.total())
        for each in sorted(today, key=lambda name: name != user):
            today[each] -= min(today[each], max(0, today.total() - calls))
        self._calls[self._clock.day()] = +today

    def remove_call(self, user: str, day: str) -> None:
        """Subtract one call of an API user from a day's count, if counts of that day are kept."""
        if day in self._calls:
            self._calls[day] -= Counter([user])

    def add_error(self, code: str) -> None:
        """Add one to today's count of an error code."""
        self._today(self._errors)[code] += 1

    def calls_today(self) -> int:
        """Return the number of calls counted since midnight US Central time."""
        return self._calls.get(self._clock.day(), Counter()).total()

    def calls_by_user(self, days: int) -> list[dict[str, Any]]:
        """Return the numbers of API calls by user, for each of the last ``days`` days.

        The list has the format of the usage endpoint, with the newest day first.
        """
        return self._report(self._calls, days, "users", "userId")

    def errors_by_code(self, days: int) -> list[dict[str, Any]]:
        """Return the numbers of errors by error code, for each of the last ``days`` days.

        The list has the format of the error endpoint, with the newest day first.
        """
        return self._report(self._errors, days, "errors", "errorCode")

    def dump(self) -> str:
        """Return call and error counts as JSON text, which ``load`` restores after a restart."""
        return json.dumps([self._calls, self._errors])

    def load(self, text: str | None) -> None:
        """Restore call and error counts from a JSON text of ``dump``; do nothing if it is None."""
        if text is not None:
            for counts, kept in zip((self._calls, self._errors), json.loads(text), strict=True):
                counts.update({day: Counter(of_day) for day, of_day in kept.items()})

    def clear(self) -> None:
        """Set all counts of calls and errors to zero."""
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
