"""The endpoint and the start page, as HTTP clients and browsers get them."""

from __future__ import annotations

import pytest
import requests


@pytest.mark.parametrize("path", ["/rest", "/rest/", "/"])
def test_the_endpoint_redirects_a_browser_to_the_start_page(api, sandbox, path):
    answer = api.send("GET", path, headers={"Accept": "text/html,application/xml;q=0.9,*/*;q=0.8"})
    assert (answer.status_code, answer.url) == (200, f"{sandbox.endpoint}/")
    assert "<title>Marketo sandbox</title>" in answer.text
    assert sandbox.journal(since=1) == []


def test_the_endpoint_is_610_for_a_client_that_is_no_browser(api, sandbox):
    assert api.get("/rest")["errors"][0]["code"] == "610"
    assert sandbox.acknowledge_problems() == ["unknown route GET /rest"]


def test_the_start_page_loads_nothing_from_elsewhere(sandbox):
    answer = requests.get(f"{sandbox.endpoint}/", timeout=10)
    assert answer.headers["Content-Type"].startswith("text/html")
    for outside in ("http://", "https://", "src=", "@import", "url(", "/* page.css", ".js */"):
        assert outside not in answer.text
    assert "async function refresh()" in answer.text
