"""Tests of one group run on one worker, and share their module fixtures."""

from __future__ import annotations

import pytest


@pytest.mark.xdist_group("together")
def test_a_group_reaches_whoever_hands_out_the_tests(request):
    if not getattr(request.config.option, "loadgroup", False):
        pytest.skip("the tests are not handed out by group")

    assert request.node.nodeid.endswith("@together")
