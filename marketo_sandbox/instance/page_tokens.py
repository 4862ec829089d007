"""Page tokens: signed, bound to their query, and refused after they expire."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import msgspec

from marketo_sandbox.instance.errors import CallRefusedError

_SIGNATURE_BYTES = 8


def query_checksum(*parts: Any) -> str:
    """Return a checksum of a query's parameters; page tokens with another checksum are refused."""
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=6).hexdigest()


class PageTokens:
    """Make and read page tokens.

    A token contains its position in the results, so it stays valid after the sandbox restarts.

    Args:
        secret: key that signs tokens; tokens signed with another key are refused.
        generation: number contained in new tokens; tokens with another number are expired.
    """

    def __init__(self, secret: bytes, generation: int = 0) -> None:
        self._secret = secret
        self.generation = generation

    def make(self, query: str, position: list[int]) -> str:
        """Return a page token for the page of a query's results that begins after a position.

        Args:
            query: checksum of the query that the token belongs to.
            position: position in the query's results after which the page begins.
        """
        payload = msgspec.json.encode([self.generation, query, position])
        return base64.b32encode(self._sign(payload) + payload).decode()

    def read(self, token: str, query: str) -> list[int]:
        """Return the position that a page token contains.

        Args:
            token: the page token.
            query: checksum of the query with which the token was sent.

        Raises:
            CallRefusedError: 1003 if the token is unknown, expired or of another query.
        """
        generation, bound_to, position = self._open(token)
        if generation != self.generation or bound_to != query:
            raise _refused()
        return position

    def _open(self, token: str) -> tuple[int, str, list[int]]:
        try:
            raw = base64.b32decode(token)
        except ValueError as error:
            raise _refused() from error
        payload = raw[_SIGNATURE_BYTES:]
        if not hmac.compare_digest(raw[:_SIGNATURE_BYTES], self._sign(payload)):
            raise _refused()
        return msgspec.json.decode(payload, type=tuple[int, str, list[int]])

    def _sign(self, payload: bytes) -> bytes:
        return hashlib.blake2b(payload, key=self._secret, digest_size=_SIGNATURE_BYTES).digest()


def _refused() -> CallRefusedError:
    # Adobe documents no code for this; 1003 is the closest ("data submitted is not valid").
    return CallRefusedError("1003", "Invalid next page token")
