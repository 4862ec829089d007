"""Page tokens: opaque, bound to their query, and refused once expired."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import msgspec

from marketo_sandbox.instance.errors import CallRefusedError

_SIGNATURE_BYTES = 8


def query_checksum(*parts: Any) -> str:
    """Return a checksum of a query's parameters, apart from its page."""
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=6).hexdigest()


class PageTokens:
    """Make and read tokens; each holds its position, so that it survives a restart.

    Args:
        secret: signs tokens; one signed with another is refused.
        generation: tokens of an earlier generation have expired.
    """

    def __init__(self, secret: bytes, generation: int = 0) -> None:
        self._secret = secret
        self.generation = generation

    def make(self, query: str, position: list[int]) -> str:
        """Return the token of a position in a query, given its checksum."""
        payload = msgspec.json.encode([self.generation, query, position])
        return base64.b32encode(self._sign(payload) + payload).decode()

    def read(self, token: str, query: str) -> list[int]:
        """Return the position that a token holds.

        Raises:
            CallRefusedError: 1003 if it is unknown, expired or another query's.
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
    # Adobe prints no code for this: 1003 is the nearest ("data submitted is not valid").
    return CallRefusedError("1003", "Invalid next page token")
