from __future__ import annotations

import pytest

from target_marketo_opps.state.self_pipe import SelfPipe


@pytest.fixture
def self_pipe():
    self_pipe = SelfPipe()
    yield self_pipe
    self_pipe.close()
