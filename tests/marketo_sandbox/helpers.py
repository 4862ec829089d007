"""Latency without waiting, and what a response says in a list that a test can compare."""

from __future__ import annotations

import asyncio
import threading

POLL_SECONDS = 0.001


class HeldLatency:
    """A sandbox's sleep that lasts until the test ends it, however many seconds it is given."""

    def __init__(self):
        self.seconds = 0.0
        self.ended = threading.Event()

    async def __call__(self, seconds):
        self.seconds += seconds
        while seconds and not self.ended.is_set():  # noqa: ASYNC110 - set from another thread
            await asyncio.sleep(POLL_SECONDS)


def codes(answer):
    """Those that the whole call was refused with."""
    return [error["code"] for error in answer.get("errors", [])]


def outcome(answer):
    """Status, or the code of the reason, of each result."""
    return [
        each["status"] if each["status"] != "skipped" else each["reasons"][0]["code"]
        for each in answer["result"]
    ]
