"""Contents and metadata of the wheel and the sdist."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
from email import message_from_string
from pathlib import Path, PurePosixPath
from zipfile import ZipFile

import pytest
from packaging.metadata import Metadata
from packaging.requirements import Requirement
from trove_classifiers import classifiers

from tests.packaging.environments import ROOT

pytestmark = pytest.mark.xdist_group("packaging")

PACKAGES = ("marketo_opps", "marketo_sandbox", "tap_marketo_opps", "target_marketo_opps")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
INFO = f"marketo_opps-{PROJECT['version']}.dist-info"


def contents(wheel):
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def files_of_the_packages():
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*"))
    return {
        path.relative_to(ROOT).as_posix()
        for path in found
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_has_the_packages_and_nothing_else(wheel):
    told = {f"{INFO}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt")}

    names = contents(wheel).keys()

    assert names == files_of_the_packages() | told | {f"{INFO}/licenses/LICENSE"}
    assert {PurePosixPath(name).suffix for name in names - told} <= {
        *(".py", ".html", ".css", ".js"),
        *(".typed", ""),
    }


def test_every_package_has_py_typed(wheel):
    assert {f"{package}/py.typed" for package in PACKAGES} <= contents(wheel).keys()


def test_the_wheel_has_the_licence(wheel):
    assert contents(wheel)[f"{INFO}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()


def test_no_file_of_the_wheel_has_a_local_path(wheel):
    for name, content in contents(wheel).items():
        assert str(ROOT).encode() not in content, name


def test_the_metadata_is_valid_and_complete(metadata_text):
    metadata = Metadata.from_email(metadata_text, validate=True)

    assert (metadata.name, str(metadata.version)) == ("marketo-opps", PROJECT["version"])
    assert metadata.summary == PROJECT["description"]
    assert metadata.license_expression == "Apache-2.0"
    assert metadata.license_files == ["LICENSE"]
    assert metadata.requires_python == PROJECT["requires-python"]
    assert metadata.description_content_type == "text/markdown"
    assert metadata.author == PROJECT["authors"][0]["name"]
    assert set(metadata.classifiers) == set(PROJECT["classifiers"]) <= classifiers


def test_the_metadata_readme_refers_to_no_local_file(metadata_text):
    readme = (ROOT / "README.md").read_text()
    told = Metadata.from_email(metadata_text, validate=True).description
    leads_to = re.findall(r"\]\(([^)]*)\)", told)

    assert len(leads_to) > 2
    assert not [each for each in leads_to if not each.startswith(("https://", "#"))]
    assert not [each for each in ("<!--", "!Wall time", "docs/images") if each in told]
    assert "- Errors (`docs/errors.md`): every message" in told
    headings = re.findall(r"^#+ .*$", readme, re.MULTILINE)
    assert re.findall(r"^#+ .*$", told, re.MULTILINE) == headings
    # Nothing else is lost: the longest paragraphs and the tables are unchanged.
    plain = [line for line in readme.splitlines() if "](" not in line and "[[[" not in line]
    assert set(plain) <= set(told.splitlines())


def test_the_metadata_has_the_dependencies_and_the_sandbox_extra(metadata_text):
    told = message_from_string(metadata_text).get_all("Requires-Dist")
    extra = [Requirement(each) for each in told if "extra ==" in each]
    always = [Requirement(each) for each in told if "extra ==" not in each]

    assert set(always) == {Requirement(each) for each in PROJECT["dependencies"]}
    assert {each.name for each in extra} == {"httptools", "starlette", "uvicorn"}
    assert {str(each.marker) for each in extra} == {'extra == "sandbox"'}


def test_the_sdist_has_what_a_packager_needs_and_nothing_else(sdist):
    with tarfile.open(sdist) as archive:
        paths = [PurePosixPath(name) for name in archive.getnames()]
    tops = {path.parts[1] for path in paths}

    assert {*PACKAGES, "tests", "docs", "requirements", "README.md", "LICENSE"} <= tops
    assert not tops & {".git", ".ci", ".venv", ".meltano", "dist", "output"}
    assert not {"__pycache__", ".hypothesis"} & {part for path in paths for part in path.parts}


@pytest.mark.slow
def test_the_sdist_builds_the_same_wheel_offline(wheel, sdist, tmp_path):
    command = [sys.executable, "-m", "pip", "--isolated", "wheel", "--no-index", "--no-deps"]
    subprocess.run(
        [*command, "--no-build-isolation", "--wheel-dir", tmp_path, sdist],
        check=True,
        capture_output=True,
    )

    assert contents(tmp_path / Path(wheel).name) == contents(wheel)
