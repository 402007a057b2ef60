"""Decisions over the small catalogue, and all that they are made from, by hand and at random."""

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

from hypothesis import strategies as st

from models.clock_time import DAY
from models.decision.decide import run_stages
from models.decision.inputs import DecisionInputs, SharedInputs
from models.decision.outcome import Stage, offer_outcome
from models.decision.record import exhausted_untold, record
from models.decision.recorded import catalogue_rows_used, profile_to_keep
from models.domain.catalogue import Money
from models.domain.decisions import Decision, DecisionRecord, Intent, Request
from models.domain.events import Event
from models.domain.fold import fold
from models.domain.profile import Compartment, Profile
from models.domain.selectors import Selector
from models.explanation.counterfactuals import Counterfactual, apply_counterfactual
from models.policy.schema import (
    Arbitration,
    AtMost,
    CandidateCounts,
    Cap,
    Contact,
    Eligibility,
    Exploration,
    HappenedLately,
    Holdout,
    Lever,
    Policy,
)
from models.ranking.offer_index import OfferIndex
from tests.support.small_release import small_catalogue, small_release

NOW = 1_512_144_000_000_000  # 2017-12-01 16:00 UTC, on the minute
CHANNELS = ("web", "app", "email", "till", "call_center", "kiosk")


@cache
def index(ranked: bool = False) -> OfferIndex:
    """Return one small index, the same for every test; `ranked`: with a second stage."""
    release = small_release(Path(mkdtemp()), ranked=ranked)
    return OfferIndex(release, small_catalogue())


def event(kind: str, item: str = "", *, at: int = NOW - DAY, offer: str = "") -> Event:
    """Return a timed event on the web."""
    return Event(
        event_id=f"{kind}{item}{offer}{at}",
        identifier=b"i" * 16,
        type=kind,
        channel="web",
        time=at,
        item=item,
        offer=offer,
    )


def profile(*events: Event) -> Profile:
    """Return the profile of a customer that these events were recorded of."""
    compartments = {b"i" * 16: fold(Compartment(), events)} if events else {}
    return Profile(customer=b"i" * 16, version=len(events), compartments=compartments)


def offers(decision: Decision) -> list[str]:
    """Return the ids of the slate."""
    return [shown.offer for shown in decision.slate]


histories = st.lists(
    st.builds(
        event,
        st.sampled_from(("view", "add_to_cart", "purchase", "dismiss")),
        st.integers(0, 39).map(lambda number: f"item{number}"),
        at=st.integers(NOW - 60 * DAY, NOW),
    ),
    max_size=30,
    unique_by=lambda event: event.event_id,
)
requests = st.builds(
    Request,
    channel=st.sampled_from(CHANNELS),
    count=st.integers(1, 60),
    place=st.sampled_from(("", "s1", "s2")),
    exclude=st.lists(st.integers(0, 39).map(lambda n: f"item:item{n}"), max_size=4).map(tuple),
    include=st.lists(st.integers(0, 39).map(lambda n: f"item:item{n}"), max_size=6).map(tuple),
)
intents = st.sampled_from(Intent.ALL)

T = TypeVar("T")
FEATURES = sorted(
    {
        (name, value)
        for item in small_catalogue().items.values()
        for name, values in item.features.items()
        for value in values
    }
)


def either(*values: T) -> st.SearchStrategy[T]:
    """Return a strategy for one of some values."""
    return st.sampled_from(values)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Draw a policy with some of everything that decides."""
    feature, value = draw(st.sampled_from(FEATURES))
    about = Selector(features={feature: (value,)})
    lever = Lever(
        name="push", owner="brand", about=about, factor=3.0, until=datetime(2018, 1, 1, tzinfo=UTC)
    )
    cap = Cap(
        name="alike", per="group", limit=draw(either(1, 50)), days=30, about=about, hard=False
    )
    viewed = HappenedLately(type="view", days=30, at_least=1)
    return Policy(
        candidates=CandidateCounts(
            items=draw(st.sampled_from((6, 20, 200))), sets=draw(either(1, 50))
        ),
        exploration=Exploration(temperature=draw(st.sampled_from((0.0, 0.3, 1.0)))),
        diversity=draw(either((), (AtMost(feature=feature, limit=2),))),
        levers=draw(either((), (lever,))),
        contact=Contact(caps=draw(either((), (cap,)))),
        eligibility=draw(
            either(
                (),
                (Eligibility(name="never", about=about, bar=True),),
                (Eligibility(name="viewers", channels=("web",), when=(viewed,)),),
            )
        ),
        arbitration=Arbitration(value_unknown=draw(either(None, Money("EUR", 2, 0)))),
        holdout=Holdout(share=draw(st.sampled_from((0.0, 0.3))), name="h"),
    )


def recorded(customer: Profile, world: SharedInputs, request: Request) -> DecisionRecord:
    """Decide, and return what a server keeps of it."""
    stages = run_stages(DecisionInputs(customer, world, request, NOW))
    decision = record(stages)
    rows = catalogue_rows_used(decision, world.index, request.place)
    return DecisionRecord(
        id="one",
        customer=customer.customer,
        time=NOW,
        request=request,
        profile=profile_to_keep(customer, world.policy),
        decision=decision,
        rows=rows,
        currency=world.exchange.currency,
        exhausted=exhausted_untold(stages),
    )


def shown_after(asked: DecisionInputs, offer: str, changes: tuple[Counterfactual, ...]) -> bool:
    """Tell whether `offer` is shown after changes, one upon the other."""
    for change in changes:
        asked = apply_counterfactual(run_stages(asked), offer, change)
    return offer_outcome(run_stages(asked), offer).stage == Stage.SHOWN
