"""A PostgreSQL server for tests, on loopback and in a temporary directory."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import typing as t
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from tests.pipeline.processes import free_port

READY_SECONDS = 60
END_SECONDS = 30
STARTS = 5
USER = "interop"
Row = dict[str, t.Any]


class PsqlError(Exception):
    """Raised for a statement that fails, with the message of psql."""


def programs() -> Path | None:
    """Return the directory of the server's programs, or None: from PATH, or Debian's newest."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    return max(installed, key=lambda path: float(path.parent.name), default=None)


def unprivileged() -> str | None:
    """Return the user to run the server as if this process runs as root, which it refuses."""
    if os.geteuid() != 0:
        return None
    names = {each.pw_name for each in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@dataclass(frozen=True)
class Database:
    """One database of the server.

    Attributes:
        bin: directory of the server's programs.
        settings: connection settings, as both plugins of MeltanoLabs take them.
    """

    bin: Path
    settings: dict[str, t.Any]

    def execute(self, sql: str) -> str:
        """Execute SQL, and return the output of psql without headers and alignment."""
        address = {name: self.settings[name] for name in ("host", "port", "user")}
        command = [
            self.bin / "psql",
            f"--dbname={self.settings['database']}",
            *(f"--{'username' if name == 'user' else name}={one}" for name, one in address.items()),
            *("--no-psqlrc", "--quiet", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"),
        ]
        sql = f"set time zone 'UTC';\n{sql}"
        ended = subprocess.run(command, input=sql, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise PsqlError(ended.stderr)
        return ended.stdout.strip()

    def rows(self, sql: str) -> list[Row]:
        """Return the rows of a query, with exact numbers and with dates as text."""
        told = self.execute(f"select coalesce(json_agg(each), '[]') from ({sql}) as each")
        return json.loads(told, parse_float=Decimal)

    def primary_key(self, table: str) -> list[str]:
        rows = self.rows(
            "select attname as name from pg_index join pg_attribute on attrelid = indrelid"
            f" and attnum = any(indkey) where indisprimary and indrelid = '{table}'::regclass"
        )
        return [row["name"] for row in rows]

    def column_types(self, table: str) -> dict[str, str]:
        """Return the types of a table's columns by name, in order."""
        rows = self.rows(
            "select attname as name, format_type(atttypid, atttypmod) as type from pg_attribute"
            f" where attrelid = '{table}'::regclass and attnum > 0 and not attisdropped"
            " order by attnum"
        )
        return {row["name"]: row["type"] for row in rows}


class Server:
    """A PostgreSQL server that is stopped after the tests.

    It accepts local connections without a password, because all its data is invented.

    Args:
        bin: directory of the server's programs.
    """

    def __init__(self, bin: Path) -> None:  # noqa: A002 - the usual name of this directory
        self._bin = bin
        self._user = unprivileged()
        self._directory = Path(tempfile.mkdtemp(prefix="postgres-"))
        self._databases = 0
        if self._user is not None:
            shutil.chown(self._directory, self._user)
        self._log = self._directory / "log"

    def start(self) -> Server:
        self._run(
            [
                self._bin / "initdb",
                *("--pgdata", self._data, "--username", USER),
                *("--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"),
            ]
        ).wait(READY_SECONDS)
        for _ in range(STARTS):
            if self._serves():
                return self
        raise AssertionError(f"PostgreSQL did not start:\n{self._log.read_text()[-2000:]}")

    def stop(self) -> None:
        if self._process.poll() is None:
            # Immediate shutdown, because the data is deleted anyway.
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(END_SECONDS)
        shutil.rmtree(self._directory)

    def create_database(self) -> Database:
        self._databases += 1
        name = f"db_{self._databases}"
        self._database("postgres").execute(f"create database {name}")
        return self._database(name)

    @property
    def _data(self) -> Path:
        return self._directory / "data"

    def _database(self, name: str) -> Database:
        settings = {"host": "127.0.0.1", "port": self._port, "user": USER, "password": "any"}
        return Database(self._bin, {**settings, "database": name})

    def _serves(self) -> bool:
        """Start the server on a free port; return False if another process took the port."""
        self._port = free_port()
        self._process = self._run(
            [
                self._bin / "postgres",
                *("-D", self._data, "-p", str(self._port), "-c", "listen_addresses=127.0.0.1"),
                *("-c", "unix_socket_directories=", "-c", "fsync=off"),
            ]
        )
        while self._process.poll() is None:
            with contextlib.suppress(PsqlError):
                return self._database("postgres").execute("select 1") == "1"
        return False

    def _run(self, command: list[t.Any]) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                group=None if self._user is None else pwd.getpwnam(self._user).pw_gid,
                extra_groups=None if self._user is None else [],
            )
