"""The SDK's own tests of a tap, for all streams."""

from __future__ import annotations

import atexit

import pytest
from singer_sdk.testing import SuiteConfig, get_tap_test_class

from marketo_sandbox.options import LimitOptions, SandboxOptions
from marketo_sandbox.server.server import SandboxServer
from tap_marketo_opps.tap import TapMarketoOpps

# Only tombstones have the mark, and only `reconcile` emits any.
pytestmark = pytest.mark.filterwarnings(
    r"ignore:Fields in transformed catalog but not in records. \(\{'_sdc_deleted_at'\}\)"
)

# The SDK discovers the streams when this module is imported, so the instance is there by then.
SANDBOX = SandboxServer(
    SandboxOptions(opportunities=120, leads=60, limits=LimitOptions(enforced=False))
).start()
atexit.register(SANDBOX.stop)

CONFIG = {
    **SANDBOX.credentials,
    "find_by": "lead_ids",
    "lead_id_from": 1,
    "lead_id_to": 60,
    "start_date": "2020-01-01T00:00:00Z",
}


def _catalog_with_everything():
    catalog = TapMarketoOpps(config=dict(CONFIG)).catalog_dict
    for entry in catalog["streams"]:
        for item in entry["metadata"]:
            item["metadata"]["selected"] = True
    return catalog


TestTapMarketoOpps = get_tap_test_class(
    TapMarketoOpps,
    config=CONFIG,
    catalog=_catalog_with_everything(),
    parse_env_config=False,
    suite_config=SuiteConfig(max_records_limit=20),
)
