"""Audit after a soak test: lost records, secrets in logs, tracebacks."""

from __future__ import annotations

import json
import sqlite3
import typing as t
from decimal import Decimal

from tests.pipeline import compare

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline.sandbox_process import SandboxProcess

SHOWN_AT_MOST = 5
# Parts of seeded names and addresses, which stand for customers' data: no log line may have them.
CUSTOMERS_DATA = ("Big Dog", "Zażółć", "buyer1")


class Account(t.NamedTuple):
    """The outcome of comparing source, destination and rejects file.

    Attributes:
        due: number of records that should have been copied.
        equal: number of records that are equal in source and destination.
        rejected: number of other records whose current version is in the rejects file.
        lost: one line for each record that is neither equal nor rejected.
    """

    due: int
    equal: int
    rejected: int
    lost: list[str]


def account(
    source: SandboxProcess, destination: SandboxProcess, rejects: Path, until: float
) -> Account:
    """Compare the opportunities of two instances, and return the outcome.

    Args:
        source: instance from which opportunities with roles should have been copied.
        destination: instance to which they should have been copied.
        rejects: path of the target's rejects file.
        until: seconds since 1970; records changed later need not have been copied.
    """
    arrived = compare.by_key(destination.ask("opportunities")["records"])
    there = source.ask("opportunities")["records"]
    due = compare.by_key(_due(source, there, until))
    equal = {key for key in due if arrived.get(key) == due[key]}
    refused = _rejected(rejects)
    rejected = {key for key in due.keys() - equal if refused.get(key) == due[key]}
    unaccounted = due.keys() - equal - rejected
    lost = compare.differences(
        {key: due[key] for key in unaccounted},
        {key: arrived[key] for key in unaccounted & arrived.keys()},
    )
    lost += [
        f"{key} is not in the source"
        for key in arrived.keys() - {record[compare.KEY] for record in there}
    ]
    return Account(len(due), len(equal), len(rejected), lost)


def _due(
    source: SandboxProcess, records: list[compare.Record], until: float
) -> list[compare.Record]:
    first_role: dict[str, float] = {}
    for role in source.ask("roles")["records"]:
        key = role[compare.KEY]
        first_role[key] = min(role["createdAt"], first_role.get(key, role["createdAt"]))
    return [
        record
        for record in records
        if record["updatedAt"] <= until and first_role.get(record[compare.KEY], until + 1) <= until
    ]


def _rejected(rejects: Path) -> dict[str, compare.Record]:
    """Return the last version of each rejected record."""
    if not rejects.exists():
        return {}
    lines = rejects.read_text().splitlines()
    return compare.by_key(json.loads(line, parse_float=Decimal)["record"] for line in lines)


def leaks(directory: Path, instances: t.Iterable[SandboxProcess]) -> tuple[int, list[str]]:
    """Return the number of lines in logs and states, and one finding for each line with a secret.

    Parts of customers' records count as secrets.
    """
    secrets = [secret for each in instances for secret in _secrets(each)]
    printed = sorted({*directory.glob("*marketo-opps.stderr"), *directory.glob("state*.json*")})
    lines, found = 0, []
    for path in printed:
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            lines += 1
            if any(secret in line for secret in (*secrets, *CUSTOMERS_DATA)):
                found.append(f"{path.name}:{number} tells a secret or a customer's data")
    return lines, found


def _secrets(instance: SandboxProcess) -> list[str]:
    """Return the client secret and all access tokens of an instance."""
    with sqlite3.connect(instance.database) as database:
        kept = dict(database.execute("SELECT name, value FROM meta").fetchall())
    database.close()
    tokens = [kept.get("token", ""), *kept.get("tokens_expired", "").split()]
    # Without the colon, which is encoded in a URL.
    return [kept["client_secret"], *(token.partition(":")[0] for token in tokens if token)]


def tracebacks(texts: t.Iterable[tuple[str, str]]) -> list[str]:
    """Return one line for each named text that contains a traceback."""
    return [f"{name} printed a traceback" for name, text in texts if "Traceback" in text]
