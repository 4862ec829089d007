"""What an answer says, in a list that a test can compare."""

from __future__ import annotations


def codes(answer):
    """Those that the whole call was refused with."""
    return [error["code"] for error in answer.get("errors", [])]


def outcome(answer):
    """Status, or the code of the reason, of each result."""
    return [
        each["status"] if each["status"] != "skipped" else each["reasons"][0]["code"]
        for each in answer["result"]
    ]
