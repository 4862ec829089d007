"""Two instances on loopback, and a pair between them."""

from tests.pipeline.instances import *  # noqa: F403 - fixtures
