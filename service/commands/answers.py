"""An answer of the service as a person reads it: the slate and why, what was withheld and why."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text
from throughline.v1.common_pb2 import Flag
from throughline.v1.customer_pb2 import GetCustomerResponse
from throughline.v1.recommendation_pb2 import (
    WITHHOLD_REASON_NOT_INCLUDED,
    Moment,
    RecommendedOffer,
    RecommendResponse,
    WithheldOffer,
)

from service.commands.terminal import money_text, table
from service.contract.words import SOURCES, flag_in_words, reason_in_words

SHORT = 12  # digits of a digest that tell two apart
MAX_WITHHELD_ROWS = 15  # offers not shown that are listed


def recommendation(answer: RecommendResponse) -> Iterator[RenderableType]:
    """Yield the parts of a slate: the offers, the first of those withheld, and all flags."""
    if answer.offers:
        rows = [_offer(offer) for offer in answer.offers]
        yield table(("rank", "offer", "title", "price", "why"), rows)
    else:
        yield Text("No offers.")
    # Who names what may be shown knows that the rest may not.
    of_interest = [
        offer for offer in answer.withheld if offer.reason != WITHHOLD_REASON_NOT_INCLUDED
    ]
    rows = [_withheld(offer) for offer in of_interest[:MAX_WITHHELD_ROWS]]
    if rows:
        yield table(("rank", "offer", "why not"), rows, "Withheld")
    listed = len(answer.withheld)
    more = listed + answer.withheld_more - len(rows)
    if more:
        not_included = listed - len(of_interest)
        also = f", {not_included:,} of them not among what was asked for" if not_included else ""
        told = f"the first {listed:,}" if answer.withheld_more else "them all"
        yield Text(f"{more:,} more withheld{also}; --json has {told}")
    yield from _flags(answer.flags)
    yield Text(f"Decision {answer.decision_id}: {moment_in_words(answer.moment)}", "dim")


def customer(answer: GetCustomerResponse) -> Iterator[RenderableType]:
    """Yield the parts of what is known of a customer."""
    if not answer.known:
        yield Text("Nothing is stored under these identifiers.")
        return
    plural = "" if answer.identifier_count == 1 else "s"
    yield Text(
        f"Customer {answer.customer_id}: profile version {answer.profile_version}, "
        f"{answer.identifier_count} identifier{plural}"
    )
    for link in answer.links:
        when = f" at {link.time.ToJsonString()}" if link.HasField("time") else ""
        yield Text(f"Linked by {link.asserted_by}{when}")
    if answer.attributes:
        said = ", ".join(f"{name}={value}" for name, value in sorted(answer.attributes.items()))
        yield Text(f"Attributes: {said}")
    if answer.counts:
        counts = [(entry.type, entry.channel, str(entry.count)) for entry in answer.counts]
        yield table(("event", "channel", "count"), counts, "All events")
    if answer.recent:
        recent = [
            (
                event.time.ToJsonString() if event.HasField("time") else "undated",
                event.type,
                event.channel,
                event.item_id or event.offer_id,
            )
            for event in answer.recent
        ]
        yield table(("time", "event", "channel", "about"), recent, "Latest events")
    yield from _flags(answer.flags)


def moment_in_words(moment: Moment) -> str:
    """Return every version of a moment on one line, digests shortened."""
    said = (
        f"profile {moment.profile_version}, catalogue {moment.catalogue_revision}, "
        f"release {moment.release[:SHORT] or 'none'}, policy {moment.policy[:SHORT]}, "
        f"{moment.minute.ToJsonString()}, intent {moment.intent}"
    )
    return f"{said}, context {moment.context}" if moment.context else said


def shown_reason(offer: RecommendedOffer) -> str:
    """Return how an offer came into the ranking, and what the customer did that carried it."""
    if not offer.because:
        return SOURCES.get(offer.source, "")
    acts = ", ".join(f"{act.type} {act.item_id}".rstrip() for act in offer.because)
    return f"because of {acts}"


def withheld_reason(offer: WithheldOffer) -> str:
    """Return why an offer is not shown, with the age of the stock where that is the reason."""
    said = reason_in_words(offer.reason)
    if offer.rule:
        said += f" ({offer.rule})"
    if offer.HasField("stock_as_of"):
        return f"{said} (counted {offer.stock_as_of.ToJsonString()})"
    return said


def _offer(offer: RecommendedOffer) -> tuple[str, ...]:
    return (
        str(offer.rank),
        offer.offer_id,
        offer.title,
        money_text(offer.price),
        shown_reason(offer),
    )


def _withheld(offer: WithheldOffer) -> tuple[str, ...]:
    return (str(offer.rank), offer.offer_id, withheld_reason(offer))


def _flags(flags: Sequence[Flag.ValueType]) -> Iterator[Text]:
    for flag in flags:
        yield Text(f"Note: {flag_in_words(flag)}", "yellow")
