"""Fixtures that run the shell blocks of the manual."""

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
    """Return a factory of `Reader` in its own directory; all blocks have to be run."""
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
