"""Results of Marketo's describe calls, each of which is made at most once per process."""

from __future__ import annotations

import functools
import logging
import typing as t
from dataclasses import replace
from types import MappingProxyType

from marketo_opps import MarketoError, MarketoObject, SettingsError
from marketo_opps.field_types import is_known_type
from marketo_opps.near_names import or_near
from tap_marketo_opps.errors import means_no_roles, without_roles
from tap_marketo_opps.schemas import with_timestamps

if t.TYPE_CHECKING:
    from collections.abc import Mapping

    from marketo_opps import FieldDescription, MarketoClient, ObjectDescription

_LOGGER = logging.getLogger("tap-marketo-opps")

_NO_COLUMNS: Mapping[str, str] = MappingProxyType({})


class Descriptions:
    """Describe results of opportunities, roles and leads, fetched when first used.

    `createdAt` and `updatedAt` are added where a description does not list them, because all
    records have them.

    Args:
        client: Client that makes the calls.
        lead_columns: Maps lead columns of roles (`lead_email`) to REST names (`email`).
    """

    def __init__(
        self, client: MarketoClient, lead_columns: Mapping[str, str] = _NO_COLUMNS
    ) -> None:
        self._client = client
        self._lead_columns = lead_columns

    @functools.cached_property
    def opportunities(self) -> ObjectDescription:
        """Return the description of opportunities."""
        description = self._client.describe(MarketoObject.OPPORTUNITIES)
        for name, data_type in unknown_types(description).items():
            _LOGGER.info(
                "Unknown data type %r of field %s: its values are read as strings.", data_type, name
            )
        return with_timestamps(description)

    @functools.cached_property
    def roles(self) -> ObjectDescription:
        """Return the description of roles.

        Raises:
            MarketoError: Roles cannot be read, or the instance has none.
        """
        return with_timestamps(self._client.describe(MarketoObject.OPPORTUNITY_ROLES))

    @functools.cached_property
    def lead_fields(self) -> tuple[FieldDescription, ...]:
        """Return descriptions of the lead fields that the setting `lead_fields` adds to roles.

        They have the names of columns of roles, such as `lead_email` for the lead field `email`.

        Raises:
            SettingsError: Leads of the instance do not have one of the fields.
        """
        if not self._lead_columns:
            return ()
        leads = self._client.describe_leads()
        fields = {column: leads.field(name) for column, name in self._lead_columns.items()}
        if unknown := [self._lead_columns[column] for column, each in fields.items() if not each]:
            named = ", ".join(or_near(name, leads.field_names) for name in unknown)
            raise SettingsError(
                f"lead_fields includes fields that leads of this instance do not have: {named}. "
                "Use the names of the REST API; case matters."
            )
        return tuple(
            replace(each, name=column, display_name=f"Lead: {each.display_name}")
            for column, each in fields.items()
            if each
        )

    def roles_if_any(self) -> ObjectDescription | None:
        """Return the description of roles with the fields of `lead_fields` added.

        Return None, and log a warning, if the instance has no roles.
        """
        try:
            roles = self.roles
        except MarketoError as error:
            if not means_no_roles(error):
                raise
            _LOGGER.warning("%s", without_roles(error))
            return None
        return replace(roles, fields=roles.fields + self.lead_fields)


def unknown_types(description: ObjectDescription) -> dict[str, str]:
    """Return a dict from field name to data type, for data types that the tap does not know.

    Of several fields with one data type, the dict has only the first.
    """
    unknown: dict[str, str] = {}
    for field in description.fields:
        if not is_known_type(field.data_type) and field.data_type not in unknown.values():
            unknown[field.name] = field.data_type
    return unknown
