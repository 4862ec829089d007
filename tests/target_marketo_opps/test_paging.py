"""Test lookups of the target with unusual paging."""

from __future__ import annotations

import pytest

from marketo_opps.errors import UnexpectedResponseError
from tests.odd_pages import FirstPageAgain, always_a_token, change_pages, without_more
from tests.target_marketo_opps.helpers import syncs

TOKEN_ALONE = pytest.mark.parametrize("form", [without_more, always_a_token])
ROLE_FIELDS = ("externalOpportunityId", "leadId", "role", "isPrimary")
ROLES = {"stream_objects": {"opportunity_roles": "opportunity_roles"}}


@pytest.fixture
def sandbox(marketo_sandbox_factory):
    return marketo_sandbox_factory(opportunities=300, leads=100, short_pages=1.0)


@TOKEN_ALONE
def test_unchanged_opportunities_are_found_with_token_paging(sandbox, singer, monkeypatch, form):
    messages = [singer.schema(), *(singer.opportunity(f"K{n}") for n in range(300))]
    singer.run(sandbox, messages).succeeded()
    pages = change_pages(sandbox, monkeypatch, "query", form)
    before = len(syncs(sandbox))
    run = singer.run(sandbox, messages, skip_unchanged=True).succeeded()
    assert "300 unchanged" in run.closing
    assert len(syncs(sandbox)) == before
    assert len(pages) > 1


@TOKEN_ALONE
def test_unchanged_roles_are_found_with_token_paging(sandbox, singer, monkeypatch, form):
    roles = [{name: one.get(name) for name in ROLE_FIELDS} for one in sandbox.instance.roles()]
    messages = [singer.schema("opportunity_roles", ROLE_FIELDS)]
    messages += [singer.record("opportunity_roles", **one) for one in roles]
    pages = change_pages(sandbox, monkeypatch, "query", form)
    run = singer.run(sandbox, messages, skip_unchanged=True, **ROLES).succeeded()
    assert f"{len(roles)} unchanged" in run.closing
    assert len(pages) > 1


def test_a_lookup_ends_with_the_last_key_found(marketo_sandbox, singer, monkeypatch):
    messages = [singer.schema(), *(singer.opportunity(f"K{n}") for n in range(300))]
    singer.run(marketo_sandbox, messages).succeeded()
    pages = change_pages(marketo_sandbox, monkeypatch, "query", always_a_token)
    run = singer.run(marketo_sandbox, messages, skip_unchanged=True).succeeded()
    assert "300 unchanged" in run.closing
    assert len(pages) == 1


def test_repeated_page_ends_the_run(sandbox, singer, monkeypatch):
    messages = [singer.schema(), *(singer.opportunity(f"K{n}") for n in range(300))]
    singer.run(sandbox, messages).succeeded()
    pages = change_pages(sandbox, monkeypatch, "query", FirstPageAgain())
    messages += [singer.state("end")]
    run = singer.run(sandbox, messages, skip_unchanged=True)
    assert isinstance(run.error, UnexpectedResponseError)
    assert "two pages in a row without new records" in str(run.error)
    assert run.states == []
    assert len(pages) < 10
