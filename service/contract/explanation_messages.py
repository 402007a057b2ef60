"""An explanation as the contract has it, and in sentences that an agent can say."""

from collections.abc import Iterator

from throughline.v1 import recommendation_pb2 as pb

from models.decision.outcome import OfferOutcome, Stage
from models.domain.catalogue import Catalogue
from models.domain.decisions import Because, Source
from models.domain.event_types import VERBS
from models.explanation.counterfactuals import ADVISED, Counterfactual, CounterfactualKind
from models.explanation.explain import Explanation
from service.contract.common_messages import timestamp
from service.contract.recommendation_messages import fill_recommended_offer
from service.contract.words import reason_in_words


def fill_explanation(
    response: pb.ExplainDecisionResponse, explanation: Explanation, catalogue: Catalogue
) -> None:
    """Fill `response`; `catalogue` has the titles."""
    response.offer_id = explanation.offer
    _fill_outcome(response.standing, explanation.outcome)
    shown = explanation.shown
    if shown is not None:
        offer = catalogue.offer(shown.offer)
        assert offer is not None, "what is shown is in the catalogue"
        fill_recommended_offer(response.shown, shown, offer)
        if shown.score_parts is not None:
            parts = shown.score_parts
            response.parts.base, response.parts.worth = parts.base, parts.worth
            response.parts.noise = parts.noise
    response.attributes.extend(explanation.attributes)
    if explanation.score is not None:
        response.score = explanation.score
    if explanation.least is not None:
        response.least_score = explanation.least
    for changes in explanation.sets:
        entry = response.would_show.add()
        for change in changes:
            _fill_change(entry.changes.add(), change)
    if shown is None and not explanation.sets:
        for stopped in explanation.stopped:
            _fill_outcome(response.in_the_way.add(), stopped)
    response.catalogue_moved = explanation.moved
    response.words.extend(sentences(explanation, catalogue))


def sentences(explanation: Explanation, catalogue: Catalogue) -> Iterator[str]:
    """Yield the sentences."""
    name = _named(explanation.offer, catalogue)
    outcome = explanation.outcome
    if explanation.shown is not None:
        carried = _carried(explanation, catalogue)
        yield f"{name} is number {outcome.rank}{carried and f': {carried}'}."
    else:
        yield f"{name} is not shown: {_stopped(outcome)}."
        for changes in explanation.sets:
            yield f"It would be shown {' and '.join(map(_change, changes))}."
        if not explanation.sets:
            yield "No small change would show it."
            for further in explanation.stopped[1:]:
                yield f"Beyond that: {_stopped(further)}."
    if explanation.moved:
        yield "The catalogue has changed since; this is how it would be decided now."


def _named(offer_id: str, catalogue: Catalogue) -> str:
    """Return an offer's title, or its id where it has none."""
    offer = catalogue.offer(offer_id)
    return (offer.title if offer is not None else "") or offer_id


def _carried(explanation: Explanation, catalogue: Catalogue) -> str:
    shown = explanation.shown
    assert shown is not None, "only what is shown is carried"
    if shown.because:
        return f"they {', '.join(_act(because, catalogue) for because in shown.because)}"
    if explanation.attributes:
        return f"popular with customers of {', '.join(explanation.attributes)}"
    return "popular with everybody" if shown.source == Source.POPULAR else ""


def _act(because: Because, catalogue: Catalogue) -> str:
    verb = VERBS.get(because.type, because.type)
    item = catalogue.items.get(because.item)
    return f"{verb} {(item.title if item is not None else '') or because.item}".rstrip()


def _stopped(outcome: OfferOutcome) -> str:
    if outcome.stage == Stage.CATALOGUE:
        return "it is not in the catalogue"
    if outcome.stage == Stage.RETRIEVAL:
        return "nothing that this customer did leads to it"
    if outcome.stage == Stage.RANKING or outcome.reason is None:
        return f"it is number {outcome.rank}, below the last one shown"
    why = reason_in_words(int(outcome.reason))
    return f"{why} ({outcome.rule})" if outcome.rule else why


def _change(change: Counterfactual) -> str:
    match change.kind:
        case CounterfactualKind.STOCK:
            place = f" at {change.about}" if change.about else ""
            return f"with {change.value:.0f} in stock{place}"
        case CounterfactualKind.TIME:
            return f"from {timestamp(change.at).ToJsonString()} on"
        case CounterfactualKind.PRICE:
            return f"at a price of {change.value:.2f}"
        case CounterfactualKind.LEVER:
            return f"with a lever of {change.value:.3f} on it"
        case CounterfactualKind.RATE:
            return f"to a customer who turns to it at a rate of {change.value:.4f}"
        case CounterfactualKind.EVENT:
            return f"after one more {change.about} of it"
        case CounterfactualKind.CASE:
            return "once the open case is closed"
        case CounterfactualKind.ATTRIBUTE:
            return f"to a customer whose {change.about} is {change.text}"
        case CounterfactualKind.VOLUME:
            return "with one more of its volume"


def _fill_outcome(message: pb.OfferStanding, outcome: OfferOutcome) -> None:
    message.stage = int(outcome.stage)  # type: ignore[assignment]
    if outcome.reason is not None:
        message.reason = int(outcome.reason)  # type: ignore[assignment]
    message.rule = outcome.rule
    message.rank = outcome.rank


def _fill_change(message: pb.DecisionChange, change: Counterfactual) -> None:
    message.kind = int(change.kind)  # type: ignore[assignment]
    message.about = change.about
    message.value = change.value
    if change.kind == CounterfactualKind.TIME:
        message.time.FromMicroseconds(change.at)
    message.text = change.text
    message.advised = change.kind in ADVISED
