"""Latency without real waiting, and short forms of responses for comparison in tests."""

from __future__ import annotations

import asyncio
import threading

POLL_SECONDS = 0.001


class HeldLatency:
    """A ``sleep`` for a sandbox that lasts until the test sets ``ended``, for any duration."""

    def __init__(self):
        self.seconds = 0.0
        self.ended = threading.Event()

    async def __call__(self, seconds):
        self.seconds += seconds
        while seconds and not self.ended.is_set():  # noqa: ASYNC110 - set from another thread
            await asyncio.sleep(POLL_SECONDS)


def codes(answer):
    """Return the error codes of a response, without record-level reasons."""
    return [error["code"] for error in answer.get("errors", [])]


def outcome(answer):
    """Return the status of each result, or the code of its first reason if it was skipped."""
    return [
        each["status"] if each["status"] != "skipped" else each["reasons"][0]["code"]
        for each in answer["result"]
    ]
