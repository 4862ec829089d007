"""A client of the Marketo opportunities API; knows nothing of Singer."""

from __future__ import annotations

from marketo_opps.client import TOO_MANY_LEADS, MarketoClient, is_valid_filter_value
from marketo_opps.errors import (
    AccessDeniedError,
    CredentialsError,
    CrmManagedError,
    DailyLimitError,
    DailyQuotaError,
    DataError,
    InvalidFilterValueError,
    MarketoError,
    PageTokenError,
    Recovery,
    RequestRefusedError,
    ResponseError,
    SettingsError,
    StoppedError,
    TooLargeError,
)
from marketo_opps.field_writers import FieldValueError
from marketo_opps.models import (
    BatchOutcome,
    CallCounts,
    FieldDescription,
    LeadDescription,
    MarketoObject,
    ObjectDescription,
    Page,
    Reason,
    Record,
    RecordResult,
)
from marketo_opps.paging import LogPaging, QueryPaging
from marketo_opps.settings import ConnectionSettings
from marketo_opps.wire import (
    MAX_BATCH_RECORDS,
    MAX_BODY_BYTES,
    SYNC_ENVELOPE_BYTES,
    decode_record,
    encode_record,
)

__all__ = [
    "MAX_BATCH_RECORDS",
    "MAX_BODY_BYTES",
    "SYNC_ENVELOPE_BYTES",
    "TOO_MANY_LEADS",
    "AccessDeniedError",
    "BatchOutcome",
    "CallCounts",
    "ConnectionSettings",
    "CredentialsError",
    "CrmManagedError",
    "DailyLimitError",
    "DailyQuotaError",
    "DataError",
    "FieldDescription",
    "FieldValueError",
    "InvalidFilterValueError",
    "LeadDescription",
    "LogPaging",
    "MarketoClient",
    "MarketoError",
    "MarketoObject",
    "ObjectDescription",
    "Page",
    "PageTokenError",
    "QueryPaging",
    "Reason",
    "Record",
    "RecordResult",
    "Recovery",
    "RequestRefusedError",
    "ResponseError",
    "SettingsError",
    "StoppedError",
    "TooLargeError",
    "decode_record",
    "encode_record",
    "is_valid_filter_value",
]
