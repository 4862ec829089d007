"""Fixtures of the pipeline tests: two sandbox instances with tap and target between them."""

from tests.pipeline.instances import *  # noqa: F403 - fixtures
