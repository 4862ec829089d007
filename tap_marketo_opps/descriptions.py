"""What describe says of the two objects; each is asked once."""

from __future__ import annotations

import functools
import logging
import typing as t

from marketo_opps import MarketoError, MarketoObject
from marketo_opps.field_types import is_known_type
from tap_marketo_opps.errors import means_no_roles, without_roles
from tap_marketo_opps.schemas import with_timestamps

if t.TYPE_CHECKING:
    from marketo_opps import MarketoClient, ObjectDescription

_LOGGER = logging.getLogger("tap-marketo-opps")


class Descriptions:
    """What describe says, with the two dates that records have in any case.

    Args:
        client: To ask with.
    """

    def __init__(self, client: MarketoClient) -> None:
        self._client = client

    @functools.cached_property
    def opportunities(self) -> ObjectDescription:
        """Return what it says of opportunities."""
        description = self._client.describe(MarketoObject.OPPORTUNITIES)
        for name, data_type in unknown_types(description).items():
            _LOGGER.info("Unknown data type %r, of %s: read as a string.", data_type, name)
        return with_timestamps(description)

    @functools.cached_property
    def roles(self) -> ObjectDescription:
        """Return what it says of roles.

        Raises:
            MarketoError: They cannot be read, or the instance has none.
        """
        return with_timestamps(self._client.describe(MarketoObject.OPPORTUNITY_ROLES))

    def roles_if_any(self) -> ObjectDescription | None:
        """Return what it says of roles; None on an instance that has none, and say so."""
        try:
            return self.roles
        except MarketoError as error:
            if not means_no_roles(error):
                raise
            _LOGGER.warning("%s", without_roles(error))
            return None


def unknown_types(description: ObjectDescription) -> dict[str, str]:
    """Return the data types that nobody knows, each by the first field that has it."""
    unknown: dict[str, str] = {}
    for field in description.fields:
        if not is_known_type(field.data_type) and field.data_type not in unknown.values():
            unknown[field.name] = field.data_type
    return unknown
