"""What the parts of a policy may say beyond their types: ranges, references, and contradictions.

Each rule yields (key, what is wanted) for one part that has the right shape.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from models.domain.amounts import NANOS
from models.domain.channels import CHANNELS
from models.domain.currencies import CURRENCIES
from models.domain.decisions import Intent
from models.domain.event_types import ATTRIBUTE, EVENT_TYPES, EventType
from models.domain.exchange import rate_in_nanos
from models.domain.input.zones import zone_fault
from models.domain.names import is_name
from models.domain.nearest import did_you_mean
from models.domain.profile import LANE_CAPACITY
from models.domain.selectors import OfferHas, Selector
from models.policy.schema import (
    Arbitration,
    AtMost,
    AtTime,
    AttributeIs,
    CandidateCounts,
    Cap,
    Contact,
    CoolDowns,
    Currencies,
    Eligibility,
    Exploration,
    HappenedLately,
    Holdout,
    IntentRule,
    Lever,
    Placement,
    Policy,
    QuietHours,
)

LOOK_BACK_DAYS = 366
CAP_LIMIT = 50  # half of the contacts that a profile remembers
WEEK_MINUTES = 7 * 24 * 60

_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")
_RATE = re.compile(r"[0-9]{1,7}(\.[0-9]{1,9})?")
LARGEST_RATE = 1_000_000

Said = Iterator[tuple[str, str]]


class DeclaredNames(NamedTuple):
    """The names that a policy may use; `event_types` says what each type behaves like."""

    channels: frozenset[str] = frozenset(CHANNELS)
    event_types: Mapping[str, EventType] = EVENT_TYPES
    intents: frozenset[str] = frozenset(Intent.ALL)


def rules_of(part: Any, known: DeclaredNames) -> Said:
    """Yield what is wrong with one part of a policy, its own parts not looked at."""
    rule: Callable[[Any, DeclaredNames], Said] | None = _RULES.get(type(part))
    if rule is not None:
        yield from rule(part, known)


def _named(name: str) -> Said:
    if not is_name(name):
        yield "name", "want a name: lower-case letters, digits and _, at most 64"


def _between(key: str, number: float | None, least: float, most: float) -> Said:
    if number is not None and not least <= number <= most:
        yield key, f"want {least:g} to {most:g}"


def _finite(key: str, number: float | None, least: float = -math.inf) -> Said:
    if number is not None and (not math.isfinite(number) or number < least):
        yield key, "want a finite number" + ("" if least < 0 else f", {least:g} or more")


def _ordered(key: str, least: float | None, most: float | None) -> Said:
    if least is not None and most is not None and least > most:
        yield key, "want at least the lower bound"


def _of(key: str, names: Iterable[str], known: Iterable[str], what: str) -> Said:
    for name in names:
        if name not in known:
            right = sorted(known)
            wanted = f"want one of {', '.join(right)}{did_you_mean(name, right)}"
            yield key, f"unknown {what} {ascii(name)[:70]}; {wanted}"


def _hours(start: str, end: str, weekdays: tuple[int, ...]) -> Said:
    for key, text in (("start", start), ("end", end)):
        if text and not _CLOCK.fullmatch(text):
            yield key, 'want a time of day, "00:00" to "23:59"'
    if start and start == end:
        yield "end", "want another time than start"
    if not all(1 <= day <= 7 for day in weekdays):
        yield "weekdays", "want days from 1 (Monday) to 7"
    elif len(set(weekdays)) < len(weekdays):
        yield "weekdays", "want each day once"


def _attribute(part: AttributeIs, known: DeclaredNames) -> Said:
    if not part.name:
        yield "name", "want an attribute's name"
    yield from _finite("at_least", part.at_least)
    yield from _finite("at_most", part.at_most)
    yield from _ordered("at_most", part.at_least, part.at_most)


def _event(part: HappenedLately, known: DeclaredNames) -> Said:
    kept = [kind for kind, like in known.event_types.items() if like.lane != ATTRIBUTE]
    yield from _of("type", (part.type,), kept, "event type")
    yield from _of("channels", part.channels, known.channels, "channel")
    if not 0 < part.days <= LOOK_BACK_DAYS:
        yield "days", f"want more than 0 to {LOOK_BACK_DAYS}"
    if part.type in kept:
        most = LANE_CAPACITY[known.event_types[part.type].lane]
        remembered = f"{most} of them are remembered"
        if part.at_least is not None and not 0 <= part.at_least <= most:
            yield "at_least", f"want 0 to {most}: {remembered}"
        if part.at_most is not None and not 0 <= part.at_most < most:
            yield "at_most", f"want 0 to {most - 1}: {remembered}"
    yield from _ordered("at_most", part.at_least, part.at_most)
    if part.at_least == 0 and part.at_most is None:
        yield "at_least", "want 1 or more, or at_most: 0 or more always holds"


def _time(part: AtTime, known: DeclaredNames) -> Said:
    yield from _hours(part.start, part.end, part.weekdays)
    if part == AtTime():
        yield "", "want since, until, weekdays, start or end: without any it always holds"
    if part.since is not None and part.until is not None:
        if (part.since.tzinfo is None) is not (part.until.tzinfo is None):
            yield "until", "want an offset in both of since and until, or in neither"
        elif part.since >= part.until:
            yield "until", "want a time after since"


def _offer(part: OfferHas, known: DeclaredNames) -> Said:
    if part == OfferHas():
        yield "", "want a bound: without any it always holds"
    yield from _finite("price_at_least", part.price_at_least, 0)
    yield from _finite("price_at_most", part.price_at_most, 0)
    yield from _finite("value_at_least", part.value_at_least)
    yield from _between("margin_at_least", part.margin_at_least, -1, 1)
    yield from _ordered("price_at_most", part.price_at_least, part.price_at_most)


def _eligibility(part: Eligibility, known: DeclaredNames) -> Said:
    yield from _named(part.name)
    yield from _of("channels", part.channels, known.channels, "channel")
    if not part.bar and not part.when:
        yield "when", "want a condition, or bar = true: without either the rule says nothing"
    if part.bar and not part.when and not part.channels and part.about == Selector():
        yield "bar", "want about, channels or when: this bars every offer everywhere"


def _cap(part: Cap, known: DeclaredNames) -> Said:
    yield from _named(part.name)
    yield from _between("limit", part.limit, 0, CAP_LIMIT)
    yield from _of("channels", part.channels, known.channels, "channel")
    if (part.days is None) is (part.calendar is None):
        yield "days", "want either days or calendar"
    if part.days is not None and not 0 < part.days <= LOOK_BACK_DAYS:
        yield "days", f"want more than 0 to {LOOK_BACK_DAYS}"
    if part.per == "group" and part.about == Selector():
        yield "about", "want the offers of the group"


def _quiet(part: QuietHours, known: DeclaredNames) -> Said:
    yield from _named(part.name)
    yield from _of("channels", part.channels, known.channels, "channel")
    yield from _hours(part.start or "?", part.end or "?", part.weekdays)


def _cooling(part: CoolDowns, known: DeclaredNames) -> Said:
    for key in ("purchase", "decline", "category_days"):
        yield from _between(key, getattr(part, key), 0, LOOK_BACK_DAYS)


def _contact(part: Contact, known: DeclaredNames) -> Said:
    yield from _of("outbound", part.outbound, known.channels, "channel")
    if fault := zone_fault(part.zone):
        yield "zone", fault
    if not 1 <= part.reserve_minutes <= WEEK_MINUTES:
        yield "reserve_minutes", f"want 1 to {WEEK_MINUTES}"
    for key in ("zone_attribute", "case_attribute"):
        if not getattr(part, key):
            yield key, "want an attribute's name"


def _lever(part: Lever, known: DeclaredNames) -> Said:
    yield from _named(part.name)
    if not part.owner.strip():
        yield "owner", "want who answers for it"
    if part.about == Selector():
        yield "about", "want the offers it weighs: on all it changes nothing"
    yield from _between("factor", part.factor, 0.1, 10)
    yield from _of("intents", part.intents, known.intents, "intent")
    for key in ("since", "until"):
        moment = getattr(part, key)
        if moment is not None and moment.tzinfo is None:
            yield key, "want an offset, as in 2026-12-01T00:00:00Z"
            return
    if part.since is not None and part.since >= part.until:
        yield "until", "want a time after since"


def _arbitration(part: Arbitration, known: DeclaredNames) -> Said:
    money = part.value_unknown
    if money is None:
        return
    if money.currency not in CURRENCIES:
        yield "value_unknown", 'want a currency such as "EUR" first'
    if money.units < 0 or not 0 <= money.nanos < 10**9:
        yield "value_unknown", "want units of 0 or more, and nanos below 1000000000"


def _money(part: Currencies, known: DeclaredNames) -> Said:
    if part.currency and part.currency not in CURRENCIES:
        yield "currency", 'want a currency of ISO 4217 such as "EUR"'
    if part.rates and not part.currency:
        yield "currency", "want the currency that the rates are in"
    for name, rate in part.rates.items():
        if name not in CURRENCIES:
            yield f"rates.{name}", 'want a currency of ISO 4217 such as "JPY" before the rate'
        elif name == part.currency:
            yield f"rates.{name}", "want no rate for the policy's own currency"
        if not _RATE.fullmatch(str(rate)) or not 0 < rate_in_nanos(rate) <= LARGEST_RATE * NANOS:
            yield (
                f"rates.{name}",
                f"want a decimal above 0, up to {LARGEST_RATE:,}, with at most 9 digits after the "
                "point",
            )


def _diversity(part: AtMost, known: DeclaredNames) -> Said:
    if not part.feature:
        yield "feature", "want a feature's name"
    yield from _between("limit", part.limit, 1, 100)


def _exploration(part: Exploration, known: DeclaredNames) -> Said:
    yield from _between("temperature", part.temperature, 0, 2)
    yield from _between("minutes", part.minutes, 1, WEEK_MINUTES)


def _holdout(part: Holdout, known: DeclaredNames) -> Said:
    yield from _between("share", part.share, 0, 0.5)
    if part.name:
        yield from _named(part.name)


def _intent(part: IntentRule, known: DeclaredNames) -> Said:
    if len(set(part.classes)) < len(part.classes):
        yield "classes", "want each class once"


def _placement(part: Placement, known: DeclaredNames) -> Said:
    if part.intent:
        yield from _of("intent", (part.intent,), known.intents, "intent")
    yield from _between("count", part.count, 0, 100)


def _searching(part: CandidateCounts, known: DeclaredNames) -> Said:
    yield from _between("items", part.items, 1, 1000)
    yield from _between("sets", part.sets, 0, 1000)


def _policy(part: Policy, known: DeclaredNames) -> Said:
    unknown, money = part.arbitration.value_unknown, part.money
    if unknown and money.currency and unknown.currency not in (money.currency, *money.rates):
        yield (
            "arbitration.value_unknown",
            f"want an amount in {money.currency}, or a rate for {unknown.currency} in money.rates",
        )
    if part.exploration.temperature > 0 and len(part.diversity) > 1:
        yield (
            "diversity",
            "want one rule at most while there is exploration: with more it is not known how "
            "probable a slate is",
        )


_RULES: Mapping[type, Callable[[Any, DeclaredNames], Said]] = {
    AttributeIs: _attribute,
    HappenedLately: _event,
    AtTime: _time,
    OfferHas: _offer,
    Eligibility: _eligibility,
    Cap: _cap,
    QuietHours: _quiet,
    CoolDowns: _cooling,
    Contact: _contact,
    Lever: _lever,
    Arbitration: _arbitration,
    AtMost: _diversity,
    Exploration: _exploration,
    Holdout: _holdout,
    IntentRule: _intent,
    Placement: _placement,
    Policy: _policy,
    CandidateCounts: _searching,
    Currencies: _money,
}
