"""Tests of runs over pages without moreResult, or with unusual page tokens."""

from __future__ import annotations

import pytest

from marketo_opps.errors import UnexpectedResponseError
from tests.odd_pages import MOST_PAGES, FirstPageAgain, always_a_token, change_pages, without_more
from tests.tap_marketo_opps.helpers import by_filter, by_lead_ids

TOKEN_ALONE = pytest.mark.parametrize("form", [without_more, always_a_token])
BY_LOG = {"find_by": "activities", "start_date": "2020-01-01T00:00:00Z", "batch_size": 20}
LOG = "opportunity_activities"


def _resumes(output, stream):
    """Return the resume points in the states of a run."""
    return [state["bookmarks"][stream]["resume"] for state in output.states]


def _everything(records, key="marketoGUID"):
    return sorted(record[key] for record in records)


@TOKEN_ALONE
def test_opportunities_come_whole_with_tokens_but_no_more_result(
    sandbox, catalog_of, sync, monkeypatch, form
):
    catalog = catalog_of(sandbox, "opportunities")
    pages = change_pages(sandbox, monkeypatch, "query", form)
    output = sync(by_filter(sandbox, batch_size=20), catalog=catalog)
    assert sorted(output.ids()) == _everything(sandbox.instance.opportunities())
    assert _resumes(output, "opportunities")[-1] is None
    # Each value is one opportunity's: the last one found ends the lookup without a further call.
    assert len(pages) == 400 // 20


@TOKEN_ALONE
def test_without_more_result_all_roles_and_opportunities_come(
    sandbox, catalog_of, sync, monkeypatch, form
):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    whole = sync(by_lead_ids(sandbox), catalog=catalog)
    change_pages(sandbox, monkeypatch, "query", form)
    output = sync(by_lead_ids(sandbox, batch_size=20), catalog=catalog)
    for stream in ("opportunities", "opportunity_roles"):
        assert sorted(output.ids(stream)) == sorted(whole.ids(stream))
        assert len(output.ids(stream)) > 40


@TOKEN_ALONE
def test_a_value_of_many_opportunities_is_read_to_its_end(
    sandbox, catalog_of, sync, monkeypatch, form
):
    catalog = catalog_of(sandbox, "opportunities")
    regions = {one["region"] for one in sandbox.instance.opportunities() if one.get("region")}
    change_pages(sandbox, monkeypatch, "query", form)
    config = by_filter(sandbox, filter_type="region", batch_size=20)
    output = sync({**config, "filter_values": sorted(regions)}, catalog=catalog)
    assert sorted(output.ids()) == sorted(
        one["marketoGUID"] for one in sandbox.instance.opportunities() if one.get("region")
    )


@TOKEN_ALONE
def test_fields_come_whole_with_tokens_but_no_more_result(
    sandbox, catalog_of, sync, monkeypatch, form
):
    catalog = catalog_of(sandbox, "opportunity_fields")
    whole = sync(by_filter(sandbox), catalog=catalog)
    change_pages(sandbox, monkeypatch, "fields", form)
    output = sync(by_filter(sandbox, batch_size=10), catalog=catalog)
    stream = "opportunity_fields"
    assert output.records(stream) == whole.records(stream)


@TOKEN_ALONE
@pytest.mark.parametrize("find", [by_filter, by_lead_ids])
def test_a_chunk_is_read_again_after_its_token_is_refused(
    *, sandbox, catalog_of, sync, monkeypatch, form, find
):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    whole = sync(find(sandbox), catalog=catalog)
    change_pages(sandbox, monkeypatch, "query", form)
    sandbox.fault("expire_page_tokens", operation="query opportunity", skip=3, times=1)
    sandbox.fault("expire_page_tokens", operation="query role", skip=3, times=1)
    output = sync(find(sandbox, batch_size=20, max_concurrent_calls=1), catalog=catalog)
    for stream in ("opportunities", "opportunity_roles"):
        assert {*output.ids(stream)} == {*whole.ids(stream)}
        assert len(output.ids(stream)) > len(whole.ids(stream))


def test_fields_are_read_again_from_their_start_after_a_refused_token(
    sandbox, catalog_of, sync, monkeypatch
):
    catalog = catalog_of(sandbox, "opportunity_fields")
    whole = sync(by_filter(sandbox), catalog=catalog)
    change_pages(sandbox, monkeypatch, "fields", without_more)
    sandbox.fault("expire_page_tokens", path="/rest/v1/opportunities/schema/*", skip=2, times=1)
    output = sync(by_filter(sandbox, batch_size=10), catalog=catalog)
    names = [each.ids("opportunity_fields", key="name") for each in (output, whole)]
    assert {*names[0]} == {*names[1]}


@TOKEN_ALONE
def test_an_interrupted_run_resumes_with_tokens_but_no_more_result(
    sandbox, catalog_of, sync, monkeypatch, form
):
    catalog = catalog_of(sandbox, "opportunities")
    change_pages(sandbox, monkeypatch, "query", form)
    config = by_filter(sandbox, batch_size=20)
    part = sync(config, catalog=catalog, most_bytes=60_000)
    assert 0 < len(part.ids()) < 400
    rest = sync(config, catalog=catalog, state=part.state)
    assert {*part.ids(), *rest.ids()} == {
        one["marketoGUID"] for one in sandbox.instance.opportunities()
    }


@pytest.mark.parametrize("find", [by_filter, by_lead_ids])
def test_a_page_that_comes_again_and_again_ends_the_run(
    sandbox, catalog_of, sync, monkeypatch, find
):
    catalog = catalog_of(sandbox, "opportunities", "opportunity_roles")
    pages = change_pages(sandbox, monkeypatch, "query", FirstPageAgain())
    with pytest.raises(UnexpectedResponseError, match="two pages in a row without new records"):
        sync(find(sandbox, batch_size=20), catalog=catalog)
    assert len(pages) < 20
    assert None not in _resumes(sync.written, "opportunities")


def test_fields_that_come_again_and_again_end_the_run(sandbox, catalog_of, sync, monkeypatch):
    catalog = catalog_of(sandbox, "opportunity_fields")
    pages = change_pages(sandbox, monkeypatch, "fields", FirstPageAgain())
    with pytest.raises(UnexpectedResponseError, match="two pages in a row without new records"):
        sync(by_filter(sandbox, batch_size=10), catalog=catalog)
    assert len(pages) < 20


@pytest.mark.parametrize(
    ("form", "told"),
    [
        (without_more, "no moreResult in a page of the activity log"),
        (FirstPageAgain(), "a page token of the activity log that it sent before"),
    ],
)
def test_a_log_that_does_not_say_where_it_ends_ends_the_run(
    *, sandbox, catalog_of, sync, monkeypatch, form, told
):
    catalog = catalog_of(sandbox, LOG)
    pages = change_pages(sandbox, monkeypatch, "activities", form)
    with pytest.raises(UnexpectedResponseError, match=rf"GET /v1/activities\.json: {told} \(req"):
        sync({**sandbox.credentials, **BY_LOG}, catalog=catalog)
    assert len(pages) < 20
    assert None not in _resumes(sync.written, LOG)


def test_the_token_that_a_walk_goes_on_with_counts_as_seen(sandbox, catalog_of, sync, monkeypatch):
    catalog = catalog_of(sandbox, LOG)
    config = {**sandbox.credentials, **BY_LOG}
    part = sync(config, catalog=catalog, most_bytes=20_000)
    assert part.records(LOG)

    def leads_nowhere(answered, asked):
        return answered() | {"nextPageToken": asked["nextPageToken"], "moreResult": True}

    pages = change_pages(sandbox, monkeypatch, "activities", leads_nowhere)
    with pytest.raises(UnexpectedResponseError, match="that it sent before"):
        sync(config, catalog=catalog, state=part.state)
    # One call may be left over from the run that was killed.
    assert len(pages) <= 2


def test_empty_pages_of_the_log_are_gone_through_and_told(
    sandbox, catalog_of, sync, monkeypatch, caplog
):
    catalog = catalog_of(sandbox, LOG)
    whole = sync({**sandbox.credentials, **BY_LOG}, catalog=catalog)
    empty = iter(range(120))

    def empty_at_first(answered, _asked):
        if (number := next(empty, None)) is not None:
            return {"nextPageToken": f"EMPTY{number}", "moreResult": True}
        return answered()

    read = sandbox.instance.page_tokens.read
    start = sandbox.instance.paging_token({"sinceDatetime": BY_LOG["start_date"]})["nextPageToken"]
    monkeypatch.setattr(
        sandbox.instance.page_tokens,
        "read",
        lambda token, query: read(start if token.startswith("EMPTY") else token, query),
    )
    pages = change_pages(sandbox, monkeypatch, "activities", empty_at_first)
    output = sync({**sandbox.credentials, **BY_LOG}, catalog=catalog)
    assert output.ids(LOG) == whole.ids(LOG)
    assert 120 < len(pages) < MOST_PAGES
    assert caplog.text.count("empty pages of the activity log in a row") == 1
