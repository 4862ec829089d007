"""Provide dispatchers without a Marketo instance."""

from __future__ import annotations

import pytest

from tests.target_marketo_opps.delivery.bench import Bench


@pytest.fixture
def make_bench():
    benches = []

    def make(**options):
        benches.append(Bench(**options))
        return benches[-1]

    yield make
    for bench in benches:
        bench.self_pipe.close()
