"""Some random cases of the fuzz lane; `make fuzz SECONDS=3600` plays thousands."""

from __future__ import annotations

import pytest

from tests.fuzz.cases import play_case
from tests.fuzz.runs import Tally

SEED = 7


@pytest.mark.parametrize("number", range(8))
def test_random_case_keeps_all_promises(number):
    assert play_case(SEED, number, Tally()) is None
