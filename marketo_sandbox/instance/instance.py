"""A sandbox instance: a Marketo subscription that tests can also seed, change and reset."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.describe import OPPORTUNITY, ROLE, ObjectType
from marketo_sandbox.instance.errors import RecordRefusedError
from marketo_sandbox.instance.lead_database import to_stored_lead
from marketo_sandbox.instance.lead_editing import LeadEditor
from marketo_sandbox.instance.parameters import WriteRequest
from marketo_sandbox.instance.records import decode, to_stored_record
from marketo_sandbox.instance.seed import Seeder
from marketo_sandbox.instance.subscription import Subscription
from marketo_sandbox.instance.writing import RecordWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from marketo_sandbox.options import SandboxOptions


class Instance(Subscription):
    """A Marketo subscription that its owner can seed, change, inspect and reset.

    Every public method may be called from any thread.

    Args:
        options: options of the instance; by default an empty instance with Adobe's limits.
        real: returns the real time in seconds since 1970, from which the instance's clock starts.
        monotonic: returns monotonic real seconds, for the rate limit.
    """

    def __init__(
        self,
        options: SandboxOptions | None = None,
        *,
        real: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(options, real=real, monotonic=monotonic)
        if self.storage.meta("seeded") is None:
            self.seed(self.options.opportunities, leads=self.options.leads)

    def seed(self, opportunities: int, *, leads: int | None = None, **more: Any) -> None:
        """Add opportunities, leads, roles and activities, generated from the option ``seed``.

        ``Seeder.run`` describes the arguments.
        """
        with self.lock, self.storage.transaction():
            Seeder(self.context).run(opportunities, leads=leads, **more)
            self.storage.set_meta("seeded", "yes")

    def reset(self) -> None:
        """Delete all records, activities and usage counts; keep the credentials and the clock."""
        with self.lock:
            with self.storage.transaction():
                self.storage.clear()
            self.limits.reset()
            self.daily_usage.clear()

    def add_leads(self, ids: Iterable[int]) -> None:
        """Add leads with the given ids and generated field values; skip ids of existing leads."""
        with self.lock, self.storage.transaction():
            LeadEditor(self.context).add(ids)

    def add_lead_records(self, records: Iterable[Mapping[str, Any]]) -> list[int]:
        """Add leads with the given field values and return their ids; see ``LeadEditor``."""
        with self.lock, self.storage.transaction():
            return LeadEditor(self.context).add_records(records)

    def leads(self, after: int = 0, limit: int = -1) -> list[dict[str, Any]]:
        """Return leads as they are stored, in order of their ids.

        Fields without a value are left out, and dates are in seconds since 1970.

        Args:
            after: id of a lead; only leads with greater ids are returned.
            limit: maximum number of leads; -1 for all.
        """
        with self.lock:
            return [to_stored_lead(row) for row in self.storage.scan("lead", after, limit)]

    def merge_leads(self, kept: int, merged: Sequence[int], *, anew: bool = False) -> None:
        """Merge leads into the lead ``kept``; ``LeadEditor.merge`` describes the arguments."""
        with self.lock, self.storage.transaction():
            LeadEditor(self.context).merge(kept, merged, anew=anew)

    def delete_leads(self, ids: Sequence[int]) -> None:
        """Delete leads and their roles; see ``LeadEditor.delete``."""
        with self.lock, self.storage.transaction():
            LeadEditor(self.context).delete(ids)

    def add_to_list(self, list_id: int, leads: Iterable[int]) -> None:
        """Add leads to the static list ``list_id``; see ``LeadEditor.add_to_list``."""
        with self.lock, self.storage.transaction():
            LeadEditor(self.context).add_to_list(list_id, [*leads])

    def lead_ids(self) -> list[int]:
        """Return the ids of all leads."""
        with self.lock:
            return self.storage.lead_ids()

    def opportunity_ids(self, offset: int = 0, limit: int = -1) -> list[str]:
        """Return the externalOpportunityIds of stored opportunities in order of creation.

        Marketo's API has no operation that lists them.

        Args:
            offset: number of ids to skip.
            limit: maximum number of ids; -1 for all.
        """
        with self.lock:
            rows = self.storage.scan("opportunity", limit=limit, offset=offset)
            return [decode(row.body)["externalOpportunityId"] for row in rows]

    def records(self, obj: ObjectType, after: int = 0, limit: int = -1) -> list[dict[str, Any]]:
        """Return the stored opportunities or roles, in order of creation.

        Fields without a value are left out, dates are in seconds since 1970, and GUIDs have no
        trailing blank.

        Args:
            obj: the type of the records, opportunity or role.
            after: number of a record; only records created later are returned.
            limit: maximum number of records; -1 for all.
        """
        with self.lock:
            return [to_stored_record(row) for row in self.storage.scan(obj.table, after, limit)]

    def opportunities(self) -> list[dict[str, Any]]:
        """Return all stored opportunities in order of creation, in the format of ``records``."""
        return self.records(OPPORTUNITY)

    def roles(self) -> list[dict[str, Any]]:
        """Return all stored roles in order of creation, in the format of ``records``."""
        return self.records(ROLE)

    def change(self, ids: Iterable[str], fields: Mapping[str, Any]) -> int:
        """Set field values of opportunities, as a Marketo user would in the UI.

        Each change sets ``updatedAt`` and adds activities, but counts as no API call.

        Args:
            ids: externalOpportunityIds of the opportunities.
            fields: new field values for each opportunity.

        Returns:
            The number of changed opportunities.

        Raises:
            RecordRefusedError: for a value that is invalid for its field.
        """
        count = 0
        for each in ids:
            write = WriteRequest(
                "updateOnly", by_id=False, records=[{"externalOpportunityId": each, **fields}]
            )
            with self.lock, self.storage.transaction():
                (result,) = RecordWriter(OPPORTUNITY, self.context).sync(write)
            if result["status"] == "skipped":
                reason = result["reasons"][0]
                raise RecordRefusedError(reason["code"], reason["message"])
            count += 1
        return count

    def expire_tokens(self) -> None:
        """Make the current access token invalid, so that calls with it are refused with 602."""
        with self.lock:
            self.access.expire()

    def expire_page_tokens(self) -> None:
        """Make all page tokens issued so far invalid; calls with them are refused with 1003."""
        with self.lock:
            self.page_tokens.generation += 1
            self.storage.set_meta("page_token_generation", str(self.page_tokens.generation))

    def counts(self) -> dict[str, int]:
        """Return how many opportunities, roles, leads and activities are stored, by these names."""
        with self.lock:
            tables = {"opportunities": "opportunity", "roles": "role", "leads": "lead"}
            tables["activities"] = "activity"
            return {name: self.storage.count(table) for name, table in tables.items()}
