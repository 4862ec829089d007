"""The Meltano commands of README, run exactly as written, installation included."""

from __future__ import annotations

import json
import shlex

import pytest
import yaml

from marketo_sandbox.instance.values import format_datetime
from tests.interop.stand_in_wheel import wheel
from tests.manual.pages import ROOT, Reader, blocks, page, section
from tests.pipeline.compare import KEY, keys_with_a_role

pytestmark = pytest.mark.slow

TEXT = section("With Meltano", page("README.md"))
(BY_HAND, CACHE_OFF) = ("meltano init", "_use_cached_catalog false")
CACHE_OFF_LINE = "TAP_MARKETO_OPPS__USE_CACHED_CATALOG=false"
AGAIN = "meltano run tap-marketo-opps target-postgres"
SHOWN = "/path/to/marketo-opps"
# A loader that appends its input to a file, and prints states as loaders do.
LOADER = r"""exec awk '{ print >> "loaded.jsonl" }
/^[{]"type": *"STATE"/ {
  sub(/^[{]"type": *"STATE", *"value": */, ""); sub(/[}]$/, ""); fflush(); print; fflush() }'"""
# One setting of each type: its text on the command line, and the value that the tap must get.
TYPED = {
    "lead_fields": ('["email", "company"]', ["email", "company"]),
    "stream_maps": ('{"opportunities": {"a": "name"}}', {"opportunities": {"a": "name"}}),
    "lead_id_from": ("7", 7),
    "flattening_enabled": ("true", True),
    "log_format": ("json", "json"),
    "start_date": ("2026-02-01", "2026-02-01"),
}


def commands() -> list[str]:
    """Return the commands of the block, without the lines of its heredoc."""
    (block,) = (each for each in blocks("sh", TEXT) if BY_HAND in each)
    head, _, rest = block.partition("<<'ENV'\n")
    return [*head.splitlines(), *rest.partition("\nENV\n")[2].splitlines()]


@pytest.fixture
def loader(tmp_path):
    """Return a function that writes a loader's definition, which Meltano would look up.

    The function returns the path of the definition.
    """

    def write(executable, settings=()):
        path = tmp_path / "target-postgres.yml"
        told = {
            "name": "target-postgres",
            "namespace": "target_postgres",
            "variant": "meltanolabs",
            "executable": str(executable),
            "settings": [
                {"name": name, "kind": "integer" if name == "port" else "string"}
                for name in settings
            ],
        }
        path.write_text(yaml.safe_dump(told))
        return path

    return write


@pytest.fixture
def follower_of(tmp_path, source):
    """Return a function that makes a reader of README with settings of sandbox and database."""

    def make(loader, database, more=None):
        package = wheel(tmp_path, "tap-marketo-opps", "target-marketo-opps")
        credentials = source.credentials
        instead = {
            f"MARKETO_OPPS={SHOWN}": f"MARKETO_OPPS={package}",
            SHOWN: str(ROOT),
            "https://123-ABC-456.mktorest.com/rest": credentials["endpoint"],
            "CLIENT_ID=...": f"CLIENT_ID={credentials['client_id']}",
            "CLIENT_SECRET=...": f"CLIENT_SECRET={credentials['client_secret']}",
            # The sandbox's activities begin earlier than README's start date.
            "2026-01-01T00:00:00Z": "2020-01-01T00:00:00Z",
            "HOST=localhost": f"HOST={database['host']}",
            "PORT=5432": f"PORT={database['port']}",
            "_USER=...": f"_USER={database['user']}",
            "PASSWORD=...": f"PASSWORD={database['password']}",
            "DATABASE=...": f"DATABASE={database['database']}",
            "meltano add target-postgres": f"meltano add --from-ref {loader} target-postgres",
        }
        directory = tmp_path / "follower"
        directory.mkdir()
        return Reader(TEXT, directory, instead | (more or {}))

    return make


@pytest.fixture
def follower(follower_of, loader, tmp_path):
    """Return a reader of README without its line about the catalog, and with a fast loader."""
    script = tmp_path / "loader"
    script.write_text(f"#!/bin/sh\n{LOADER}\n")
    script.chmod(0o755)
    nowhere = dict.fromkeys(("host", "port", "user", "password", "database"), "1")
    return follower_of(loader(script), nowhere, {f"{CACHE_OFF_LINE}\n": ""})


@pytest.mark.long  # half a minute: a new project with all its installations
@pytest.mark.xdist_group("postgres")
def test_six_commands_load_rows_into_a_new_project(
    follower_of, loader, third_party, database, source
):
    assert len(commands()) <= 6
    database.execute("alter role current_user set timezone to 'America/Chicago'")
    settings = (*database.settings, "default_target_schema")
    path = loader(third_party("target-postgres"), settings)

    follower_of(path, database.settings).does(BY_HAND)

    rows = database.rows("select * from marketo.opportunities")
    assert {row["externalOpportunityId"] for row in rows} == keys_with_a_role(source)
    changed = {
        each[KEY]: format_datetime(each["updatedAt"]) for each in source.instance.opportunities()
    }
    assert {row[KEY]: row["updatedAt"] + "Z" for row in rows}.items() <= changed.items()
    assert database.rows("select * from marketo.opportunity_roles")
    tables = database.rows("select tablename from pg_tables where schemaname = 'marketo'")
    assert len(tables) == 3


@pytest.mark.long
def test_a_new_field_arrives_unless_the_catalog_is_cached(follower, source):
    where = {"at": "/result/0/fields", "where": {"name": "nextStep"}, "drop": True}
    source.fault("patch", operation="describe opportunity", **where)
    follower.does(BY_HAND)
    source.clear_faults()

    follower.tries(AGAIN)
    assert "nextStep" not in columns(follower)

    follower.does(CACHE_OFF)
    follower.tries(AGAIN)
    assert "nextStep" in columns(follower)


def columns(follower) -> set[str]:
    """Return the properties of opportunities in the last SCHEMA message that was loaded."""
    (path,) = follower.directory.rglob("loaded.jsonl")
    messages = [json.loads(line) for line in path.read_text().splitlines()]
    *_, last = (
        each for each in messages if each["type"] == "SCHEMA" and each["stream"] == "opportunities"
    )
    return {*last["schema"]["properties"]}


def test_settings_arrive_with_their_types(tmp_path):
    directory = tmp_path / "project"
    directory.mkdir()
    follower = Reader("", directory, {})
    package = wheel(tmp_path, "tap-marketo-opps")
    follower.tries(f"meltano init p\ncd p\necho MARKETO_OPPS={package} > .env")
    definition = ROOT / "plugins" / "tap-marketo-opps.yml"
    follower.tries(f"meltano add --no-install --from-ref {definition} tap-marketo-opps")

    for name, (typed, _) in TYPED.items():
        setting = shlex.join(["meltano", "config", "set", "tap-marketo-opps", name, typed])
        follower.tries(setting)

    follower.tries("meltano install")
    dumped = follower.tries("meltano invoke --dump=config tap-marketo-opps").stdout
    told = json.loads(dumped)
    assert {name: told[name] for name in TYPED} == {name: one for name, (_, one) in TYPED.items()}
    listed = follower.tries("meltano config list tap-marketo-opps --all").stdout
    assert "Required settings: client_id, client_secret, endpoint\n" in listed
