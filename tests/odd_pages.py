"""A sandbox whose pages say less, or something else, of the pages after them."""

from __future__ import annotations

# Where reading goes on for ever, the pages end after so many all the same, and the test fails.
MOST_PAGES = 200
_LAST = "LAST"


def change_pages(sandbox, monkeypatch, verb, change):
    """Have each page of an operation changed: `change` gets the answer, and what was asked."""
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
    """A token where there is more, and never `moreResult`."""
    answer = answered()
    answer.pop("moreResult", None)
    return answer


def always_a_token(answered, asked):
    """A token with every page, which leads to an empty page at last."""
    if asked.get("nextPageToken") == _LAST:
        return {"result": [], "nextPageToken": _LAST}
    return {"nextPageToken": _LAST} | without_more(answered, asked)


class FirstPageAgain:
    """The first page for ever, its own token included."""

    def __init__(self):
        self._page = None

    def __call__(self, answered, _asked):
        self._page = self._page or answered()
        return dict(self._page)
