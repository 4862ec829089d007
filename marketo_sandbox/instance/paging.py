"""Paging of query results: where a page begins, its size, and the token of the next page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

    from marketo_sandbox.instance.page_tokens import PageTokens
    from marketo_sandbox.options import SandboxOptions


class Pager:
    """Convert page tokens to positions in a query's results, and positions to page tokens.

    Args:
        tokens: makes and reads page tokens.
        options: options of the instance; ``short_pages`` and the dialect ``tokens-only`` apply.
        source: random source that decides which pages are short.
    """

    def __init__(self, tokens: PageTokens, options: SandboxOptions, source: random.Random) -> None:
        self._tokens = tokens
        self._options = options
        self._source = source

    def position(self, token: str | None, checksum: str) -> int:
        """Return the position in a query's results after which the requested page begins.

        The position of the first page, which is requested without a token, is 0.

        Args:
            token: the page token of the call, if any.
            checksum: checksum of the query.

        Raises:
            CallRefusedError: 1003 if the token is unknown, expired or of another query.
        """
        return self._tokens.read(token, checksum)[0] if token else 0

    def size(self, requested: int) -> int:
        """Return the number of records to put on a page: the requested number, or at random fewer.

        The option ``short_pages`` is the probability of a smaller page.
        """
        if requested > 1 and self._source.random() < self._options.short_pages:
            return self._source.randrange(1, requested)
        return requested

    def next_page_members(
        self, checksum: str, position: int, *, more: bool, has_more_result: bool = True
    ) -> dict[str, Any]:
        """Return the members ``nextPageToken`` and ``moreResult`` of a page's response.

        For the last page the result is empty. In the dialect ``tokens-only`` every page, even the
        last, has a token and no ``moreResult``.

        Args:
            checksum: checksum of the query.
            position: position of the last record on the page.
            more: True if more records follow.
            has_more_result: False for endpoints whose responses never have ``moreResult``.
        """
        token = {"nextPageToken": self._tokens.make(checksum, [position])}
        if "tokens-only" in self._options.dialects:
            return token
        if not more:
            return {}
        return {**token, "moreResult": True} if has_more_result else token
