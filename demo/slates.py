"""The answers of the demo as a person reads them: every id with its title, reasons as sentences."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from throughline.v1.common_pb2 import FLAG_CLOCK_SET
from throughline.v1.recommendation_pb2 import (
    Because,
    RecommendedOffer,
    RecommendResponse,
)

from demo.check import ranking
from demo.page import WIDTH
from demo.titles import Titles
from service.commands.answers import moment_in_words, withheld_reason
from service.commands.terminal import money_text, table
from service.contract.words import SOURCES, flag_in_words, reason_name

WITHHELD = 5  # offers not shown that a slate lists
NOT_SHOWN = "–"
REASON, NARROW_REASON = 20, 12  # columns of the reasons in a comparison

DID = {
    "view": "viewed",
    "search": "searched for",
    "call": "called about",
    "add_to_cart": "carted",
    "purchase": "bought",
    "open": "opened",
    "click": "clicked",
    "accept": "accepted",
    "redeem": "redeemed",
}


def slate(answer: RecommendResponse, titles: Titles, who: str) -> Iterator[RenderableType]:
    """Yield the parts of a slate: the offers and why, the first of those withheld and why not.

    `who` is what the reasons call the customer.
    """
    if answer.offers:
        made = _compact(table(("rank", "offer, price and why"), ()))
        for offer in answer.offers:
            made.add_row(Text(str(offer.rank)), Group(*_shown(offer, titles, who)))
        yield made
    else:
        yield Text("No offers.")
    rows = [
        (str(offer.rank), titles.offer(offer.offer_id), withheld_reason(offer))
        for offer in answer.withheld[:WITHHELD]
    ]
    if rows:
        yield Text("\nWithheld", "italic")
        yield _compact(table(("rank", "offer", "why not"), rows))
    more = len(answer.withheld) + answer.withheld_more - len(rows)
    if more:
        yield Text(f"{more:,} more withheld")
    for flag in answer.flags:
        # That the clock is set was told once, at the start.
        if flag != FLAG_CLOCK_SET:
            yield Text(f"Note: {flag_in_words(flag)}", "yellow")
    yield Text(f"Decision {answer.decision_id}: {moment_in_words(answer.moment)}", "dim")


def comparison(answers: Mapping[str, RecommendResponse], titles: Titles, width: int) -> Table:
    """Return one ranking as a table: where each channel shows an offer, or why it does not.

    `width` is that of the page: on a narrow one the reasons leave their place to the titles.
    """
    ranks: dict[int, str] = {}
    for answer in answers.values():
        ranks |= ranking(answer)
    shown = {
        channel: {offer.rank: f"{place}." for place, offer in enumerate(answer.offers, start=1)}
        for channel, answer in answers.items()
    }
    withheld = {
        channel: {offer.rank: reason_name(offer.reason) for offer in answer.withheld}
        for channel, answer in answers.items()
    }
    rows = []
    for rank, offer in sorted(ranks.items()):
        reasons = {channel: told[rank] for channel, told in withheld.items() if rank in told}
        cells = [shown[channel].get(rank, NOT_SHOWN * (channel in reasons)) for channel in answers]
        rows.append((str(rank), titles.offer(offer), *cells, _reasons(reasons)))
    # A long name of a channel would take more room than all that stands below it.
    channels = [channel.replace("_", "_\n") for channel in answers]
    made = _compact(table(("rank", "offer", *channels, "why not"), rows))
    made.padding = (0, 1, 0, 0)
    made.columns[-1].max_width = REASON if width >= WIDTH else NARROW_REASON
    return made


def because(acts: Sequence[Because], titles: Titles, who: str) -> str:
    """Return what the customer did, as a sentence: acts of one kind share its verb."""
    clauses = []
    for kind, same in groupby(acts, key=lambda act: act.type):
        things = [titles.item(act.item_id) if act.item_id else "something" for act in same]
        clauses.append(f"{DID.get(kind, kind)} {_listed(things)}")
    return f"because {who} {', and '.join(clauses)}"


def _shown(offer: RecommendedOffer, titles: Titles, who: str) -> Iterator[Text]:
    named, price = titles.offer(offer.offer_id), money_text(offer.price)
    yield Text(f"{named}, {price}" if price else named, "bold")
    if offer.because:
        yield Text(because(offer.because, titles, who))
    elif offer.source in SOURCES:
        yield Text(SOURCES[offer.source])


def _reasons(by_channel: Mapping[str, str]) -> str:
    """Return the reason that most channels give, and the channels that give another."""
    if not by_channel:
        return ""
    ((most, _),) = Counter(by_channel.values()).most_common(1)
    others: dict[str, list[str]] = {}
    for channel, reason in by_channel.items():
        if reason != most:
            others.setdefault(reason, []).append(channel)
    return "; ".join([most, *(f"{reason} ({', '.join(by)})" for reason, by in others.items())])


def _compact(made: Table) -> Table:
    made.show_edge = False
    return made


def _listed(things: Sequence[str]) -> str:
    *most, last = things
    return f"{', '.join(most)} and {last}" if most else last
