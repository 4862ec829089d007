"""Another API client of the source, which does not use this project."""

from __future__ import annotations

import time
import typing as t

import requests

if t.TYPE_CHECKING:
    from tests.pipeline.sandbox_process import SandboxProcess

Record = dict[str, t.Any]

USER_AGENT = "soak-world"
ANSWER_SECONDS = 30.0
TRIES = 60
NOT_FOUND = "1013"
# The processes are limited to 75 calls in 20 s, and the instance accepts 100.
MOST_CALLS_IN_WINDOW = 80


class ApiUser:
    """An API client that makes one call at a time, and retries it until it succeeds.

    Args:
        instance: the instance.
    """

    def __init__(self, instance: SandboxProcess) -> None:
        self._instance = instance
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["User-Agent"] = USER_AGENT

    def sync(self, path: str, records: list[Record]) -> None:
        """Upsert opportunities or roles."""
        self._write("POST", path, {"action": "createOrUpdate", "input": records})

    def delete(self, path: str, keys: list[Record]) -> None:
        """Delete opportunities or roles; after a lost response they may be gone already."""
        self._write("POST", path, {"deleteBy": "dedupeFields", "input": keys}, gone=NOT_FOUND)

    def add_members(self, number: int, leads: list[int]) -> None:
        """Add leads to a static list."""
        self._write("POST", f"lists/{number}/leads.json", _members(leads))

    def remove_members(self, number: int, leads: list[int]) -> None:
        """Remove leads from a static list."""
        self._write("DELETE", f"lists/{number}/leads.json", _members(leads))

    def close(self) -> None:
        self._http.close()

    def _write(self, method: str, path: str, body: Record, *, gone: str = "") -> None:
        """Call until the call succeeds.

        Raises:
            AssertionError: if Marketo skips a record, which is an error of the soak test itself.
        """
        for number in range(TRIES):
            answer = self._call(method, path, body)
            if answer.get("success"):
                skipped = [each for each in answer["result"] if each["status"] == "skipped"]
                if number:
                    skipped = [each for each in skipped if each["reasons"][0]["code"] != gone]
                assert not skipped, f"the source refused what the soak wrote: {skipped[:3]}"
                return
            time.sleep(0.3)
        raise AssertionError(f"the source took no {path}: {answer}")

    def _call(self, method: str, path: str, body: Record) -> Record:
        self._await_room()
        try:
            answer = self._http.request(
                method,
                f"{self._instance.credentials['endpoint']}/rest/v1/{path}",
                json=body,
                headers={"Authorization": f"Bearer {self._token()}"},
                timeout=ANSWER_SECONDS,
            )
            return t.cast("Record", answer.json())
        except requests.RequestException as error:
            return {"error": str(error)}

    def _token(self) -> str:
        credentials = self._instance.credentials
        parameters = {"grant_type": "client_credentials", **credentials}
        endpoint = parameters.pop("endpoint")
        answer = self._http.get(
            f"{endpoint}/identity/oauth/token", params=parameters, timeout=ANSWER_SECONDS
        )
        return str(answer.json()["access_token"])

    def _await_room(self) -> None:
        while self._instance.ask("status")["limits"]["in_window"] > MOST_CALLS_IN_WINDOW:
            time.sleep(0.2)


def _members(leads: list[int]) -> Record:
    return {"input": [{"id": lead} for lead in leads]}
