"""The start page in a browser, on a desktop and on a phone."""

from __future__ import annotations

import json

import pytest

from tests.marketo_sandbox.browser import CHROMIUM, Browser

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine"),
    pytest.mark.xdist_group("browser"),
]
WIDE, PHONES = 1240, (390, 320)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as started:
        yield started


@pytest.fixture
def used(api, sandbox):
    """Return a sandbox that has received three calls, one of which was refused."""
    sandbox.seed(1234, leads=7)
    sandbox.fault("713", times=1, operation="usage")
    api.get("/rest/v1/stats/usage.json")
    api.sync([{"externalOpportunityId": "a"}, {"externalOpportunityId": "b", "name": "n"}])
    return sandbox


def show(browser, sandbox, *, calls, width=WIDE, scheme="light"):
    browser.open(f"{sandbox.endpoint}/rest", width=width, scheme=scheme)
    browser.wait_for(f"document.querySelectorAll('tr.call').length === {calls}")
    return " ".join(browser.evaluate("document.body.innerText").split())


def test_the_page_shows_records_calls_limits_and_faults(browser, used):
    words = show(browser, used, calls=3)
    assert "Opportunities 1,235" in words
    assert "2 of 50,000" in words
    assert "713 usage · always, limit 1 injected: 1" in words
    assert "1 skipped · 1 created · reasons 1002 (1)" in words
    assert "injected fault: 713" in words


def test_the_chart_has_units_on_its_axes(browser, used):
    words = show(browser, used, calls=3)
    assert "4/s 2/s 0 3 min ago 2 min 1 min now" in words


def test_a_click_shows_and_hides_request_and_response(browser, used):
    show(browser, used, calls=3)
    browser.evaluate("document.querySelector('tr.call button').click()")
    browser.wait_for("document.querySelectorAll('.exchange pre').length === 2")
    request, response = browser.evaluate(
        "[...document.querySelectorAll('.exchange pre')].map(each => each.textContent)"
    )
    assert request.startswith("POST /rest/v1/opportunities.json")
    assert json.loads(request.split("\n\n")[-1])["input"][0] == {"externalOpportunityId": "a"}
    assert response.startswith("HTTP 200")
    assert json.loads(response.split("\n\n")[-1])["result"][0]["status"] == "skipped"
    browser.evaluate("document.querySelector('tr.call').click()")
    assert browser.evaluate("document.querySelectorAll('.exchange').length") == 0


def test_an_expanded_call_stays_expanded_as_calls_arrive(browser, api, used):
    show(browser, used, calls=3)
    browser.evaluate("document.querySelector('tr.call button').click()")
    api.get("/rest/v1/stats/usage.json")
    browser.wait_for("document.querySelectorAll('tr.call').length === 4")
    assert browser.evaluate("document.querySelectorAll('tr.call + tr.detail').length") == 1


def test_the_page_shows_credentials_and_a_curl_command(browser, used):
    show(browser, used, calls=3)
    codes = browser.evaluate(
        "[...document.querySelectorAll('#credentials code')].map(each => each.textContent)"
    )
    assert codes[:3] == [used.endpoint, used.client_id, used.client_secret]
    assert json.loads(codes[3]) == used.credentials
    assert codes[4].startswith("curl -s -H")
    assert browser.evaluate("document.querySelectorAll('#credentials button').length") == 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", PHONES)
def test_the_outcome_of_each_call_is_visible_on_a_phone(browser, used, width, scheme):
    words = show(browser, used, calls=3, width=width, scheme=scheme)
    assert "1 skipped" in words
    label = "getComputedStyle(document.querySelector('td.asked'), '::before').content"
    assert browser.evaluate(label) == '"requested "'
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    edges = browser.evaluate(
        "[...document.querySelectorAll('tr.call .pill')].map(each => "
        "[each.getBoundingClientRect().left, each.getBoundingClientRect().right])"
    )
    assert len(edges) == 3
    assert all(0 < left < right <= width for left, right in edges)
    background = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(18, 22, 27)") == (scheme == "dark")


def test_connection_details_are_expanded_until_the_first_call(browser, start, used):
    empty = start()
    browser.open(empty.endpoint, width=PHONES[0])
    browser.wait_for("document.getElementById('connect').open")
    show(browser, used, calls=3)
    assert browser.evaluate("document.getElementById('connect').open") is False
