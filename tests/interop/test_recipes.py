"""`docs/recipes.md`: a CRM's tables and CSV files into Marketo by Meltano, as the page says."""

from __future__ import annotations

import pytest
import yaml

from tests.manual.pages import Reader, blocks, page, section
from tests.pipeline.compare import held
from tests.pipeline.meltano_project import own_project

# Two Meltano pipelines take a minute of `make test`.
pytestmark = [pytest.mark.slow, pytest.mark.long]

PAGE = page("recipes.md")
TABLE, FILES = section("From a CRM's tables", PAGE), section("From CSV files", PAGE)
DEALS_CSV, CONTACTS_CSV = blocks("text", FILES)
DEALS = """
create schema sales;
create table sales.deals (
  deal_id bigint primary key, title text, stage text, amount numeric(17, 2), closed_on date,
  won boolean, updated_at timestamptz not null, deleted_at timestamptz
);
insert into sales.deals values
  (1001, 'Chairs, 40', 'Won', 1604.47, '2026-03-04', true, '2026-03-04 10:00Z', null),
  (1002, 'Day care', 'Open', null, '2026-04-01', false, '2026-03-04 11:00Z', null),
  (1003, 'Zażółć', 'Lost', 12, null, null, '2026-03-04 12:00Z', null);
create table sales.deal_contacts (
  deal_id bigint, email text, role text, updated_at timestamptz not null, deleted_at timestamptz,
  primary key (deal_id, email, role)
);
insert into sales.deal_contacts values
  (1001, 'ada@example.com', 'Decision Maker', '2026-03-04 10:00Z', null),
  (1002, 'ada@example.com', 'Champion', '2026-03-04 11:00Z', null),
  (1003, 'ada@example.com', 'Champion', '2026-03-04 12:00Z', null),
  (1003, 'nobody@example.com', 'User', '2026-03-04 12:00Z', null);
"""


TAP_SETTINGS = {
    "host": "string",
    "port": "integer",
    "user": "string",
    "password": "string",
    "database": "string",
    "filter_schemas": "array",
}


@pytest.fixture
def reader_of(tmp_path, destination):
    """Return a function that makes a reader with a recipe's project and the local plugins."""
    destination.instance.add_lead_records([{"email": "ada@example.com"}])

    def make(text, **tap):
        directory = tmp_path / "project"
        directory.mkdir()
        secret = {"TARGET_MARKETO_OPPS_CLIENT_SECRET": destination.client_secret}
        instead = {
            "https://123-ABC-456.mktorest.com/rest": destination.endpoint,
            "your-client-id": destination.credentials["client_id"],
        }
        reader = Reader(text, directory, instead, secret)
        reader.writes("meltano.yml", project(text, tap))
        return reader

    return make


def project(text, tap) -> str:
    """Return the recipe's project file, with the definition of a tap that Meltano would look up.

    Args:
        text: text of the recipe.
        tap: members that complete the tap's definition.
    """
    (shown,) = map(yaml.safe_load, blocks("yaml", text))
    own = own_project()
    (definition,) = own["plugins"]["loaders"]
    (loader,) = shown["plugins"]["loaders"]
    (extractor,) = shown["plugins"]["extractors"]
    # Without this member Meltano does not install the tap.
    extractor.pop("pip_url", None)
    shown["plugins"] = {
        "loaders": [definition | loader],
        "extractors": [{**extractor, **tap, "config": extractor["config"] | tap["config"]}],
    }
    around = {
        "project_id": "recipes",
        "default_environment": "dev",
        "environments": [{"name": "dev"}],
    }
    return yaml.safe_dump({**around, "send_anonymous_usage_stats": False, **shown})


def assert_predicted(told, destination):
    assert "Dry run, if Marketo accepts every record: " in told
    assert "sales-deals: 3 created" in told
    assert "no field for" not in told
    assert held(destination) == {}


def assert_arrived(destination):
    assert {key: deal["name"] for key, deal in held(destination).items()} == {
        "1001": "Chairs, 40",
        "1002": "Day care",
        "1003": "Zażółć",
    }
    first = held(destination)["1001"]
    assert (str(first["amount"]), first["closeDate"]) == ("1604.47", "2026-03-04")
    assert (first["isWon"], first["stage"]) == (True, "Won")


def roles(destination) -> set[tuple[str, str]]:
    """Return deal and role of each role of the lead."""
    stored = destination.instance.roles()
    return {(each["externalOpportunityId"], each["role"]) for each in stored}


@pytest.mark.xdist_group("postgres")
def test_a_crm_table_arrives_and_then_its_changes(reader_of, destination, third_party, database):
    database.execute(DEALS)
    reader = reader_of(
        TABLE,
        variant=None,
        namespace="tap_postgres",
        executable=str(third_party("tap-postgres")),
        capabilities=["catalog", "discover", "state"],
        settings=[{"name": name, "kind": kind} for name, kind in TAP_SETTINGS.items()],
        config=database.settings,
    )
    dry_run, _, run = reader.left.pop().partition("\n")

    assert_predicted(reader.tries(dry_run).stderr, destination)
    reader.tries(run)
    assert_arrived(destination)
    champions = {("1002", "Champion"), ("1003", "Champion")}
    assert roles(destination) == champions | {("1001", "Decision Maker")}

    database.execute(
        "update sales.deals set deleted_at = now(), updated_at = now() where deal_id = 1001;"
        "update sales.deals set amount = 7.5, updated_at = now() where deal_id = 1002;"
        "update sales.deal_contacts set deleted_at = now(), updated_at = now()"
        " where deal_id = 1003 and role = 'Champion'"
    )
    told = reader.tries(run).stderr
    assert held(destination).keys() == {"1002", "1003"}
    assert str(held(destination)["1002"]["amount"]) == "7.50"
    assert told.count("1 deleted") == 2
    assert ("1003", "Champion") not in roles(destination)


def test_a_csv_file_arrives_and_is_not_sent_again(reader_of, destination, third_party):
    program = third_party("tap-spreadsheets")
    reader = reader_of(FILES, executable=str(program), config={})
    for name, text in {"deals.csv": DEALS_CSV, "contacts.csv": CONTACTS_CSV}.items():
        path = reader.directory / name
        path.write_text(text, encoding="utf-8-sig", newline="\r\n")
    (run,) = reader.left

    told = reader.does("meltano run").stderr
    assert "deals: 2 created" in told
    assert roles(destination) == {("1001", "Decision Maker"), ("1002", "Champion")}
    assert "no field for" not in told
    first, second = (held(destination)[key] for key in ("1001", "1002"))
    assert (first["name"], str(first["amount"])) == ("Chairs, 40", "1604.47")
    assert (first["closeDate"], first["isWon"]) == ("2026-03-04", True)
    assert (second.get("amount"), second["isWon"]) == (None, False)

    before = len(destination.journal(operation="sync opportunity"))
    reader.tries(run)
    assert len(destination.journal(operation="sync opportunity")) == before
