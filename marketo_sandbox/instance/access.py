"""Access tokens: one token for the custom service, which stays the same until it expires."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from marketo_sandbox.instance.errors import CallRefusedError

if TYPE_CHECKING:
    import random

    from marketo_sandbox.instance.clock import Clock
    from marketo_sandbox.instance.storage import Storage

API_USER = "opportunities@sandbox.example"


class AccessTokens:
    """Issue the access token of the custom service, and check the access tokens that calls send.

    Args:
        storage: stores the token, so that it survives a restart.
        clock: the instance's clock, by which the token expires.
        life_seconds: lifetime of a new token.
        source: random source for new tokens.
    """

    def __init__(
        self, storage: Storage, clock: Clock, life_seconds: int, source: random.Random
    ) -> None:
        self._storage = storage
        self._clock = clock
        self.life_seconds = life_seconds
        self._source = source
        self._token = storage.meta("token") or ""
        self._ends_at = float(storage.meta("token_ends_at") or 0)
        self._expired = set((storage.meta("tokens_expired") or "").split())

    def grant(self) -> tuple[str, int]:
        """Return the current access token and the seconds until it expires.

        If the current token has expired, issue a new one.
        """
        left = self.seconds_left()
        if not self._token or left <= 0:
            self._renew()
            left = self.seconds_left()
        return self._token, int(left)

    def seconds_left(self) -> float:
        """Return the seconds until the current access token expires; 0 or less if none is valid."""
        return self._ends_at - self._clock.seconds() if self._token else 0.0

    def expire(self) -> None:
        """Make the current access token invalid; calls that still send it are refused with 602."""
        self._ends_at = min(self._ends_at, self._clock.seconds())
        self._save()

    def check(self, token: str | None) -> None:
        """Check that the access token of a call is the current token and has not expired.

        Raises:
            CallRefusedError: 601 for a missing or unknown token, 602 for an expired token.
        """
        if token and token == self._token and self.seconds_left() > 0:
            return
        if token and (token == self._token or token in self._expired):
            raise CallRefusedError("602")
        raise CallRefusedError("601")

    def _renew(self) -> None:
        if self._token:
            self._expired.add(self._token)
        self._token = f"{uuid.UUID(int=self._source.getrandbits(128), version=4)}:int"
        self._ends_at = self._clock.seconds() + self.life_seconds
        self._save()

    def _save(self) -> None:
        self._storage.set_meta("token", self._token)
        self._storage.set_meta("token_ends_at", repr(self._ends_at))
        self._storage.set_meta("tokens_expired", " ".join(sorted(self._expired)))
