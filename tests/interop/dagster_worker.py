"""A simulated machine with Dagster that moves records by `examples/dagster`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import typing as t

import yaml

from tests.manual.pages import BIN, ROOT, blocks

if t.TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = ROOT / "examples" / "dagster"
(SWEEP,) = map(yaml.safe_load, blocks("yaml", (EXAMPLE / "README.md").read_text()))
INSTANCES = ("emea", "amer", "apac")
LEADS = 80
RUN_SECONDS = 240


class Worker:
    """A simulated machine with the example, Dagster, and both plugins on its PATH.

    Args:
        dagster: path of the program `dagster`.
        folder: folder for the machine's files.
        secrets: environment variables with credentials.
        batch_size: setting `batch_size` of its taps.
    """

    def __init__(
        self, dagster: Path, folder: Path, secrets: dict[str, str], batch_size: int
    ) -> None:
        shutil.copytree(EXAMPLE, folder)
        tap = {"batch_size": batch_size, "max_concurrent_calls": 1}
        entries = [{"name": name, "tap": tap, "retries": 0} for name in INSTANCES]
        entries[INSTANCES.index("amer")] |= {"retries": 1, "retry_seconds": 0}
        (folder / "instances.json").write_text(json.dumps(entries))
        self.folder = folder
        self._dagster = dagster
        self._runs: list[subprocess.Popen] = []
        self._environment = {
            **os.environ,
            **secrets,
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "DAGSTER_HOME": str(folder),
        }

    def ask(self, *arguments):
        """Run a Dagster command that must succeed."""
        code, said = self.wait(self._start(*arguments))
        assert code == 0, said

    def start(self, name, *, sweep=False):
        """Start the job of an instance, as a sweep or as a daily run."""
        arguments = ["job", "execute", "-f", "definitions.py", "-j", f"marketo_{name}"]
        if sweep:
            path = self.folder / f"sweep-{name}.yaml"
            config = SWEEP["ops"]["move_emea"]["config"]
            tap = {**config["tap"], "lead_id_to": LEADS}
            path.write_text(json.dumps({"ops": {f"move_{name}": {"config": {"tap": tap}}}}))
            arguments += ["-c", path.name]
        return self._start(*arguments)

    def wait(self, run):
        """Wait for a run to end; return its exit status and Dagster's output."""
        said, _ = run.communicate(timeout=RUN_SECONDS)
        return run.returncode, said

    def attempts(self, name):
        """Return the folders of all attempts to move an instance's records, oldest first."""
        found = (self.folder / "artefacts" / name).glob("*/*")
        return sorted(found, key=lambda folder: folder.stat().st_mtime)

    def end(self):
        """Kill the runs that are still active after a failed test."""
        for run in self._runs:
            if run.poll() is None:
                run.kill()
            run.wait()
            run.stdout.close()

    def _start(self, *arguments):
        run = subprocess.Popen(
            [self._dagster, *arguments],
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._runs.append(run)
        return run
