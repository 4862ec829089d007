"""Search for the stored opportunities or roles that match the filter of a query."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.describe import OPPORTUNITY, ObjectType
from marketo_sandbox.instance.errors import CallRefusedError, RecordRefusedError
from marketo_sandbox.instance.records import Keys, fold_guid, parse_lead_id

if TYPE_CHECKING:
    from marketo_sandbox.instance.context import InstanceContext
    from marketo_sandbox.instance.parameters import QueryRequest
    from marketo_sandbox.instance.storage import Row


class RecordReader:
    """Find the stored opportunities or roles that match a query.

    Args:
        obj: the object to query: opportunity or role.
        context: the parts of the instance; the option ``exact_keys`` says how keys are compared.
    """

    def __init__(self, obj: ObjectType, context: InstanceContext) -> None:
        self._obj = obj
        self._storage = context.storage
        self._keys = Keys(exact=context.options.exact_keys)

    def find(self, request: QueryRequest, after: int, limit: int) -> list[Row]:
        """Return stored records that match a query, in order of their row ids.

        Args:
            request: the query.
            after: id of a row; only rows with greater ids are returned.
            limit: maximum number of records.

        Raises:
            CallRefusedError: for an invalid compound key.
        """
        column, values = self._column(request)
        return self._storage.find(self._obj.table, column, values, after, limit)

    def _column(self, request: QueryRequest) -> tuple[str, list[Any]]:
        """Return the storage column that a query filters by, and the values to find in it."""
        if request.field is None:
            return "key", [self._compound_key(each) for each in request.values]
        if request.field == self._obj.id_field:
            return "guid", [fold_guid(each) for each in request.values]
        if request.field == "externalOpportunityId":
            column = "key" if self._obj is OPPORTUNITY else "parent"
            return column, [self._keys.fold(each) for each in request.values]
        if request.field == "leadId":
            leads = [parse_lead_id(each) for each in request.values]
            return "lead", [each for each in leads if each is not None]
        return self._storage.search_expression(self._obj.table, request.field), request.values

    def _compound_key(self, record: dict[str, Any]) -> str:
        try:
            return self._keys.of(self._obj, record)
        except RecordRefusedError as refusal:
            raise CallRefusedError(refusal.code, refusal.message) from refusal
