"""The texts of `--help`, and running a plugin as a module."""

from __future__ import annotations

import re
import subprocess
import sys

import click
import pytest

from tap_marketo_opps.tap import TapMarketoOpps
from target_marketo_opps.target import TargetMarketoOpps

PLUGINS = [TapMarketoOpps, TargetMarketoOpps]


@pytest.fixture(params=PLUGINS, ids=lambda plugin: plugin.name)
def plugin(request):
    return request.param


def help_of(plugin):
    command = plugin.get_singer_command()
    return command.get_help(click.Context(command, info_name=plugin.name))


def test_help_shows_the_purpose_and_the_examples(plugin):
    told = help_of(plugin)
    verb = "Read" if plugin is TapMarketoOpps else "Write"
    assert told.splitlines()[2].startswith(f"  {verb} opportunities and their roles")
    lines = re.findall(rf"^    .*{plugin.name} (.*)$", told, re.MULTILINE)
    assert len(lines) > 3
    known = {name for each in plugin.get_singer_command().params for name in each.opts}
    assert {name for line in lines for name in re.findall(r"--[a-z]+", line)} <= known


def test_every_option_has_a_help_text(plugin):
    texts = {each.opts[0]: each.help for each in plugin.get_singer_command().params}
    prefix = plugin.name.upper().replace("-", "_")
    assert f"{prefix}_<SETTING>" in texts["--config"]
    assert all(text and text.endswith(".") for text in texts.values())
    # An option that the SDK adds later would keep the SDK's text.
    assert not [text for text in texts.values() if text.startswith(("Display", "Use a", "A path"))]


@pytest.mark.slow
def test_a_plugin_can_be_run_as_a_module(plugin):
    module = plugin.name.replace("-", "_")
    done = subprocess.run(
        [sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(f"{plugin.name} v")
