"""Connection settings: endpoint, credentials, and the share of the instance's limits."""

from __future__ import annotations

import ipaddress
import re
import typing as t
from dataclasses import dataclass, field, fields
from importlib import metadata
from urllib.parse import urlsplit

from marketo_opps.errors import SettingsError

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PACKAGE_NAME = "marketo-opps"

_HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")
_REQUIRED = ("endpoint", "client_id", "client_secret")
_HOST = re.compile(r"(?!.{254})[\w-]{1,63}(\.[\w-]{1,63})*\.?")


def default_user_agent() -> str:
    """Return the default for the header `User-Agent`: `marketo-opps/<version>`."""
    return f"{PACKAGE_NAME}/{metadata.version(PACKAGE_NAME)}"


@dataclass(frozen=True)
class ConnectionSettings:
    """Address and credentials of an instance, and the share of its limits that a client may use.

    `endpoint` is scheme and host only, such as `https://123-ABC-456.mktorest.com`. The secrets are
    not part of `repr`.
    """

    endpoint: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    calls_per_20_seconds: int = 50
    max_concurrent_calls: int = 5
    daily_call_limit: int | None = None
    limits_path: str | None = None
    max_retry_seconds: float = 300
    user_agent: str = field(default_factory=default_user_agent)

    @classmethod
    def from_config(cls, config: Mapping[str, t.Any]) -> ConnectionSettings:
        """Return the connection settings in a plugin's configuration.

        Args:
            config: setting names to values; other settings are ignored.

        Raises:
            SettingsError: a required setting is missing or empty, or a value is invalid.
        """
        for name in _REQUIRED:
            if not str(config.get(name) or "").strip():
                raise SettingsError(f"Setting '{name}' is missing or empty.")
        names = [each.name for each in fields(cls)]
        given = {name: config[name] for name in names if config.get(name) is not None}
        for sentence in unencodable_settings(given).values():
            raise SettingsError(sentence)
        given["endpoint"] = instance_address(given["endpoint"])
        given["client_id"] = given["client_id"].strip()
        given["client_secret"] = given["client_secret"].strip()
        if not _HEADER_VALUE.fullmatch(given.get("user_agent", "-")):
            raise SettingsError(
                "Invalid value for setting 'user_agent': must be printable ASCII, as HTTP requires."
            )
        return cls(**given)

    @property
    def host(self) -> str:
        """Return the instance's host and port, in lower case."""
        return urlsplit(self.endpoint).netloc.lower()

    @property
    def is_loopback(self) -> bool:
        """Return whether the instance runs on this machine."""
        return _is_loopback(urlsplit(self.endpoint).hostname or "")


def unencodable_settings(config: Mapping[str, t.Any]) -> dict[str, str]:
    """Return an error sentence, by setting name, for each value with text that is not Unicode.

    JSON may contain half a surrogate pair, and Python reads bytes of an environment variable that
    are not UTF-8 as such halves. They can neither be sent nor written.

    Args:
        config: setting names to values, which are JSON values.
    """
    places = ((name, _unencodable_place(value)) for name, value in config.items())
    return {
        name: f"Invalid value for setting '{name}'{place}: must be text in UTF-8, without half a "
        "surrogate pair."
        for name, place in places
        if place is not None
    }


def _unencodable_place(value: t.Any) -> str | None:
    """Return the place, such as `[1]` or `['a']`, of the first text in a JSON value with a half.

    It is empty for the value itself, and for an object with a half in a name; None without a half.
    """
    if isinstance(value, str):
        return None if _is_encodable(value) else ""
    if isinstance(value, dict) and not all(map(_is_encodable, value)):
        return ""
    for step, member in _members(value):
        place = _unencodable_place(member)
        if place is not None:
            return f"[{step!r}]{place}"
    return None


def _members(value: t.Any) -> Iterable[tuple[t.Any, t.Any]]:
    if isinstance(value, dict):
        return value.items()
    return enumerate(value) if isinstance(value, list) else ()


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def instance_address(endpoint: str) -> str:
    """Return scheme and host of an endpoint in any form that Marketo's admin pages show.

    Args:
        endpoint: with or without a trailing `/`, `/rest` or `/identity`.

    Raises:
        SettingsError: it is not a URL, not a REST endpoint, or plain http to a remote host.
    """
    text = endpoint.strip()
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError:
        host = None
    if not host or url.scheme not in {"http", "https"} or not _is_valid_host(host):
        raise SettingsError(
            "Invalid value for setting 'endpoint': not a URL. It should look like "
            "https://123-ABC-456.mktorest.com/rest (in Marketo: Admin > Web Services > REST API)."
        )
    if url.path.lstrip("/").startswith("soap/") or host.endswith(".mktoapi.com"):
        raise SettingsError(
            "Invalid value for setting 'endpoint': this is the SOAP endpoint. Use the one of the "
            "REST API, which Marketo shows below it (Admin > Web Services), such as "
            "https://123-ABC-456.mktorest.com/rest."
        )
    if url.path.strip("/") not in {"", "rest", "identity"} or url.query or url.username:
        raise SettingsError(
            "Invalid value for setting 'endpoint': must be the instance's address only, such as "
            "https://123-ABC-456.mktorest.com/rest, without further path, query or user."
        )
    if url.scheme == "http" and not _is_loopback(host):
        raise SettingsError(
            f"Invalid value for setting 'endpoint': plain http to {host}. The client secret would "
            "cross the network unencrypted. Use https; plain http is for loopback addresses only."
        )
    return f"{url.scheme}://{url.netloc}"


def _is_valid_host(host: str) -> bool:
    return bool(_HOST.fullmatch(host) or _ip_address(host))


def _is_loopback(host: str) -> bool:
    address = _ip_address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
