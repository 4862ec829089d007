"""Tests of `--test` with `find_by: reconcile`: files and permissions."""

from __future__ import annotations

import pytest

from tests.tap_marketo_opps.helpers import UnpacedTap
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES, ROLES, Warehouse, write

LEAST = frozenset({"Read-Only Opportunity"})


@pytest.fixture
def checked(capsys):
    """Return a function that runs a test and returns its lines, and True if it succeeds."""

    def run(config):
        tap = UnpacedTap(config=config, setup_mapper=False)
        capsys.readouterr()
        is_well = tap.report_checks()
        tap.client.close()
        return capsys.readouterr().out, is_well

    return run


def test_files_and_opportunities_are_all_that_is_tried(scene_of, checked):
    scene = scene_of(
        permissions=frozenset({"Read-Only Opportunity", "Read-Write Schema Standard Field"})
    )
    warehouse = Warehouse()
    warehouse.rows = dict.fromkeys(scene.guids())
    path = warehouse.export_guids(scene.file())
    printed, is_well = checked(warehouse.settings(scene.sandbox, path))
    assert is_well, printed
    assert "ok      reading opportunities" in printed
    assert "ok      configuration" in printed
    assert "note    reconcile_opportunities_path: " in printed
    assert "has no column for" in printed
    assert "reading roles" not in printed
    assert "activity log" not in printed


def test_roles_are_tried_where_there_is_a_file_of_them(scene, checked):
    warehouse = Warehouse(stream=ROLES)
    warehouse.rows = {"a": None}
    path = warehouse.export_guids(scene.file())
    printed, is_well = checked(warehouse.settings(scene.sandbox, path))
    assert is_well
    assert "ok      reading roles" in printed


@pytest.mark.parametrize(
    ("content", "words"),
    [("name,stage\n1,2\n", "and no header"), ("", "contains no values")],
)
def test_a_file_that_a_run_would_refuse_fails_the_test(scene, checked, content, words):
    path = write(scene.file(), content)
    printed, is_well = checked(Warehouse().settings(scene.sandbox, path))
    assert not is_well
    assert "FAILED  configuration" in printed
    assert words in printed


def test_a_missing_permission_fails_the_test(scene_of, checked):
    scene = scene_of(permissions=frozenset({"Read-Only Activity"}))
    path = write(scene.file(), "a\n")
    settings = Warehouse(stream=OPPORTUNITIES).settings(scene.sandbox, path)
    printed, is_well = checked(settings)
    assert not is_well
    assert "Read-Only Opportunity" in printed
