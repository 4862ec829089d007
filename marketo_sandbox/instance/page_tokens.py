"""Page tokens: opaque, bound to their query, and worth nothing once declared expired."""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

import msgspec

from marketo_sandbox.instance.errors import CallRefusedError

_SIGNATURE_BYTES = 8


def query_checksum(*parts: Any) -> str:
    """What identifies a query apart from its page: the same parameters, the same checksum."""
    return hashlib.blake2b(msgspec.json.encode(parts), digest_size=6).hexdigest()


class PageTokens:
    """Makes and reads tokens; they carry all they need, so a restart does not lose them.

    Args:
        secret: kept with the instance; a token signed with another is unknown.
        generation: tokens of an earlier one have expired.
    """

    def __init__(self, secret: bytes, generation: int = 0) -> None:
        self._secret = secret
        self.generation = generation

    def make(self, query: str, position: list[int]) -> str:
        """The token that leads on from a position in a query, by its checksum."""
        payload = msgspec.json.encode([self.generation, query, position])
        return base64.b32encode(self._sign(payload) + payload).decode()

    def read(self, token: str, query: str) -> list[int]:
        """The position that a token stands for.

        Raises:
            CallRefusedError: 1003, when it is unknown, has expired or belongs to another query.
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
