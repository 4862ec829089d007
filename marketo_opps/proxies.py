"""Reads the proxy that the environment names; its password is never shown."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

from marketo_opps.errors import SettingsError
from marketo_opps.redaction import REDACTOR

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_ADDRESS = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?/?")
_HIGHEST_PORT = 65_535


def usable_proxy(proxy: str, base: str) -> str:
    """Return a proxy's URL with special characters in user name and password percent-encoded.

    Args:
        proxy: the value of the environment variable; without a scheme it counts as `http`.
        base: the instance's address, for error texts.

    Raises:
        SettingsError: it is not the address of an HTTP proxy, or its credentials are not Latin-1.
    """
    text = proxy.strip()
    given = _SCHEME.match(text)
    scheme, rest = (given[1].lower(), text[given.end() :]) if given else ("http", text)
    # Everything before the last @ is user name and password, whatever characters it has.
    credentials, at, address = rest.rpartition("@")
    _protect(credentials)
    if scheme not in {"http", "https"} or not _is_address(address):
        raise _unusable(base, "it is not the address of an HTTP proxy")
    if not _is_latin_1(unquote(credentials)):
        raise _unusable(base, "its user name or password contains a character outside Latin-1")
    return f"{scheme}://{_encoded(credentials)}{at}{address}"


def _protect(credentials: str) -> None:
    password = credentials.partition(":")[2]
    REDACTOR.protect(password)
    REDACTOR.protect(unquote(password))


def _is_address(text: str) -> bool:
    match = _ADDRESS.fullmatch(text)
    return match is not None and int(match[1] or 0) <= _HIGHEST_PORT


def _is_latin_1(text: str) -> bool:
    return text == text.encode("latin-1", errors="replace").decode("latin-1")


def _encoded(credentials: str) -> str:
    user, colon, password = credentials.partition(":")
    return f"{quote(unquote(user), safe='')}{colon}{quote(unquote(password), safe='')}"


def _unusable(base: str, why: str) -> SettingsError:
    return SettingsError(
        f"The proxy for {base} cannot be used ({why}): correct HTTPS_PROXY in the environment."
    )
