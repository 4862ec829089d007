"""Texts of `--help`: what a plugin is for, what each option takes, and examples."""

from __future__ import annotations

import typing as t

from marketo_opps.plugin.command_line import environment_prefix

if t.TYPE_CHECKING:
    import click

_OPTIONS = {
    "version": "Print the version and exit.",
    "about": "Print what the plugin can do, with all its settings, and exit.",
    "about_format": "Form of what --about prints.",
    "config": "JSON file with settings; or ENV for the variables {prefix}<SETTING>, and those of "
    "a .env file in the working directory. May be given several times.",
    "discover": "Print a catalog of all streams and their fields, and exit.",
    "catalog": "Catalog that says which streams and fields are read.",
    "state": "State that the run before has left, to go on from there.",
    "file_input": "File to read messages from instead of standard input.",
}

# Lines after it are not wrapped.
_AS_IT_STANDS = "\b\n"


def set_help(command: click.Command, *, purpose: str, examples: str) -> None:
    """Set the texts of a plugin's command; a text of its own for another option is kept.

    Args:
        command: the SDK's.
        purpose: one sentence.
        examples: lines that are shown as they stand.
    """
    command.help = f"{purpose}\n\n{_AS_IT_STANDS}{examples}"
    prefix = environment_prefix(str(command.name))
    for option in command.params:
        if option.name in _OPTIONS:
            t.cast("click.Option", option).help = _OPTIONS[option.name].format(prefix=prefix)
