"""The proxy that the environment names."""

from __future__ import annotations

import pytest

from marketo_opps.errors import SettingsError
from marketo_opps.proxies import usable_proxy
from marketo_opps.redaction import REDACTOR

BASE = "https://marketo.invalid"


@pytest.mark.parametrize(
    ("proxy", "usable"),
    [
        ("http://proxy:3128", "http://proxy:3128"),
        ("proxy:3128", "http://proxy:3128"),
        ("  https://proxy.example.com/ ", "https://proxy.example.com/"),
        ("HTTP://PROXY", "http://PROXY"),
        ("http://[::1]:65535", "http://[::1]:65535"),
        ("http://a_b-c.d:0", "http://a_b-c.d:0"),
        ("http://me@proxy", "http://me@proxy"),
        ("http://me:@proxy", "http://me:@proxy"),
        ("http://m e:p@ss@proxy:1", "http://m%20e:p%40ss@proxy:1"),
        ("http://m/e:p@proxy", "http://m%2Fe:p@proxy"),
        ("me:p://s/s@proxy:1", "http://me:p%3A%2F%2Fs%2Fs@proxy:1"),
        ("http://me:p://s@proxy", "http://me:p%3A%2F%2Fs@proxy"),
        ("http://me:a:b@proxy", "http://me:a%3Ab@proxy"),
        ("http://me:p%40ss@proxy", "http://me:p%40ss@proxy"),
        ("http://me:\u00e9@proxy", "http://me:%C3%A9@proxy"),
    ],
)
def test_user_name_and_password_are_encoded(proxy, usable):
    assert usable_proxy(proxy, BASE) == usable


@pytest.mark.parametrize(
    ("proxy", "why"),
    [
        ("socks5://proxy:1", "it is not the address of an HTTP proxy"),
        ("://proxy", "it is not the address of an HTTP proxy"),
        ("http://proxy:65536", "it is not the address of an HTTP proxy"),
        ("http://proxy/path", "it is not the address of an HTTP proxy"),
        ("http://", "it is not the address of an HTTP proxy"),
        (
            "http://me:\u2603@proxy",
            "its user name or password contains a character outside Latin-1",
        ),
        (
            "http://%E2%98%83@proxy",
            "its user name or password contains a character outside Latin-1",
        ),
    ],
)
def test_another_address_is_refused_with_the_reason(proxy, why):
    with pytest.raises(SettingsError) as caught:
        usable_proxy(proxy, BASE)
    assert str(caught.value) == (
        f"The proxy for {BASE} cannot be used ({why}): correct HTTPS_PROXY in the environment."
    )


@pytest.mark.parametrize("proxy", ["http://me:secret%20word@proxy", "ftp://me:secret%20word@proxy"])
def test_the_password_is_redacted_as_given_and_decoded(proxy):
    try:
        usable_proxy(proxy, BASE)
    except SettingsError:
        assert proxy.startswith("ftp")
    assert "secret" not in REDACTOR.redact("a secret word, a secret%20word")
