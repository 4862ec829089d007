"""Access tokens: one for the service until it expires, however often it is requested."""

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
    """Grant the service's access token and check those of calls.

    Args:
        storage: keeps the token over a restart.
        clock: decides when the token expires.
        life_seconds: life of a new token.
        source: random source of new tokens.
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
        """Return the token in force, or a new one, and the whole seconds that it has left."""
        left = self.seconds_left()
        if not self._token or left <= 0:
            self._renew()
            left = self.seconds_left()
        return self._token, int(left)

    def seconds_left(self) -> float:
        """Return the seconds that the token in force has left; 0 or less if there is none."""
        return self._ends_at - self._clock.seconds() if self._token else 0.0

    def expire(self) -> None:
        """Expire the token in force."""
        self._ends_at = min(self._ends_at, self._clock.seconds())
        self._save()

    def check(self, token: str | None) -> None:
        """Check the token of a call.

        Raises:
            CallRefusedError: 601 for an unknown token or none, 602 for an expired one.
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
