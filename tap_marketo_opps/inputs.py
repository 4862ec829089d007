"""The files that the command line names, read so that a bad one is told in one sentence."""

from __future__ import annotations

import io
import json
import typing as t
from pathlib import Path

from marketo_opps import SettingsError


def checked_config_paths(paths: tuple[str, ...]) -> tuple[str, ...]:
    """The paths given by `--config`, once each is known to hold a JSON object.

    Raises:
        SettingsError: one cannot be read, or is something else.
    """
    for path in paths:
        if path != "ENV":
            try:
                text = Path(path).read_text(encoding="utf-8")
            except (OSError, UnicodeError) as error:
                reason = getattr(error, "strerror", None) or "it is no UTF-8"
                raise SettingsError(f"--config: cannot read {path}: {reason}.") from None
            _check_object("--config", path, text)
    return paths


def checked(option: str, file: t.IO[str] | None) -> t.IO[str] | None:
    """The same of an open file; what is returned is to be read instead.

    Raises:
        SettingsError: it is no JSON object.
    """
    if file is None:
        return None
    try:
        text = file.read()
    except (OSError, UnicodeError):
        raise SettingsError(f"{option}: {file.name} cannot be read as UTF-8.") from None
    _check_object(option, file.name, text)
    return io.StringIO(text)


def _check_object(option: str, path: str, text: str) -> None:
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise SettingsError(
            f"{option}: {path} is no JSON: {error.msg} in line {error.lineno}, column "
            f"{error.colno}."
        ) from None
    if not isinstance(value, dict):
        raise SettingsError(f"{option}: {path} holds no JSON object.")
