"""Activity in the source while the tap reads it: changed and new opportunities and roles."""

from __future__ import annotations

import random
import time
import typing as t

import requests

if t.TYPE_CHECKING:
    from tests.pipeline.sandbox_process import SandboxProcess
    from tests.soak.plan import Event

Record = dict[str, t.Any]

USER_AGENT = "soak-world"
KNOWN_SALES_PERSONS = ("known-1", "known-2")
STRANGERS = ("stranger-1", "stranger-2")
"""Sales people whom the destination does not know: it refuses a whole call for one of them."""

STAGES = ("Prospecting", "Proposal/Quote", "Verhandlung läuft", "受注", "Closed Won")
ROLES = ("Decision Maker", "Champion", "Économiste")
ANSWER_SECONDS = 30.0
# The pair is limited to 40 calls in 20 s, and the instance accepts 100.
MOST_CALLS_IN_WINDOW = 60


class World:
    """Users who change records of the source instance.

    Args:
        source: the instance.
        seed: random seed of the changes.
    """

    def __init__(self, source: SandboxProcess, seed: int) -> None:
        self._source = source
        self._seed = seed
        self._api = ApiUser(source)
        with_role = {role["externalOpportunityId"] for role in source.ask("roles")["records"]}
        ids = source.ask("opportunities/ids")["ids"]
        self._ids = list(ids)
        self._alone = [each for each in ids if each not in with_role]
        self.leads = int(source.ask("status")["counts"]["leads"])
        self.done = {"changed": 0, "new": 0, "first_role": 0, "new_lead": 0}

    def act(self, event: Event) -> None:
        """Make the change that an event names, with details drawn from seed and event number."""
        dice = random.Random(f"{self._seed}:{event.number}:{event.which}")
        acts: dict[str, t.Callable[[random.Random, Event], None]] = {
            "fields": self._change_fields,
            "new": self._open_deals,
            "first_role": self._give_first_role,
            "new_lead": self._meet_lead,
        }
        acts[event.which](dice, event)

    def close(self) -> None:
        self._api.close()

    def _change_fields(self, dice: random.Random, _event: Event) -> None:
        ids = dice.sample(self._ids, dice.randint(1, 40))
        self._source.tell("change", {"ids": ids, "fields": _new_values(dice)})
        self.done["changed"] += len(ids)

    def _open_deals(self, dice: random.Random, event: Event) -> None:
        ids = [f"SOAK-{event.number:06d}-{index}" for index in range(dice.randint(1, 12))]
        deals = [
            {"externalOpportunityId": each, "name": f"Deal {each}", **_new_values(dice)}
            for each in ids
        ]
        self._api.sync("opportunities.json", deals)
        self._api.sync("opportunities/roles.json", [self._role(dice, each) for each in ids])
        self._ids += ids
        self.done["new"] += len(ids)

    def _give_first_role(self, dice: random.Random, _event: Event) -> None:
        if self._alone:
            lucky = self._alone.pop(dice.randrange(len(self._alone)))
            self._api.sync("opportunities/roles.json", [self._role(dice, lucky)])
            self.done["first_role"] += 1

    def _meet_lead(self, dice: random.Random, _event: Event) -> None:
        self.leads += 1
        self._source.tell("leads", {"ids": [self.leads]})
        role = {**self._role(dice, dice.choice(self._ids)), "leadId": self.leads}
        self._api.sync("opportunities/roles.json", [role])
        self.done["new_lead"] += 1

    def _role(self, dice: random.Random, external_id: str) -> Record:
        lead = dice.randint(1, self.leads)
        return {"externalOpportunityId": external_id, "leadId": lead, "role": dice.choice(ROLES)}


class ApiUser:
    """Another API client of the same instance, which retries and does not use this project."""

    def __init__(self, instance: SandboxProcess) -> None:
        self._instance = instance
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["User-Agent"] = USER_AGENT

    def sync(self, path: str, records: list[Record]) -> None:
        """Upsert records, retrying until the call succeeds.

        Raises:
            AssertionError: if Marketo skips a record, which is an error of the soak test itself.
        """
        for _ in range(60):
            answer = self._post(path, {"action": "createOrUpdate", "input": records})
            if answer.get("success"):
                skipped = [each for each in answer["result"] if each["status"] == "skipped"]
                assert not skipped, f"the source refused what the soak wrote: {skipped[:3]}"
                return
            time.sleep(0.3)
        raise AssertionError(f"the source took no {path}: {answer}")

    def close(self) -> None:
        self._http.close()

    def _post(self, path: str, body: Record) -> Record:
        self._await_room()
        try:
            answer = self._http.post(
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


def _new_values(dice: random.Random) -> Record:
    """Return new values of some fields, occasionally None to clear a field."""
    values: Record = {
        "stage": dice.choice(STAGES),
        "amount": f"{dice.randrange(10**9)}.{dice.randrange(100):02d}",
        "probability": dice.randint(0, 100),
        "closeDate": f"2026-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}",
        "isClosed": dice.random() < 0.5,
        "nextStep": dice.choice([None, "Rückruf", 'O\'Reilly "quoted"\nsecond line']),
        "lastTouchedAt": f"2026-03-{dice.randint(1, 28):02d}T10:20:30Z",
        "notes": dice.choice([None, "kurz", "lang " * 2_000]),
        "margin": dice.choice(["0.125", "-3.5", "12345678.87654321"]),
    }
    chosen = {name: values[name] for name in values if dice.random() < 0.5}
    if dice.random() < 0.3:
        chosen["externalSalesPersonId"] = dice.choice([*KNOWN_SALES_PERSONS, *STRANGERS, None])
    return chosen or {"stage": values["stage"]}
