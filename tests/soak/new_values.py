"""Random field values of opportunities, as people and other programs write them."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    import random

KNOWN_SALES_PERSONS = ("known-1", "known-2")
STRANGERS = ("stranger-1", "stranger-2")
"""Sales people whom the destination does not know: it refuses a whole call for one of them."""

STAGES = ("Prospecting", "Proposal/Quote", "Verhandlung läuft", "受注", "Closed Won")


def new_values(dice: random.Random) -> dict[str, t.Any]:
    """Return new values of some fields, occasionally None to clear a field."""
    values: dict[str, t.Any] = {
        "stage": dice.choice(STAGES),
        "amount": f"{dice.randrange(10**9)}.{dice.randrange(100):02d}",
        "probability": dice.randint(0, 100),
        "closeDate": f"2026-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}",
        "isClosed": dice.random() < 0.5,
        "nextStep": dice.choice([None, "Rückruf", 'O\'Reilly "quoted"\nsecond line']),
        "lastTouchedAt": f"2026-03-{dice.randint(1, 28):02d}T10:20:30Z",
        "notes": dice.choice([None, "kurz", "lang " * 2_000]),
        "margin": dice.choice(["0.125", "-3.5", "12345678.87654321"]),
    }
    chosen = {name: values[name] for name in values if dice.random() < 0.5}
    if dice.random() < 0.15:
        chosen["externalSalesPersonId"] = dice.choice([*KNOWN_SALES_PERSONS, *STRANGERS, None])
    return chosen or {"stage": values["stage"]}
