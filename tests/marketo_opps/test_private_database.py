"""A database of one process only."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path

import pytest

from marketo_opps.private_database import private_database

COUNT = "SELECT count(*) FROM rows"
OPEN_FILES = Path("/proc/self/fd")
ROWS = 200
ROW = b"x" * 1000


def filled(**options):
    database = private_database("CREATE TABLE rows (body BLOB)", **options)
    database.executemany("INSERT INTO rows VALUES (?)", ([ROW] for _ in range(ROWS)))
    return database


def temporary_files():
    names = (os.path.realpath(each) for each in OPEN_FILES.iterdir())
    return [name for name in names if "etilqs" in name]


@pytest.mark.skipif(not OPEN_FILES.exists(), reason="the open files are seen on Linux only")
def test_it_is_in_memory_up_to_its_cache_and_then_in_a_file():
    small = filled()
    assert temporary_files() == []
    large = filled(cache_bytes=50_000)
    assert len(temporary_files()) == 1
    counts = [each.execute(COUNT).fetchone() for each in (small, large)]
    assert counts == [(ROWS,)] * 2
    del large
    gc.collect()  # A connection and its cache of statements refer to each other.
    assert temporary_files() == []


def test_its_rows_are_those_of_no_other_database():
    first, second = filled(), filled()
    first.execute("DELETE FROM rows")
    assert second.execute(COUNT).fetchone() == (ROWS,)


def test_other_threads_may_use_it():
    database = filled()
    counts = []
    thread = threading.Thread(target=lambda: counts.extend(database.execute(COUNT)))
    thread.start()
    thread.join()
    assert counts == [(ROWS,)]
