"""Finds settings and options that name one file, which would mix or destroy its contents."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

if t.TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def shared_file_errors(
    config: Mapping[str, t.Any], outputs: Sequence[str], inputs: Sequence[str]
) -> list[str]:
    """Return a sentence for each pair of settings that name one file, if a run writes to it.

    Args:
        config: setting names to values.
        outputs: settings with the path of a file to which a run writes.
        inputs: settings with the path of a file that a run reads.
    """
    return [
        sentence
        for number, name in enumerate(outputs, start=1)
        for sentence in errors_of_sharing(
            name,
            config.get(name),
            {each: config.get(each) for each in (*outputs[number:], *inputs)},
        )
    ]


def errors_of_sharing(name: str, path: t.Any, files: Mapping[str, t.Any]) -> list[str]:
    """Return a sentence for each other setting that names the same file.

    Args:
        name: a setting, or an option of the command line.
        path: its value; anything but text, which is another error, names no file.
        files: settings to their values; `name` itself is left out.
    """
    return [
        f"{name} and {other} name the same file ({path}): give each of them a file of its own."
        for other, value in files.items()
        if other != name and _is_same_file(path, value)
    ]


def _is_same_file(one: t.Any, other: t.Any) -> bool:
    """Return whether two values are paths of one file, which need not exist.

    Devices are left out: a run that writes everything to the null device is intended.
    """
    if not (isinstance(one, str) and one and isinstance(other, str) and other):
        return False
    try:
        # Unlike `Path.resolve`, this does not fail on a loop of links.
        is_same = os.path.realpath(one) == os.path.realpath(other) or Path(one).samefile(other)
        return is_same and not Path(one).is_char_device()
    except (OSError, ValueError):
        # A file does not exist, or a path contains a NUL or an unpaired surrogate.
        return False
