"""Random changes of deals, roles and leads in an instance, as people make them."""

from __future__ import annotations

from marketo_sandbox.instance.describe import OPPORTUNITY, ROLE

KEY = "externalOpportunityId"
COMPANIES = [f"company-{number}" for number in range(7)]
STAGES = ("Prospecting", "Verhandlung läuft", "受注", "Closed Won", None)
ROLE_NAMES = ("Decision Maker", "Champion")
ROLE_KEYS = (KEY, "leadId", "role")
LONGEST_PAUSE_SECONDS = 3000


class People:
    """Do something to an instance, and know which deals have had a role.

    Args:
        sandbox: the instance, where all deals get a company.
        dice: draws what they do.

    Attributes:
        ever: deals that have had a role since the beginning.
        held: roles that have been there, with the same lead, since `watch` was called last; each
            with its deal.
        done: how often each was done.
    """

    def __init__(self, sandbox, dice):
        self._sandbox, self._instance, self._dice = sandbox, sandbox.instance, dice
        self._acts = [
            *(self.open_deal, self.change_deals, self.change_deals, self.join, self.join),
            *(self.leave, self.change_role, self.lose_deal, self.merge, self.delete_lead),
        ]
        self._number = 0
        self.done = []
        for each in self._instance.opportunity_ids():
            self._instance.change([each], {"externalCompanyId": dice.choice(COMPANIES)})
        self.ever, self.held = set(), {}
        self.watch()

    def act(self):
        """Make one random change, some time after the last one."""
        self._sandbox.advance(self._dice.randrange(1, LONGEST_PAUSE_SECONDS))
        act = self._dice.choice(self._acts)
        act()
        self.done.append(act.__name__)
        self._look()

    def watch(self):
        """Start to record which roles exist."""
        self.held = self._roles()
        self._look()

    def open_deal(self, leads=None):
        """Create a deal with so many roles, by default none to two."""
        self._number += 1
        key = f"new-{self._number}"
        self._write_deal(key)
        for _ in range(self._dice.randrange(3) if leads is None else leads):
            self._write_role(key, self._lead())

    def change_deals(self):
        """Change some deals, with roles or without."""
        ids = self._instance.opportunity_ids()
        some = self._dice.sample(ids, self._dice.randrange(1, 6))
        changes = {"stage": self._dice.choice(STAGES), "amount": self._dice.randrange(10**6)}
        self._instance.change(some, changes)

    def join(self):
        """Add a lead, sometimes a new one, to a deal."""
        self._write_role(self._deal(), self._lead())

    def leave(self):
        """Remove a lead from a deal."""
        if role := self._role():
            self._delete(ROLE, role)

    def leave_last(self):
        """Remove the lead that was added last from its deal."""
        role = self._instance.roles()[-1]
        self._delete(ROLE, {name: role[name] for name in ROLE_KEYS})

    def change_role(self):
        """Make a lead the primary one of a deal."""
        if role := self._role():
            self._write(ROLE, role | {"isPrimary": True})

    def lose_deal(self):
        """Delete a deal with its roles, and sometimes create another one with the same ID."""
        key = self._deal()
        self._delete(OPPORTUNITY, {KEY: key})
        if self._dice.random() < 0.3:
            self._write_deal(key)
            self._write_role(key, self._lead())

    def merge(self):
        """Merge one or two leads into another."""
        leads = [*self._instance.lead_ids(), self._new_lead(), self._new_lead()]
        kept, *gone = self._dice.sample(leads, self._dice.randrange(2, 4))
        self._instance.merge_leads(kept, gone, anew=self._dice.choice([False, True]))

    def delete_lead(self):
        """Delete a lead with its roles."""
        self._new_lead()
        self._instance.delete_leads([self._dice.choice(self._instance.lead_ids())])

    def _look(self):
        now = self._roles()
        self.held = {each: deal for each, deal in self.held.items() if each in now}
        self.ever |= {*now.values()}

    def _roles(self):
        """Return the deal of each role, by the role's GUID and lead."""
        deals = {each[KEY]: each["marketoGUID"] for each in self._instance.opportunities()}
        return {
            (role["marketoGUID"], role["leadId"]): deals[role[KEY]]
            for role in self._instance.roles()
        }

    def _deal(self):
        return self._dice.choice(self._instance.opportunity_ids())

    def _role(self):
        roles = self._instance.roles()
        role = self._dice.choice(roles) if roles else {}
        return {name: role[name] for name in ROLE_KEYS if role}

    def _lead(self):
        is_new = self._dice.random() < 0.3
        return self._new_lead() if is_new else self._dice.choice(self._instance.lead_ids())

    def _new_lead(self):
        number = self._instance.storage.next_id("lead")
        self._instance.add_leads([number])
        return number

    def _write_deal(self, key):
        company = self._dice.choice(COMPANIES)
        self._write(OPPORTUNITY, {KEY: key, "name": f"Deal {key}", "externalCompanyId": company})

    def _write_role(self, key, lead):
        self._write(ROLE, {KEY: key, "leadId": lead, "role": self._dice.choice(ROLE_NAMES)})

    def _write(self, obj, record):
        (result,) = self._instance.sync(obj, {"input": [record]})["result"]
        assert result["status"] in {"created", "updated"}, result

    def _delete(self, obj, key):
        (result,) = self._instance.delete(obj, {"input": [key]})["result"]
        assert result["status"] == "deleted", result
