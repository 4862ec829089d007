"""Test that the docstring of a large package lists its modules."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["delivery", "mapping"])
def test_package_docstring_lists_every_module_once(name):
    package = importlib.import_module(f"target_marketo_opps.{name}")
    listed = re.findall(r"^    (\w+) {2,}\S", package.__doc__, re.MULTILINE)
    modules = {path.stem for path in Path(package.__file__).parent.glob("*.py")}
    assert sorted(listed) == sorted(modules - {"__init__"})
