"""Audit of a soak test: lost records and ghosts, secrets in logs, tracebacks."""

from __future__ import annotations

import json
import sqlite3
import typing as t
from decimal import Decimal

from tests.pipeline import compare
from tests.soak.world import KEY, RoleKey, role_key
from tests.tap_marketo_opps.reconcile.warehouse import OPPORTUNITIES, ROLES

if t.TYPE_CHECKING:
    from pathlib import Path

    from tests.pipeline.sandbox_process import SandboxProcess

Record = dict[str, t.Any]
Key = tuple[str] | RoleKey

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


class Content(t.NamedTuple):
    """Records of an instance: those that it holds, and all that can be copied of each by key.

    Attributes:
        deals: opportunities as the instance holds them.
        roles: roles as the instance holds them.
    """

    deals: list[Record]
    roles: list[Record]

    @classmethod
    def of(cls, instance: SandboxProcess) -> Content:
        """Return the content of an instance."""
        return cls(instance.ask("opportunities")["records"], instance.ask("roles")["records"])

    def values(self) -> dict[Key, t.Any]:
        """Return what can be copied of each opportunity and role, by key."""
        return {
            **{(key,): values for key, values in compare.by_key(self.deals).items()},
            **{role_key(role): bool(role.get("isPrimary")) for role in self.roles},
        }

    def due(self, until: float, moved: set[str], known: set[str]) -> set[Key]:
        """Return the keys of the records that should have been copied.

        Args:
            until: seconds since 1970; records changed later need not have been copied.
            moved: opportunities that may be found later, since roles of theirs have moved.
            known: opportunities that should have been copied even if they have no role.
        """
        with_role = {role[KEY] for role in self.roles if role["createdAt"] <= until} | known
        return {
            *(
                (deal[KEY],)
                for deal in self.deals
                if deal["updatedAt"] <= until and deal[KEY] in with_role and deal[KEY] not in moved
            ),
            *(
                role_key(role)
                for role in self.roles
                if role["updatedAt"] <= until and role[KEY] not in moved
            ),
        }


def account(
    there: Content, here: Content, rejected: t.Mapping[Key, t.Any], due: set[Key]
) -> Account:
    """Compare the records of source and destination, and return the outcome.

    Args:
        there, here: content of source and destination.
        rejected: what was rejected last of each key.
        due: keys of the records that should have been copied.
    """
    wanted, arrived = there.values(), here.values()
    equal = {key for key in due if key in arrived and arrived[key] == wanted[key]}
    refused = {key for key in due - equal if key in rejected and rejected[key] == wanted[key]}
    lost = [_described(key, wanted[key], arrived.get(key)) for key in due - equal - refused]
    return Account(len(due), len(equal), len(refused), sorted(lost))


def _described(key: Key, wanted: t.Any, arrived: t.Any) -> str:
    if arrived is None or len(key) > 1:
        return f"{key} is {'missing' if arrived is None else 'different'}"
    return compare.differences({key[0]: wanted}, {key[0]: arrived})[0]


def ghosts(there: Content, here: Content, excused: set[str]) -> list[str]:
    """Return one line for each record of the destination that is not in the source.

    Args:
        there, here: content of source and destination.
        excused: opportunities that were deleted, or lost a role, too late to be known.
    """
    extra = here.values().keys() - there.values().keys()
    return [
        f"{key} is not in the source" for key in sorted(extra, key=str) if key[0] not in excused
    ]


def rejected_values(rejects: Path) -> dict[Key, t.Any]:
    """Return what was rejected last of each key."""
    if not rejects.exists():
        return {}
    lines = [each for each in rejects.read_text().split("\n") if each.endswith("}")]
    told = [json.loads(each, parse_float=Decimal) for each in lines]
    records = [(each["object"], each["record"]) for each in told]
    deals = compare.by_key(record for stream, record in records if stream == OPPORTUNITIES)
    return {
        **{(key,): values for key, values in deals.items()},
        **{
            role_key(record): bool(record.get("isPrimary"))
            for stream, record in records
            if stream == ROLES
        },
    }


def leaks(directory: Path, instances: t.Iterable[SandboxProcess]) -> tuple[int, list[str]]:
    """Return the number of lines in logs and states, and one finding for each line with a secret.

    Parts of customers' records count as secrets.
    """
    secrets = [secret for each in instances for secret in _secrets(each)]
    printed = sorted({*directory.rglob("*marketo-opps.stderr"), *directory.glob("state*.json*")})
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
