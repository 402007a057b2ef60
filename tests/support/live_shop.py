"""A shop as its channels see it: a served process, asked over gRPC alone, with much going on."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from throughline.v1 import common_pb2, customer_pb2, event_pb2, offer_pb2
from throughline.v1 import recommendation_pb2 as pb

from models.policy.schema import Policy
from models.release.registry import Registry
from service.client import Client
from tests.support.channels import clients
from tests.support.in_process import event
from tests.support.server_processes import KEY, prepared, served

SETTLED_SECONDS = 0.6  # a decision's record is kept after 50 ms, a change is polled every 200 ms

OTHERS = 1_000  # other events between two steps of a story
_TYPES = ("view", "click", "impression")
_CHANNELS = ("web", "app")


@dataclass
class Shop:
    """A service under way. The channels ask it, each over a connection of its own in turn.

    Customers are named by their identifiers, `namespace:value`.
    """

    clients: Sequence[Client]
    decisions: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=count)

    @property
    def client(self) -> Client:
        """Return the next connection."""
        return self.clients[next(self._numbers) % len(self.clients)]

    def ask(self, who: str, channel: str, *include: str) -> pb.RecommendResponse:
        """Ask for offers of a customer, of these alone where there are any."""
        request = pb.RecommendRequest(
            identifiers=[identifier(who)], channel=channel, count=40, include=include
        )
        answer = self.client.recommendations.Recommend(request)
        self.decisions.append(answer.decision_id)
        return answer

    def shown(self, who: str, channel: str, offer: str) -> bool:
        """Tell whether an offer is shown to a customer on a channel."""
        return offer in {one.offer_id for one in self.ask(who, channel, offer).offers}

    def check(
        self, offer: str, channel: str, who: str = "", decision: str = ""
    ) -> pb.CheckOfferResponse:
        """Ask whether an offer holds, for a customer or by a decision."""
        request = pb.CheckOfferRequest(decision_id=decision, offer_id=offer, channel=channel)
        if who:
            request.identifiers.append(identifier(who))
        answer = self.client.recommendations.CheckOffer(request)
        if answer.HasField("alternative"):
            self.decisions.append(answer.alternative.decision_id)
        return answer

    def did(self, who: str, type_: str, channel: str, **more: object) -> str:
        """Record an event of a customer, and return its id."""
        name = f"step-{next(self._numbers)}"
        self._record([_event(name, who, type_, channel=channel, **more)])
        return name

    def others(self, *who: str) -> None:
        """Record a thousand other events under these identifiers; let what was before settle."""
        first = next(self._numbers)
        self._record(
            [
                _event(
                    f"other-{first}-{number}",
                    who[number % len(who)],
                    _TYPES[number % len(_TYPES)],
                    channel=_CHANNELS[number % len(_CHANNELS)],
                    item_id=f"item{20 + number % 20}",
                    offer_id=f"item:item{20 + number % 20}",
                )
                for number in range(OTHERS)
            ]
        )
        time.sleep(SETTLED_SECONDS)

    def link(self, one: str, other: str) -> None:
        """Say that two identifiers are one customer."""
        request = customer_pb2.LinkIdentifiersRequest(
            a=identifier(one), b=identifier(other), asserted_by="login"
        )
        self.client.customers.LinkIdentifiers(request)

    def customer(self, who: str) -> customer_pb2.GetCustomerResponse:
        """Return what is known of a customer."""
        request = customer_pb2.GetCustomerRequest(identifiers=[identifier(who)], recent=100)
        return self.client.customers.GetCustomer(request)

    def put(self, *offers: offer_pb2.Offer) -> None:
        """Add or replace offers."""
        self.client.offers.UpsertOffers(offer_pb2.UpsertOffersRequest(offers=offers))

    def put_items(self, *items: offer_pb2.Item) -> None:
        """Add or replace items."""
        self.client.offers.UpsertItems(offer_pb2.UpsertItemsRequest(items=items))

    def replayed(self) -> list[str]:
        """Replay every decision made so far, and return in what any of them differs."""
        found = []
        for decision in self.decisions:
            request = pb.ReplayDecisionRequest(decision_id=decision)
            answer = self.client.recommendations.ReplayDecision(request)
            found += [] if answer.same else [answer.differs]
        return found

    def _record(self, events: Sequence[event_pb2.Event]) -> None:
        request = event_pb2.RecordEventsRequest(events=events)
        answer = self.client.events.RecordEvents(request)
        assert not any(one.outcome.code or one.duplicate for one in answer.results)


@contextmanager
def live_shop(
    directory: Path, store: str, policy: Policy, items: Sequence[offer_pb2.Item], workers: int = 1
) -> Iterator[Shop]:
    """Serve a catalogue under a policy over `store` (a URL), a small release in force."""
    (directory / "identifier.key").write_text(KEY)
    prepared(directory)
    Registry(directory / "var" / "registry").publish(policy, 2)
    options = ("--store", store, "--key-file", "identifier.key")
    with (
        served(directory, *options, workers=workers) as server,
        clients(server.address, 2 * workers) as made,
    ):
        shop = Shop(made)
        shop.put_items(*items)
        yield shop


def identifier(who: str) -> common_pb2.Identifier:
    """Return the identifier that `namespace:value` names."""
    namespace, _, value = who.partition(":")
    return common_pb2.Identifier(namespace=namespace, value=value)


def euro(units: int, nanos: int = 0) -> common_pb2.Money:
    """Return an amount in EUR."""
    return common_pb2.Money(currency="EUR", units=units, nanos=nanos)


def _event(name: str, who: str, type_: str, **more: object) -> event_pb2.Event:
    made = event(name, "", type_, **more)
    made.identifier.CopyFrom(identifier(who))
    return made
