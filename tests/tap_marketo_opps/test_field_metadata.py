"""Tests of reading the metadata of fields: all of them, or those given by name."""

from __future__ import annotations

import threading

import pytest

from marketo_opps import AccessDeniedError, Page, PageTokenError, Reason
from marketo_opps.plugin.process import ShutdownSignal
from marketo_opps.plugin.workers import Workers
from tap_marketo_opps.errors import FieldsDeniedError
from tap_marketo_opps.field_metadata import FieldReader, read_one_field
from tests.tap_marketo_opps.finding.fakes import REFUSED, page_of


class Client:
    """A client of an instance with three fields; records its calls, and refuses some tokens."""

    def __init__(self, *refused, pages=None):
        self.asked = []
        self._refused = list(refused)
        self._pages = pages or {
            None: page_of([{"name": "a"}, {"name": "b"}], "2"),
            "2": page_of([{"name": "c"}]),
        }

    def browse_fields(self, *, batch_size, next_page_token=None):
        self.asked.append((batch_size, next_page_token))
        if next_page_token in self._refused:
            self._refused.remove(next_page_token)
            raise REFUSED
        return self._pages[next_page_token]

    def field(self, name):
        self.asked.append(name)
        return {"name": name} if name in {"a", "b", "c"} else None


@pytest.fixture
def reader_of():
    """Return a function that returns a reader of a client's fields."""
    workers = Workers(2, "test")
    yield lambda client, **more: FieldReader(client, workers, 200, ShutdownSignal(), **more)
    workers.close()


def test_all_fields_are_read_page_by_page(reader_of):
    client = Client()
    pages = [[each["name"] for each in page] for page in reader_of(client).browse()]
    assert pages == [["a", "b"], ["c"]]
    assert client.asked == [(200, None), (200, "2")]


def test_reading_starts_over_once_after_a_refused_token(reader_of):
    client = Client("2")
    pages = [[each["name"] for each in page] for page in reader_of(client).browse()]
    assert pages == [["a", "b"], ["a", "b"], ["c"]]
    assert [token for _, token in client.asked] == [None, "2", None, "2"]


def test_a_second_refused_token_ends_the_reading(reader_of):
    client = Client("2", "2")
    with pytest.raises(PageTokenError):
        [*reader_of(client).browse()]
    assert [token for _, token in client.asked] == [None, "2", None, "2"]


def test_a_last_page_not_marked_as_last_is_followed_by_an_empty_one(reader_of):
    def page(records, token):
        return Page(records, token, more=None, request_id=None)

    pages = {None: page([{"name": "a"}], "2"), "2": page([], "3")}
    client = Client(pages=pages)
    assert [len(page) for page in reader_of(client).browse()] == [1, 0]


def test_named_fields_are_read_in_the_order_of_their_names(reader_of):
    client = Client()
    reader = reader_of(client)
    assert [*reader.by_name(["c", "x", "a", "y"])] == [[{"name": "c"}], [{"name": "a"}]]
    assert reader.missing == ["x", "y"]
    assert sorted(client.asked) == ["a", "c", "x", "y"]


def test_while_it_waits_other_work_is_done(reader_of):
    worked = threading.Event()

    class Slow(Client):
        def field(self, name):
            assert worked.wait(10)
            return super().field(name)

        def browse_fields(self, **asked):
            assert worked.wait(10)
            return super().browse_fields(**asked)

    reader = reader_of(Slow(), meanwhile=worked.set)
    assert [*reader.by_name(["a"])]
    worked.clear()
    assert [*reader.browse()]


def test_one_field_is_enough_to_know_the_permission():
    client = Client()
    read_one_field(client)
    assert client.asked == [(1, None)]


def test_without_the_permission_the_stream_can_be_deselected():
    class Denied(Client):
        def browse_fields(self, **_):
            raise AccessDeniedError("GET /x", [Reason("603", "Access denied")], "r1")

    with pytest.raises(FieldsDeniedError) as caught:
        read_one_field(Denied())
    assert "603 Access denied (requestId r1)" in str(caught.value)
    assert str(caught.value).endswith("Or deselect the stream opportunity_fields.")
