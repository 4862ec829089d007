"""Texts of `--help`: the purpose of a plugin, the meaning of each option, and examples."""

from __future__ import annotations

import typing as t

from marketo_opps.plugin.command_line import environment_prefix

if t.TYPE_CHECKING:
    import click

_OPTIONS = {
    "version": "Print the version and exit.",
    "about": "Print the plugin's capabilities and settings, and exit.",
    "about_format": "Output format of --about.",
    "config": "JSON file with settings; or ENV for the variables {prefix}<SETTING>, and those of "
    "a .env file in the working directory. May be given several times.",
    "discover": "Print a catalog of all streams and their fields, and exit.",
    "catalog": "Catalog with the streams and fields to read.",
    "state": "State of the last run, from which to resume.",
    "file_input": "File to read messages from instead of standard input.",
}

# Click does not wrap the lines after this mark.
_AS_IT_STANDS = "\b\n"


def set_help(command: click.Command, *, purpose: str, examples: str) -> None:
    """Set the help texts of a plugin's command; other options keep the SDK's texts.

    Args:
        command: the SDK's command.
        purpose: one sentence.
        examples: command lines, which are not wrapped.
    """
    command.help = f"{purpose}\n\n{_AS_IT_STANDS}{examples}"
    prefix = environment_prefix(str(command.name))
    for option in command.params:
        if option.name in _OPTIONS:
            t.cast("click.Option", option).help = _OPTIONS[option.name].format(prefix=prefix)
