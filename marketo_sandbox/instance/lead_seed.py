"""Generation of leads from a random seed: plausible people, some with the same email address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.clock import DAY_SECONDS
from marketo_sandbox.instance.records import encode, mix
from marketo_sandbox.instance.storage import Row

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHARED_EVERY = 33
NAMELESS_EVERY = 50
CAPITALS_EVERY = 40
WITHOUT_CRM_EVERY = 5
HISTORY_DAYS = 1_400

FIRST_NAMES = (
    *(("Ada", "ada"), ("Björn", "bjorn"), ("Chloé", "chloe"), ("Dana", "dana")),
    *(("Eun-ji", "eunji"), ("Fatima", "fatima"), ("Zoë", "zoe"), ("太郎", "taro")),
)
LAST_NAMES = (
    *(("O'Neill", "oneill"), ("Müller", "mueller"), ("García López", "garcia")),
    *(("Nowak", "nowak"), ("山田", "yamada"), ("van der Berg", "vdberg"), ("Smith", "smith")),
)
COMPANIES = ("Acme, Inc.", "Müller & Söhne GmbH", "東京商事", "Big Dog Day Care", None)
INTERESTS = ("chairs; desks", "Zażółć gęślą jaźń", None, None)


def seeded_leads(ids: Iterable[int], seed: int, now: int) -> Iterator[Row]:
    """Yield storage rows of generated leads with creation dates in the past.

    Args:
        ids: ids of the leads.
        seed: random seed of the field values and dates.
        now: end of the period of creation dates, in seconds since 1970.
    """
    for number in ids:
        created = now - _bits(number, seed) % (HISTORY_DAYS * DAY_SECONDS)
        yield lead_row(number, seeded_lead(number, seed), created)


def lead_row(number: int, body: dict[str, Any], moment: int) -> Row:
    """Return a new lead with the given field values as a row for the storage.

    Args:
        number: id of the lead.
        body: field values; None values are dropped.
        moment: creation date in seconds since 1970.
    """
    present = {name: value for name, value in body.items() if value is not None}
    return Row(number, "", "", None, None, encode(present).decode(), moment, moment)


def seeded_lead(number: int, seed: int) -> dict[str, Any]:
    """Return generated field values for the lead with the id ``number``.

    Every 33rd lead has the name and email address of the lead before it, like a duplicate person.

    Args:
        number: id of the lead.
        seed: random seed of the field values.
    """
    is_double = number % SHARED_EVERY == 0 and number > 1
    bits = _bits(number, seed)
    has_crm = number % WITHOUT_CRM_EVERY and not is_double
    return {
        **_person(number - is_double, seed),
        "company": COMPANIES[(bits >> 11) % len(COMPANIES)],
        "leadScore": (bits >> 17) % 100,
        "unsubscribed": bits % 16 == 0,
        "sfdcContactId": f"003{number:012d}AAA" if has_crm else None,
        "customerCode": f"C-{number:06d}" if bits & 32 else None,
        "memberNumber": 500_000 + number,
        "interests": INTERESTS[(bits >> 23) % len(INTERESTS)],
    }


def _person(number: int, seed: int) -> dict[str, Any]:
    bits = _bits(number, seed)
    first, first_ascii = FIRST_NAMES[bits % len(FIRST_NAMES)]
    last, last_ascii = LAST_NAMES[(bits >> 5) % len(LAST_NAMES)]
    address = f"{first_ascii}.{last_ascii}.{number}@customer{number % 97}.example"
    if number % CAPITALS_EVERY == 0:
        address = address.title()
    is_nameless = number % NAMELESS_EVERY == 0
    return {
        "email": None if number % NAMELESS_EVERY == 1 and number > 1 else address,
        "firstName": None if is_nameless else first,
        "lastName": None if is_nameless else last,
    }


def _bits(number: int, seed: int) -> int:
    return mix(seed * 1_000_003 + number * 11 + 5)
