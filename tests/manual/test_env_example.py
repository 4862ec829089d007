"""Each variable of .env.example is a setting with a valid value."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from dotenv import dotenv_values

from marketo_opps.plugin.command_line import environment_prefix, environment_settings
from tap_marketo_opps.tap import TapMarketoOpps
from target_marketo_opps.target import TargetMarketoOpps
from tests.manual.pages import ROOT

TEXT = (ROOT / ".env.example").read_text()
PLUGINS = [TapMarketoOpps, TargetMarketoOpps]


def variables(text):
    return dotenv_values(stream=StringIO(text))


WHOLE = re.sub(r"^# (?=[A-Z_]+=)", "", TEXT, flags=re.MULTILINE)


@pytest.mark.parametrize("text", [TEXT, WHOLE], ids=["as it stands", "all of it put in"])
@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_run_accepts_all_variables_of_the_example(plugin, text):
    prefix, properties = environment_prefix(plugin.name), plugin.config_jsonschema["properties"]
    given = {name: value for name, value in variables(text).items() if name.startswith(prefix)}
    settings = environment_settings(properties, prefix, given)
    assert set(plugin.config_jsonschema["required"]) <= settings.keys()
    assert {f"{prefix}{name.upper()}" for name in settings} == given.keys()
    assert plugin.complete_settings(settings) == []


def test_every_variable_of_the_example_is_a_setting():
    named = set(re.findall(r"^(?:# )?([A-Z_]+)=", TEXT, re.MULTILINE))
    assert len(named) > 15
    prefixes = tuple(environment_prefix(plugin.name) for plugin in PLUGINS)
    assert not [name for name in named if not name.startswith(prefixes)]


def test_git_ignores_the_file_of_secrets():
    assert ".env" in (ROOT / ".gitignore").read_text().splitlines()
