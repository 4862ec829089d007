"""Pages of queries: where one begins, how long it is, and what leads on from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

    from marketo_sandbox.instance.page_tokens import PageTokens
    from marketo_sandbox.options import SandboxOptions


class Pager:
    """Turn page tokens into positions, and positions into page tokens.

    Args:
        tokens: makes and reads them.
        options: says how pages end, and whether some are short.
        source: decides which pages are short.
    """

    def __init__(self, tokens: PageTokens, options: SandboxOptions, source: random.Random) -> None:
        self._tokens = tokens
        self._options = options
        self._source = source

    def position(self, token: str | None, checksum: str) -> int:
        """Return the position that a page begins after; 0 without a token.

        Raises:
            CallRefusedError: 1003 for a token that is unknown, expired or another query's.
        """
        return self._tokens.read(token, checksum)[0] if token else 0

    def size(self, requested: int) -> int:
        """Return how many records a page holds at most."""
        if requested > 1 and self._source.random() < self._options.short_pages:
            return self._source.randrange(1, requested)
        return requested

    def onward(
        self, checksum: str, position: int, *, more: bool, tells_more: bool = True
    ) -> dict[str, Any]:
        """Return the members of a page's envelope that lead on to the next page.

        Args:
            checksum: of the query.
            position: of the last record of the page.
            more: True if there are records past it.
            tells_more: False for endpoints that never say `moreResult`.
        """
        token = {"nextPageToken": self._tokens.make(checksum, [position])}
        if "tokens-only" in self._options.dialects:
            return token
        if not more:
            return {}
        return {**token, "moreResult": True} if tells_more else token
