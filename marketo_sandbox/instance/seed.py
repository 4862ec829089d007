"""Generation of records from a random seed, with irregularities as in real instances."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from marketo_sandbox.instance.activity_log import (
    ADDED,
    IS_PRIMARY,
    ROLE_NAME,
    UPDATED,
    VALUE_CHANGES,
    Event,
    kept_days,
)
from marketo_sandbox.instance.clock import DAY_SECONDS
from marketo_sandbox.instance.describe import OPPORTUNITY, ROLE
from marketo_sandbox.instance.lead_seed import seeded_leads
from marketo_sandbox.instance.records import KEY_SEPARATOR, Keys, encode, mix, new_guid
from marketo_sandbox.instance.storage import Row
from marketo_sandbox.instance.values import AS_NUMBER_EVERY, AS_STRING_EVERY, format_datetime

if TYPE_CHECKING:
    from collections.abc import Iterator

    from marketo_sandbox.instance.context import InstanceContext

HISTORY_DAYS = 1_100
ROLELESS_EVERY = 4
ODD_ID_EVERY = 101
BIG_NUMBER_EVERY = 37
LONG_TEXT_EVERY = 211
NOISE_EVERY = 3
BATCH = 5_000

STAGES = ("Prospecting", "Qualification", "Proposal/Quote", "Negotiation", "Closed Won")
NAMES = (
    "Chairs",
    'The "Big Dog" Day Care, Phase 12',
    "Müller & Söhne GmbH, Erweiterung",
    "東京オフィス移転",
    "O'Reilly; renewal / 3 yrs",
    "Zażółć gęślą jaźń",
    "  leading and trailing  ",
    "Emoji 🚀 launch",
)
SOURCES = ("Inbound Sales Call/Email", "Email", "Trade Show", "Référence client", None)
REGIONS = ("EMEA", "APAC", "North America", "Île-de-France", None)
ROLE_NAMES = ("Decision Maker", "Technical Buyer", "Champion", "Economic Buyer")
ODD_IDS = ("OPP-{:07d} Ünï", 'OPP-{:07d} "q"', "OPP-{:07d}'s", "opp {:07d} with blanks")


class Seeder:
    """Add generated leads, opportunities, roles and activities to an instance.

    Args:
        context: the parts of the instance; all generated dates are before its clock's time.
    """

    def __init__(self, context: InstanceContext) -> None:
        options = context.options
        self._storage = context.storage
        self._log = context.log
        self._now = int(context.clock.seconds())
        self._seed = options.seed
        self._log_begins = {
            kind: self._now - kept_days(kind, options) * DAY_SECONDS for kind in (ADDED, UPDATED)
        }
        self._keys = Keys(exact=options.exact_keys)
        self._days = _Days()

    def run(
        self,
        opportunities: int,
        *,
        leads: int | None = None,
        roles: bool = True,
        comma_ids: int = 0,
        duplicates: int = 0,
        history_days: int = HISTORY_DAYS,
    ) -> None:
        """Add opportunities, with leads, roles and activities, to the existing records.

        Args:
            opportunities: number of opportunities to add.
            leads: highest lead id; missing leads from id 1 to it are added, by default half as many
                as opportunities.
            roles: True to give three in four opportunities one to three roles.
            comma_ids: number of opportunities with a comma in their external id.
            duplicates: number of opportunities to store twice; a sync of them is skipped (1007).
            history_days: age of the oldest opportunities in days.
        """
        lead_count = opportunities // 2 if leads is None else leads
        leads_to_add = seeded_leads(range(1, lead_count + 1), self._seed, self._now)
        self._storage.insert("lead", leads_to_add, known="IGNORE")
        begin = self._storage.next_id("opportunity")
        for first in range(begin, begin + opportunities, BATCH):
            numbers = range(first, min(first + BATCH, begin + opportunities))
            rows = [
                self._opportunity(number, history_days, comma=number - begin < comma_ids)
                for number in numbers
            ]
            self._storage.insert("opportunity", rows)
            if roles and lead_count:
                self._add_roles(rows, lead_count)
        self._duplicate(begin, duplicates)

    def _opportunity(self, number: int, history_days: int, *, comma: bool) -> Row:
        bits = self._bits(number)
        created = self._now - bits % (history_days * DAY_SECONDS) - 1
        updated = created + (bits >> 7) % (self._now - created)
        external_id = external_opportunity_id(number, comma=comma)
        body = self._body(number, bits, external_id, created)
        key = self._keys.fold(external_id)
        guid = new_guid(OPPORTUNITY, number, self._seed)
        return Row(number, guid, key, None, None, encode(body).decode(), created, updated)

    def _bits(self, number: int) -> int:
        return mix(self._seed * 1_000_003 + number)

    def _body(self, number: int, bits: int, external_id: str, created: int) -> dict[str, Any]:
        stage = _stage(bits)
        day = self._days.of(created, 30 + (bits >> 11) % 200)
        body = {
            "externalOpportunityId": external_id,
            "name": _name(number, bits),
            "description": f"Deal {number}, line one\nline two" if bits & 1 else None,
            "type": "New Business" if bits & 2 else "Existing Business",
            "stage": STAGES[stage],
            "amount": _money(bits, number),
            "expectedRevenue": _money(bits >> 9, number + 1),
            "quantity": _loose_number(f"{(bits >> 13) % 400 / 4}", number),
            "probability": _loose_integer(stage * 25, number),
            "closeDate": day,
            "externalCreatedDate": format_datetime(created - 3600, number),
            "fiscalQuarter": f"Q{1 + (bits >> 17) % 4}",
            "fiscalYear": day[:4],
            "forecastCategory": "Pipeline" if stage < len(STAGES) - 1 else "Closed",
            "isClosed": stage == len(STAGES) - 1,
            "isWon": stage == len(STAGES) - 1,
            "lastActivityDate": self._days.of(created, 3) if bits & 4 else None,
            "nextStep": "Call back" if bits & 8 else None,
            "source": SOURCES[(bits >> 19) % len(SOURCES)],
            "externalCompanyId": f"ACME-{(bits >> 23) % 5000:05d}" if bits & 16 else None,
        }
        body |= self._custom(number, bits, created)
        return {name: value for name, value in body.items() if value is not None}

    def _custom(self, number: int, bits: int, created: int) -> dict[str, Any]:
        return {
            "region": REGIONS[(bits >> 29) % len(REGIONS)],
            "legacyNumber": _loose_integer(100_000 + number, number),
            "hasRenewal": bool(bits & 32),
            "renewalDate": self._days.of(created, 365) if bits & 32 else None,
            "lastTouchedAt": format_datetime(created + 60, number + 1) if bits & 64 else None,
            "discountValue": _money(bits >> 31, number) if bits & 128 else None,
            "margin": _loose_number(f"{(bits >> 33) % 1000 / 1000}", number),
            "discountPercent": _loose_integer((bits >> 35) % 60, number),
            "fitScore": _loose_integer((bits >> 37) % 100 - 20, number),
            "notes": "é" * 15_000 if number % LONG_TEXT_EVERY == 0 else None,
            "contactEmail": f"buyer{number}@example.com" if bits & 256 else None,
            "territory": "u33dc1" if bits & 512 else None,
            "crmOwner": "Dana Q. Owner" if bits & 1024 else None,
        }

    def _add_roles(self, opportunities: list[Row], lead_count: int) -> None:
        rows: list[Row] = []
        events: list[tuple[int, Event]] = []
        number = self._storage.next_id("role")
        for opportunity in opportunities:
            if opportunity.id % ROLELESS_EVERY == 0:
                continue
            for lead, name in _draw_roles(opportunity.id, lead_count):
                rows.append(self._role(number, opportunity, lead, name))
                events += self._events(opportunity, rows[-1], name)
                number += 1
        self._storage.insert("role", rows)
        self._log.write_past(sorted(events, key=itemgetter(0)))

    def _role(self, number: int, opportunity: Row, lead: int, name: str) -> Row:
        external_id = external_id_of(opportunity)
        body = {
            "externalOpportunityId": external_id,
            "leadId": lead,
            "role": name,
            "isPrimary": number % 2 == 0,
        }
        key = KEY_SEPARATOR.join((opportunity.key, str(lead), self._keys.fold(name)))
        guid = new_guid(ROLE, number, self._seed)
        dates = (opportunity.created, opportunity.created)
        return Row(number, guid, key, opportunity.key, lead, encode(body).decode(), *dates)

    def _events(self, opportunity: Row, role: Row, name: str) -> Iterator[tuple[int, Event]]:
        """Yield dated activities of a lead for its role ``name``: role added, opportunity updated.

        Activities older than the retention period are left out; some web page visits are added.
        """
        bits = self._bits(opportunity.id)
        lead, label = role.lead or 0, _name(opportunity.id, bits)
        shared = {ROLE_NAME: name, IS_PRIMARY: role.id % 2 == 0}
        for kind, when in ((ADDED, opportunity.created), (UPDATED, opportunity.updated)):
            if when < self._log_begins[kind]:
                continue
            more = {VALUE_CHANGES: _stage_change(bits)} if kind == UPDATED else {}
            yield when, Event(kind, lead, opportunity.id, label, shared | more)
            if opportunity.id % NOISE_EVERY == 0:
                yield when, Event(1, lead, opportunity.id, "/pricing.html", {})

    def _duplicate(self, begin: int, count: int) -> None:
        if not count:
            return
        number = self._storage.next_id("opportunity")
        originals = self._storage.scan("opportunity", begin - 1, count)
        copies = [
            row._replace(
                id=number + offset, guid=new_guid(OPPORTUNITY, number + offset, self._seed)
            )
            for offset, row in enumerate(originals)
        ]
        self._storage.insert("opportunity", copies)


class _Days:
    """A converter of times to ISO dates, with a cache because many records share a date."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._epoch = datetime.fromtimestamp(0, UTC).date()

    def of(self, seconds: int, days_later: int) -> str:
        day = seconds // DAY_SECONDS + days_later
        if day not in self._texts:
            self._texts[day] = (self._epoch + timedelta(days=day)).isoformat()
        return self._texts[day]


def external_opportunity_id(number: int, *, comma: bool = False) -> str:
    """Return the external id of a generated opportunity; about 1 % contain unusual characters.

    Args:
        number: number of the opportunity.
        comma: True for an id that contains a comma.
    """
    if comma:
        return f"OPP-{number:07d}, Inc"
    if number % ODD_ID_EVERY == 0:
        return ODD_IDS[number // ODD_ID_EVERY % len(ODD_IDS)].format(number)
    return f"OPP-{number:07d}"


def external_id_of(opportunity: Row) -> str:
    """Return the external id of a generated opportunity, computed from its number."""
    return external_opportunity_id(opportunity.id, comma="," in opportunity.key)


def _name(number: int, bits: int) -> str:
    return f"{NAMES[(bits >> 5) % len(NAMES)]} {number}".strip()


def _stage(bits: int) -> int:
    return (bits >> 3) % len(STAGES)


def _stage_change(bits: int) -> str:
    """Return ``Data Value Changes`` of an activity: a new stage, chosen by the random ``bits``."""
    stage = _stage(bits)
    names = {"oldValue": STAGES[stage - 1] if stage else None, "newValue": STAGES[stage]}
    return encode([{"attributeName": "Stage", **names}]).decode()


def _draw_roles(number: int, lead_count: int) -> list[tuple[int, str]]:
    """Return one to three generated roles of an opportunity, as pairs of lead id and role name.

    Args:
        number: number of the opportunity.
        lead_count: number of leads to choose from.
    """
    bits = mix(number * 7)
    parts = (
        (1 + (bits >> shift) % lead_count, ROLE_NAMES[(bits >> shift) % len(ROLE_NAMES)])
        for shift in range(0, 8 * (1 + bits % 3), 8)
    )
    return list(dict.fromkeys(parts))


def _money(bits: int, number: int) -> Any:
    cents = bits % 100_000_000
    if number % BIG_NUMBER_EVERY == 0:
        return f"12345678901{cents:08d}.{bits % 100:02d}"
    return _loose_number(f"{cents // 100}.{cents % 100:02d}", number)


def _loose_number(text: str, number: int) -> float | str:
    return float(text) if number % AS_NUMBER_EVERY == 0 else text


def _loose_integer(value: int, number: int) -> int | str:
    return str(value) if number % AS_STRING_EVERY == 0 else value
