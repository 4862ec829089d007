"""Someone who reads the manual, and instances to do it with."""

from __future__ import annotations

import pytest

from tests.manual.pages import Reader

PASSED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call":
        item.stash[PASSED] = report.passed
    return report


@pytest.fixture
def reader_of(tmp_path, request):
    """Makes a `Reader` of a page in a directory of its own; it has to come to the page's end."""
    readers = []

    def make(text, instead, environment=None):
        directory = tmp_path / f"reader-{len(readers)}"
        directory.mkdir()
        readers.append(Reader(text, directory, instead, environment))
        return readers[-1]

    yield make
    # One that failed has told why already.
    if request.node.stash.get(PASSED, False):
        for reader in readers:
            assert not reader.left, f"never run:\n{reader.left[0]}"
