"""The benchmarks run at a tiny size, whose figures mean nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
BENCHMARKS = REPOSITORY / "benchmarks"

# All tests here share one run, so they must run on one worker.
pytestmark = pytest.mark.xdist_group("benchmarks")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tmp_path_factory.mktemp("bench")
    results, plot = directory / "results.json", directory / "plot.png"
    command = [BENCHMARKS / "bench.py", "--size", "tiny", "--results", results, "--plot", plot]
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=240, check=False
    )
    assert results.exists(), done.stderr
    return done, json.loads(results.read_text()), plot


@pytest.fixture(scope="module")
def results(run):
    return run[1]


def asked_of_benchmarks(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    done = subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=True)
    return done.stdout


def test_every_tool_is_measured_in_both_directions(results):
    lanes = {(lane["tool"], lane["does"]) for lane in results["walls"]}

    assert len(lanes) == len(results["walls"]) == 8


def test_walls_and_calls_are_those_that_the_sandbox_saw(results):
    lane = next(
        lane
        for lane in results["walls"]
        if lane["tool"] == "marketorestpython without sleep()" and lane["does"] == "read"
    )

    assert lane["calls"] == 3  # a describe and two pages of 300
    assert lane["wall_seconds"]["min"] >= 2 * lane["latency_seconds"]


def test_marketorestpython_is_measured_with_its_own_sleep(results):
    for lane in results["walls"]:
        if lane["tool"] == "marketorestpython":
            assert lane["wall_seconds"]["min"] >= 0.2 + 2 * lane["latency_seconds"]


def test_a_tool_ended_by_refusals_has_their_codes_and_no_time(results, tmp_path):
    code = """
import json, pathlib, sys, walls, workspace
lane = walls.Lane(walls.PEER_WITHOUT_SLEEP, walls.READ, 0.0, 30_600)
run = walls.run_lane(workspace.Workspace(pathlib.Path(sys.argv[1])), lane)
print(json.dumps(walls.lane_figures(lane, [run])))
"""
    told = json.loads(asked_of_benchmarks(code, tmp_path))

    assert told["ended_by"][0] == "606"
    assert told["wall_seconds"] is None
    assert told["wall_of_bound"] is None

    ended = {name: told[name] for name in ("ended_by", "wall_seconds", "wall_of_bound")}
    first, *others = results["walls"]
    path = tmp_path / "results.json"
    path.write_text(json.dumps({**results, "walls": [{**first, **ended}, *others]}))
    code = """
import json, pathlib, sys, plot, report
results = json.load(open(sys.argv[1]))
plot.draw(results, pathlib.Path(sys.argv[1]).with_suffix(".png"))
print(report.tables(results))
"""
    assert "ended by 606" in asked_of_benchmarks(code, path)


def test_a_tool_that_moves_too_little_ends_the_measuring():
    code = """
import measure, walls
lane = walls.Lane(walls.PEER, walls.READ, 0.0, 600)
call = {"operation": "query opportunity", "codes": []}
print(walls._ended_by(lane, [call, call]))
try:
    walls._ended_by(lane, [call])
except measure.FailedError as error:
    print(error)
"""
    complete, too_little = asked_of_benchmarks(code).splitlines()

    assert complete == "()"
    assert "ended before all records were moved" in too_little


@pytest.mark.parametrize(("prepare", "slept"), [("pass", 1), ("peer.take_sleep_out()", 0)])
def test_the_sleep_is_removed_on_request(prepare, slept):
    code = f"""
import time, peer
from marketorestpython.helper import http_lib
naps = []
time.sleep = naps.append
{prepare}
limited = http_lib.HttpLib._rate_limited(5)(int)
limited(), limited()
print(len(naps))
"""

    assert int(asked_of_benchmarks(code)) == slept


def test_calls_are_at_most_those_promised(results):
    told = results["calls"]

    names = ("known_ids", "upserts", "roles_by_address", "lead_list")
    for entry in (entry for name in names for entry in told[name]):
        assert entry["calls"] <= entry["allowed"]
    for entry in told["long_texts"]:
        assert entry["calls"] <= entry["optimum"] + 1


def test_one_bad_record_of_300_rejects_no_other(results):
    for entry in results["calls"]["bad_records"]:
        assert (entry["bad"], entry["delivered"], entry["rejected"]) == (1, 299, 1)


def test_processes_that_share_limits_make_all_calls(results):
    together = results["sharing"]["together"]
    # Two pages, and a describe and two batches.
    assert together["calls"] == 5
    assert (together["refused_606"], together["refused_615"]) == (0, 0)
    assert set(results["sharing"]["cpu"]) == {"tap", "target"}


def test_a_reconcile_finds_what_is_planted_and_nothing_else(results):
    assert [entry["records"] for entry in results["reconcile"]] == [300, 300, 600, 600]
    for entry in results["reconcile"]:
        assert entry["changed"] + entry["gone"] == entry["planted"] == entry["records"] // 100
        assert entry["gone"] == entry["planted"] // 2
        assert entry["calls"] <= entry["allowed"]


def test_records_that_wait_are_delivered_in_few_calls(results):
    assert len(results["waiting"]) == 6
    for case in results["waiting"]:
        assert case["calls"] <= case["allowed"], case
        assert case["delivered"] == case["good"], case
    versions, one_bad, places, persons, all_bad, roles_first = results["waiting"]
    assert (versions["rejected"], one_bad["rejected"], places["rejected"]) == (0, 1, 3)
    assert (persons["rejected"], all_bad["delivered"], roles_first["rejected"]) == (25, 0, 0)


def test_parts_can_be_measured_alone_and_the_other_figures_are_kept(results, tmp_path):
    code = """
import json, sys, bench
bench.measure_waiting = lambda *_: ["anew"]
bench.draw = bench._hold = lambda *_: 0
bench.Workspace = lambda *_: None
print(bench.main(["--size", "tiny", "--only", "waiting", "--results", sys.argv[1]]))
try:
    bench.main(["--size", "full", "--only", "waiting", "--results", sys.argv[1]])
except SystemExit as refused:
    print(refused)
"""
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    assert "of --size tiny" in asked_of_benchmarks(code, path)
    assert json.loads(path.read_text()) == {**results, "waiting": ["anew"]}


def test_results_name_no_machine_path_or_user(results):
    text = json.dumps(results)

    assert str(REPOSITORY) not in text
    assert str(Path.home()) not in text


def test_every_claim_is_printed_and_a_missed_one_sets_the_status(run):
    done, _, _ = run
    lines = done.stdout.splitlines()
    missed = [line for line in lines if line.startswith("MISSED")]

    assert [line for line in lines if line.startswith("holds")]
    assert done.returncode == (1 if missed else 0), done.stderr


def test_the_plot_is_small_enough_for_a_readme(run):
    assert 5_000 < run[2].stat().st_size < 200_000


def test_the_tables_have_the_same_number_of_cells_in_every_row(results, tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(results))
    code = "import json, sys, report; print(report.tables(json.load(open(sys.argv[1]))))"
    tables = [
        part.splitlines()
        for part in asked_of_benchmarks(code, path).split("\n\n")
        if part.startswith("|")
    ]

    assert len(tables) == 10
    for rows in tables:
        assert len({row.count("|") for row in rows}) == 1


def test_the_bound_counts_what_may_not_begin_before_the_second_window():
    code = """
from walls import OURS, OURS_FULL_RATE, READ, WRITE, Lane
reads = [(OURS, 15_000), (OURS, 15_600), (OURS, 30_300), (OURS_FULL_RATE, 15_600)]
print(*(round(Lane(tool, READ, 0.4, records).bound_seconds, 6) for tool, records in reads))
print(*(round(Lane(OURS, WRITE, 0.4, records).bound_seconds, 6) for records in (14_700, 15_000)))
"""
    reads, writes = asked_of_benchmarks(code).splitlines()
    # 50 calls, 52, 101, and 52 within one window; five at once, 0.4 s each.
    assert reads.split() == ["4.0", "20.4", "40.4", "4.4"]
    # 49 and 50, and a describe before them.
    assert writes.split() == ["4.0", "20.4"]


def test_a_childs_peak_memory_is_not_that_of_the_harness():
    code = """
import sys, measure
ballast = bytearray(200 * 2**20)
print(measure.run([sys.executable, "-c", "pass"])[0].peak_bytes)
"""

    assert int(asked_of_benchmarks(code)) < 100 * 2**20


def test_cpu_is_measured_for_each_process_of_a_pipe():
    code = """
import sys, json, measure
busy = "import time\\nwhile time.process_time() < 0.5: pass"
idle = "import time; time.sleep(0.7)"
usages = measure.run([sys.executable, "-c", busy], [sys.executable, "-c", idle])
print(json.dumps([usage.cpu_seconds for usage in usages] + [usages[1].wall_seconds]))
"""
    busy, idle, wall = json.loads(asked_of_benchmarks(code))

    assert busy >= 0.5 > idle
    assert wall >= 0.7


def test_a_command_that_fails_ends_the_measuring_with_what_it_said():
    code = """
import sys, measure
try:
    measure.run([sys.executable, "-c", "import sys; sys.exit('out of luck')"])
except measure.FailedError as error:
    print(error)
"""

    assert "out of luck" in asked_of_benchmarks(code)
