"""The files and commands of the benchmarks: values to look up, Singer lines, configurations."""

from __future__ import annotations

import itertools
import json
import sys
import typing as t
from pathlib import Path

from instances import Instance
from measure import run

HERE = Path(__file__).parent
STREAM = "opportunities"
MARK = "_sdc_deleted_at"
BASE_RECORDS = 3_000
_IDS_A_CALL = 50_000

Command = list[str]


def instance_flags(count: int) -> list[str]:
    """Return the command-line options for a sandbox with so many opportunities and no roles."""
    return ["--opportunities", str(count), "--leads", "0"]


def script(name: str, *arguments: object) -> Command:
    """Return the command that runs a script of the benchmarks, given without `.py`."""
    return [sys.executable, str(HERE / f"{name}.py"), *map(str, arguments)]


def address(number: int) -> str:
    """Return the e-mail address of the lead with this number."""
    return f"lead-{number}@example.com"


class Workspace:
    """A directory with the files that the measured commands read; each file is made once.

    Args:
        directory: the directory, which is not cleared afterwards.
        before: a checkout of an earlier version with its `.venv`, if there is one.
    """

    def __init__(self, directory: Path, before: Path | None = None) -> None:
        self.directory = directory
        self.before = before
        self.base = directory / "base.singer"
        self._catalog = directory / "catalog.json"
        self._numbers = itertools.count(1)
        with Instance(*instance_flags(BASE_RECORDS), "--no-limits") as source:
            self._write_catalog(source)
            # The tap's own output is the base of every other Singer file.
            run(self.tap(source, BASE_RECORDS, paced=False), stdout=self.base)

    def tap(
        self, source: Instance, count: int, *, paced: bool = True, **settings: t.Any
    ) -> Command:
        """Return the command of the tap that looks up an instance's first opportunities by id."""
        values = str(self.values(source, count))
        config = self.config(source, find_by="filter", filter_values_path=values, **settings)
        return [*_plugin("tap", paced=paced), "--config", config, "--catalog", str(self._catalog)]

    def tap_of_list(self, source: Instance, list_id: int) -> Command:
        """Return the command of the tap that finds opportunities by the leads of a static list."""
        config = self.config(source, find_by="lead_list", lead_list_id=list_id)
        return [*_plugin("tap"), "--config", config, "--catalog", str(self._catalog)]

    def reconcile(self, source: Instance, path: Path) -> Command:
        """Return the command of the tap that compares a file of warehouse rows with an instance."""
        config = self.config(source, find_by="reconcile", reconcile_opportunities_path=str(path))
        command = _plugin("tap", paced=False)
        return [*command, "--config", config, "--catalog", str(self._catalog)]

    def target(self, destination: Instance, *, paced: bool = True, **settings: t.Any) -> Command:
        """Return the command of the target that writes to a sandbox instance."""
        return [*_plugin("target", paced=paced), "--config", self.config(destination, **settings)]

    def of_version_before(self, command: Command) -> Command:
        """Return a command of an unpaced plugin for the checkout of the earlier version."""
        assert self.before is not None
        python, unpaced = self.before / ".venv/bin/python", self.before / "benchmarks/unpaced.py"
        return [str(python), str(unpaced), *command[2:]]

    def config(self, instance: Instance, **settings: t.Any) -> str:
        """Write a new configuration file for an instance; return its path."""
        return self.json_file(f"config-{next(self._numbers)}", instance.credentials | settings)

    def json_file(self, name: str, content: t.Any) -> str:
        """Write `content` as a JSON file to the directory; return its path."""
        path = self.directory / f"{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    def values(self, source: Instance, count: int) -> Path:
        """Return a file with the external ids of an instance's first opportunities."""
        path = self.directory / f"values-{count}.txt"
        if not path.exists():
            # Renamed when it is complete, because lanes that run at the same time share the file.
            unfinished = path.with_suffix(f".{next(self._numbers)}")
            with unfinished.open("w", encoding="utf-8") as file:
                for offset in range(0, count, _IDS_A_CALL):
                    limit = min(_IDS_A_CALL, count - offset)
                    page = source.control(f"opportunities/ids?offset={offset}&limit={limit}")
                    file.writelines(f"{value}\n" for value in page["ids"])
            unfinished.replace(path)
        return path

    def lines(self, count: int) -> Path:
        """Return a Singer file with this many opportunities, each with its own key."""
        path = self.directory / f"lines-{count}.singer"
        if not path.exists():
            run(script("lines", self.base, count), stdout=path)
        return path

    def role_lines(self, destination: Instance, count: int, leads: int) -> Path:
        """Write a Singer file with a role for each opportunity, with its lead's e-mail address."""
        path = self.directory / f"roles-{count}.singer"
        names = ("externalOpportunityId", "lead_email", "role")
        schema = {"properties": {name: {} for name in names}}
        ids = self.values(destination, count).read_text(encoding="utf-8").splitlines()
        with path.open("w", encoding="utf-8") as file:
            message = {"type": "SCHEMA", "stream": "roles", "schema": schema, "key_properties": []}
            file.write(json.dumps(message) + "\n")
            for number, each in enumerate(ids):
                record = dict(zip(names, (each, address(number % leads), "Buyer"), strict=True))
                line = {"type": "RECORD", "stream": "roles", "record": record}
                file.write(json.dumps(line) + "\n")
        return path

    def _write_catalog(self, source: Instance) -> None:
        """Write a catalog with one stream only, so that the figures are those of one stream."""
        config = self.config(source, find_by="filter", filter_values=["OPP-0000001"])
        run([*_plugin("tap"), "--config", config, "--discover"], stdout=self._catalog)
        catalog = json.loads(self._catalog.read_bytes())
        (stream,) = (each for each in catalog["streams"] if each["tap_stream_id"] == STREAM)
        # The first version would ask Marketo for this property. These runs never set it.
        del stream["schema"]["properties"][MARK]
        of_mark = ["properties", MARK]
        stream["metadata"] = [each for each in stream["metadata"] if each["breadcrumb"] != of_mark]
        self.json_file("catalog", {"streams": [stream]})


def _plugin(kind: str, *, paced: bool = True) -> Command:
    """Return the command of the installed tap or target, or of one that ignores the rate limit."""
    if paced:
        return [str(Path(sys.executable).with_name(f"{kind}-marketo-opps"))]
    return script("unpaced", kind)
