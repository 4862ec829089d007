"""Numbers with nouns, and request IDs, for messages; pure."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return a number and a noun, in the plural unless the number is 1, such as `3 queries`."""
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"


def request_note(request_id: str | None, *before: str) -> str:
    """Return a request ID in parentheses with a blank before them, such as ` (requestId r#1)`.

    Args:
        request_id: of a response; None or empty if the response has none.
        before: texts to put before it in the same parentheses; empty ones are left out.

    Returns:
        An empty string if there is nothing to put into the parentheses.
    """
    parts = [*before, f"requestId {request_id}" if request_id else ""]
    inner = ", ".join(filter(None, parts))
    return f" ({inner})" if inner else ""
