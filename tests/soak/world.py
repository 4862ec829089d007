"""Activity in the source while the tap reads it: changes of opportunities, roles, leads, lists."""

from __future__ import annotations

import random
import typing as t
from collections import Counter
from datetime import datetime

from tests.soak.api_user import ApiUser
from tests.soak.new_values import new_values

if t.TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.pipeline.sandbox_process import SandboxProcess
    from tests.soak.plan import Event

Record = dict[str, t.Any]
RoleKey = tuple[str, int, str]

KEY = "externalOpportunityId"
ROLES = ("Decision Maker", "Champion", "Économiste")
DEALS_PATH, ROLES_PATH = "opportunities", "opportunities/roles"
LIST = 1001


def role_key(role: Record) -> RoleKey:
    """Return the key of a role: opportunity, lead, role."""
    return role[KEY], role["leadId"], role["role"]


class World:
    """Users who change records of the source instance, and leads of both.

    No key is ever used again: a tombstone of a record would delete a later one of the same key.

    Args:
        source: the instance from which records are copied.
        destination: the instance to which they are copied, which has the same leads.
        seed: random seed of the changes.

    Attributes:
        last_lead: greatest id of a lead.
        done: number of records changed, by kind of change.
        removed: leads that the destination does not have any more.
    """

    def __init__(self, source: SandboxProcess, destination: SandboxProcess, seed: int) -> None:
        self._source, self._destination = source, destination
        self._seed = seed
        self._api = ApiUser(source)
        self._used = {role_key(each) for each in self._roles()}
        self._ids: list[str] = source.ask("opportunities/ids")["ids"]
        with_role = {key[0] for key in self._used}
        self._alone = [each for each in self._ids if each not in with_role]
        self._leads = [each["id"] for each in source.ask("leads")["records"]]
        self.last_lead = max(self._leads)
        self._members = self._leads[::3]
        source.tell("lists", {"list": LIST, "leads": self._members})
        self.done: Counter[str] = Counter()
        self.removed: set[int] = set()
        self._touched: list[tuple[float, set[str]]] = []

    def act(self, event: Event) -> None:
        """Make the change that an event names, with details drawn from seed and event number."""
        dice = random.Random(f"{self._seed}:{event.number}:{event.which}")
        acts: dict[str, Callable[[random.Random, Event], None]] = {
            "fields": self._change_fields,
            "new": self._open_deals,
            "first_role": self._give_first_role,
            "new_lead": self._meet_lead,
            "merge": self._merge_leads,
            "delete_lead": self._delete_lead,
            "lose_deals": self._lose_deals,
            "leave": self._leave,
            "list": self._change_list,
        }
        acts[event.which](dice, event)

    def touched_since(self, moment: float) -> set[str]:
        """Return the opportunities that were deleted, or lost or moved a role, since a moment.

        Args:
            moment: seconds since 1970 by the source's clock.
        """
        return {key for when, keys in self._touched if when >= moment for key in keys}

    def close(self) -> None:
        self._api.close()

    # Opportunities

    def _change_fields(self, dice: random.Random, _event: Event) -> None:
        ids = dice.sample(self._ids, dice.randint(1, 40))
        self._source.tell("change", {"ids": ids, "fields": new_values(dice)})
        self.done["changed"] += len(ids)

    def _open_deals(self, dice: random.Random, event: Event) -> None:
        ids = [f"SOAK-{event.number:06d}-{index}" for index in range(dice.randint(1, 12))]
        deals = [{KEY: each, "name": f"Deal {each}", **new_values(dice)} for each in ids]
        self._api.sync(f"{DEALS_PATH}.json", deals)
        self._write_roles([self._role(dice, each) for each in ids])
        self._ids += ids
        self.done["new"] += len(ids)

    def _lose_deals(self, dice: random.Random, _event: Event) -> None:
        ids = dice.sample(self._ids, dice.randint(1, 3))
        self._touch(ids)
        self._api.delete(f"{DEALS_PATH}/delete.json", [{KEY: each} for each in ids])
        self._ids = [each for each in self._ids if each not in ids]
        self._alone = [each for each in self._alone if each not in ids]
        self.done["lost"] += len(ids)

    # Roles

    def _give_first_role(self, dice: random.Random, _event: Event) -> None:
        if self._alone:
            lucky = self._alone.pop(dice.randrange(len(self._alone)))
            self._write_roles([self._role(dice, lucky)])
            self.done["first_role"] += 1

    def _leave(self, dice: random.Random, _event: Event) -> None:
        keys = [role_key(each) for each in self._roles()]
        left = dice.sample(keys, min(len(keys), dice.randint(1, 3)))
        self._touch(key[0] for key in left)
        self._api.delete(f"{ROLES_PATH}/delete.json", [_role(*key) for key in left])
        self.done["left"] += len(left)

    def _role(self, dice: random.Random, external_id: str, lead: int | None = None) -> Record:
        while True:
            key = external_id, lead or dice.choice(self._leads), dice.choice(ROLES)
            if key not in self._used:
                self._used.add(key)
                return _role(*key)

    def _write_roles(self, roles: list[Record]) -> None:
        self._api.sync(f"{ROLES_PATH}.json", roles)

    def _roles(self) -> list[Record]:
        return t.cast("list[Record]", self._source.ask("roles")["records"])

    # Leads and lists

    def _meet_lead(self, dice: random.Random, _event: Event) -> None:
        self.last_lead += 1
        self._leads.append(self.last_lead)
        for instance in (self._destination, self._source):
            instance.tell("leads", {"ids": [self.last_lead]})
        self._write_roles([self._role(dice, dice.choice(self._ids), self.last_lead)])
        self.done["new_lead"] += 1

    def _merge_leads(self, dice: random.Random, _event: Event) -> None:
        """Merge two leads; if their roles stay the same records, delete one in the destination.

        Nobody can tell from the source that such a role had another lead before.
        """
        kept, merged = dice.sample(self._leads, 2)
        roles = {lead: self._roles_of(lead) for lead in (kept, merged)}
        moved = {(deal, kept, role) for deal, _, role in roles[merged]}
        if moved & (self._used - roles[kept]):
            return
        self._used |= moved
        anew = dice.random() < 0.5
        self._touch(key[0] for key in roles[kept] | roles[merged])
        self._source.tell("leads/merge", {"kept": kept, "merged": [merged], "anew": anew})
        if merged in self._members:
            self._members = [*{*self._members, kept} - {merged}]
        if not anew:
            self._destination.tell("leads/delete", {"ids": [merged]})
            self.removed.add(merged)
        self._leads.remove(merged)
        self.done["merged"] += 1

    def _delete_lead(self, dice: random.Random, _event: Event) -> None:
        lead = dice.choice(self._leads)
        self._touch(key[0] for key in self._roles_of(lead))
        self._source.tell("leads/delete", {"ids": [lead]})
        self._leads.remove(lead)
        self._members = [each for each in self._members if each != lead]
        self.done["deleted_lead"] += 1

    def _change_list(self, dice: random.Random, _event: Event) -> None:
        others = [each for each in self._leads if each not in self._members]
        joining, leaving = dice.sample(others, 5), dice.sample(self._members, 5)
        self._api.add_members(LIST, joining)
        self._api.remove_members(LIST, leaving)
        self._members = [each for each in self._members if each not in leaving] + joining
        self.done["joined_list"] += len(joining)
        self.done["left_list"] += len(leaving)

    def members(self) -> set[int]:
        """Return the leads of the static list."""
        return {*self._members}

    def _roles_of(self, lead: int) -> set[RoleKey]:
        return {role_key(each) for each in self._roles() if each["leadId"] == lead}

    def _touch(self, ids: Iterable[str]) -> None:
        now = datetime.fromisoformat(self._source.ask("clock")["now"])
        self._touched.append((now.timestamp(), {*ids}))


def _role(external_id: str, lead: int, role: str) -> Record:
    return {KEY: external_id, "leadId": lead, "role": role}
