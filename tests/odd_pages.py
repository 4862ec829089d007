"""Sandboxes whose pages have unusual page tokens."""

from __future__ import annotations

# Where reading goes on for ever, the pages end after so many all the same, and the test fails.
MOST_PAGES = 200
_LAST = "LAST"


def change_pages(sandbox, monkeypatch, verb, change):
    """Change each page of an operation by `change`, which gets the response and the request."""
    instance = sandbox.instance
    answered = getattr(instance, verb)
    pages = []

    def answer(*asked):
        pages.append(asked)
        if len(pages) > MOST_PAGES:
            return {"result": [], "moreResult": False}
        return change(lambda: answered(*asked), asked[-1])

    monkeypatch.setattr(instance, verb, answer)
    return pages


def without_more(answered, _asked):
    """Return the page with a token if more follow, and never `moreResult`."""
    answer = answered()
    answer.pop("moreResult", None)
    return answer


def always_a_token(answered, asked):
    """Return the page with a token; the last token leads to an empty page."""
    if asked.get("nextPageToken") == _LAST:
        return {"result": [], "nextPageToken": _LAST}
    return {"nextPageToken": _LAST} | without_more(answered, asked)


class FirstPageAgain:
    """Return the first page again and again, with its own token."""

    def __init__(self):
        self._page = None

    def __call__(self, answered, _asked):
        self._page = self._page or answered()
        return dict(self._page)
