"""`docs/many-instances.md`: three parallel jobs, each with its own records, state and limits."""

from __future__ import annotations

import re
import subprocess
import sys
import types

import jsonschema
import pytest
import yaml

from tap_marketo_opps.settings import CONFIG_SCHEMA as TAP_SCHEMA
from target_marketo_opps.settings import CONFIG_SCHEMA as TARGET_SCHEMA
from tests.manual.pages import blocks, page
from tests.pipeline.compare import differences, held, with_a_role
from tests.pipeline.meltano_project import own_project

PAGE = page("many-instances.md")
PROJECT, CRON_JOB = map(yaml.safe_load, blocks("yaml", PAGE))
AIRFLOW, DAGSTER = blocks("python", PAGE)
# A dozen runs of Meltano, on a machine that may be busy.
SECONDS = 600
INSTANCES = ("emea", "amer", "apac")
LEADS = 60
# Lead ids to sweep: 20 calls, which overlap where they may.
LEAD_ID_TO = 6000
LATENCY_MS = 100
WINDOW_SECONDS = 20


@pytest.fixture
def sources(marketo_sandbox_factory):
    return {
        name: marketo_sandbox_factory(
            opportunities=300, leads=LEADS, seed=seed, latency_ms=LATENCY_MS
        )
        for seed, name in enumerate(INSTANCES)
    }


@pytest.fixture
def destinations(marketo_sandbox_factory):
    return {name: marketo_sandbox_factory(seed=9) for name in INSTANCES}


@pytest.fixture
def reader(sources, destinations, reader_of):
    """Return a reader with the page's project, and all credentials in the environment."""
    secrets = {
        **settings("TAP", sources),
        **settings("TARGET", destinations),
        # Several pages, to be stopped between.
        "TAP_MARKETO_AMER_BATCH_SIZE": "50",
    }
    reader = reader_of(PAGE, {"TO=900000": f"TO={LEADS}"}, secrets)
    (reader.directory / "meltano.yml").write_text(project())
    return reader


def settings(kind, sandboxes) -> dict[str, str]:
    """Return variables with each instance's credentials, the first one's under `OPPS` too."""
    return {
        f"{kind}_MARKETO_{name.upper()}_{setting.upper()}": value
        for name, sandbox in [*sandboxes.items(), ("opps", sandboxes["emea"])]
        for setting, value in sandbox.credentials.items()
    }


def project() -> str:
    """Return the page's meltano.yml, completed with the plugin definitions of this repository."""
    shown = yaml.safe_load(blocks("yaml", PAGE)[0])
    for tap in shown["plugins"]["extractors"]:
        tap["config"]["lead_id_to"] = LEAD_ID_TO
    own = own_project()
    for kind, plugins in own["plugins"].items():
        shown["plugins"][kind] = plugins + shown["plugins"][kind]
    return yaml.safe_dump(
        {"project_id": "many", "send_anonymous_usage_stats": False, **shown}, sort_keys=False
    )


def arrived(sources, destinations, name) -> bool:
    return differences(with_a_role(sources[name]), held(destinations[name])) == []


def sweep(sandbox) -> list[dict]:
    """Return the calls that read records, without those of the discovery."""
    return [call for call in sandbox.journal() if str(call["operation"]).startswith("query")]


def most_at_once(sandbox) -> int:
    return max(call["in_flight"] for call in sweep(sandbox))


def most_in_a_window(sandbox) -> int:
    times = [call["started"] for call in sweep(sandbox)]
    return max(sum(0 <= each - first < WINDOW_SECONDS for each in times) for first in times)


@pytest.mark.timeout(SECONDS)
def test_three_concurrent_jobs_do_not_affect_each_other(reader, sources, destinations):
    assert reader.does("meltano state list").stdout == ""

    reader.does("FIND_BY=lead_ids", "xargs -P 3")
    assert [name for name in INSTANCES if not arrived(sources, destinations, name)] == []
    each_stays_in_its_own_limits(sources)

    for source in sources.values():
        source.advance(3600)
        source.instance.change(sorted(with_a_role(source)), {"nextStep": "Sign"})
    sources["amer"].fault("607", operation="query opportunity", skip=3)
    told = reader.does("xargs -P 3", code=123)
    one_fails_and_the_others_do_not(told, sources, destinations)

    sources["amer"].clear_faults()
    elsewhere = [len(sources[name].journal()) for name in ("emea", "apac")]
    told = reader.does("meltano run amer")
    assert "Resuming where the last run stopped." in told.stderr
    assert arrived(sources, destinations, "amer")
    assert [len(sources[name].journal()) for name in ("emea", "apac")] == elsewhere

    kept = sorted(reader.does("meltano state list").stdout.splitlines())
    assert "".join(f"{each}\n" for each in kept) in blocks("text", PAGE)
    a_container_of_its_own(reader)


def each_stays_in_its_own_limits(sources):
    # As its share says; the other shows that it would have been more.
    assert most_at_once(sources["apac"]) == 2
    assert 2 < most_at_once(sources["emea"]) <= 5
    assert most_in_a_window(sources["apac"]) <= 20 < most_in_a_window(sources["emea"])


def one_fails_and_the_others_do_not(told, sources, destinations):
    line = re.search(r"tap-marketo-amer Marketo refused .*: 607 Daily quota reached", told.stderr)
    assert line
    assert f"{line[0]}\n" in blocks("text", PAGE)
    assert told.stderr.count("607 Daily") == 1
    assert arrived(sources, destinations, "emea")
    assert arrived(sources, destinations, "apac")
    assert not arrived(sources, destinations, "amer")


def a_container_of_its_own(reader):
    reader.does("MELTANO_SYS_DIR_ROOT", "--state-id-suffix emea")
    told = reader.does("--state-id-suffix emea").stderr
    assert f"Continuing after the sweep of lead_ids 1-{LEADS}" in told
    (state,) = (reader.directory / "state").rglob("state.json")
    assert f"`{state.parent.name}`" in PAGE
    assert "bookmarks" in state.read_text()


def commands() -> set[str]:
    """Return the commands of the page's shell blocks, `printf ... | xargs` expanded."""
    text = "".join(blocks("sh", PAGE))
    several = re.findall(
        r"printf '%s\\n' ([\w ]+?) \|\s+.*xargs -P \d -n 1 ([\w ]+)\n", text, re.MULTILINE
    )
    single = re.findall(r"^meltano [\w -]+$", text, re.MULTILINE)
    return {f"{command} {name}" for names, command in several for name in names.split()} | {*single}


def test_the_airflow_example_runs_the_tested_commands():
    operators = []
    exec_with(
        AIRFLOW,
        {
            "airflow.sdk": {"DAG": Dag},
            "airflow.providers.standard.operators.bash": {
                "BashOperator": lambda **options: operators.append(options)
            },
        },
    )

    assert [each["bash_command"] for each in operators] == [f"meltano run {i}" for i in INSTANCES]
    assert {each["bash_command"] for each in operators} <= commands()
    for each, instance in zip(operators, INSTANCES, strict=True):
        assert each["append_env"]
        assert names_settings(each["env"], instance)


def names_settings(variables, instance) -> bool:
    """Return whether each variable names a setting of the instance's tap or target."""
    names = {
        f"{kind}_MARKETO_{instance.upper()}_{setting.upper()}"
        for kind, schema in (("TAP", TAP_SCHEMA), ("TARGET", TARGET_SCHEMA))
        for setting in schema["properties"]
    }
    return set(variables) <= names


class Dag:
    """A stand-in for Airflow's DAG that requires `max_active_runs=1`."""

    def __init__(self, dag_id, *, schedule, start_date, catchup, max_active_runs):
        assert max_active_runs == 1

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return None


def test_the_dagster_example_runs_the_tested_commands(monkeypatch):
    run = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: run.append(" ".join(command)))
    made = exec_with(DAGSTER, {"dagster": DAGSTERS_NAMES})

    for schedule in made["defs"]["schedules"]:
        schedule["job"]()

    assert run == [f"meltano run {name}" for name in INSTANCES]
    assert set(run) <= commands()


# A decorator that leaves its function as it is, and makers that tell what they were given.
DAGSTERS_NAMES = {
    **dict.fromkeys(("op", "job"), lambda **_: lambda function: function),
    **dict.fromkeys(("Definitions", "RetryPolicy", "ScheduleDefinition"), dict),
}


def exec_with(code, modules) -> dict:
    """Run a page's Python with stand-ins for modules, and return its names."""
    names: dict = {}
    with pytest.MonkeyPatch.context() as patch:
        for name, members in modules.items():
            module = types.ModuleType(name)
            module.__dict__.update(members)
            patch.setitem(sys.modules, name, module)
            for parent in parents(name):
                patch.setitem(sys.modules, parent, types.ModuleType(parent))
        exec(compile(code, "many-instances.md", "exec"), names)
    return names


def parents(name) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:number]) for number in range(1, len(parts))]


def test_the_kubernetes_example_runs_the_tested_commands():
    (container,) = CRON_JOB["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]

    assert " ".join(container["command"]) in commands()
    assert CRON_JOB["spec"]["concurrencyPolicy"] == "Forbid"
    variables = [each["name"] for each in container["env"] if "MARKETO" in each["name"]]
    assert names_settings(variables, "emea")


def test_settings_on_the_page_are_valid():
    for tap in PROJECT["plugins"]["extractors"]:
        # The plugin itself adds to its schema what the SDK offers.
        properties = TAP_SCHEMA["properties"]
        assert tap["config"].keys() <= properties.keys()
        # Not `validate`, which first checks the schema: the SDK's own part of it has a fault.
        jsonschema.Draft7Validator({"properties": properties}).validate(tap["config"])
