"""The demo's story: one customer over web, app, e-mail, till and call centre, by gRPC alone."""

import hashlib
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from rich.console import Console
from rich.text import Text
from throughline.v1.common_pb2 import Identifier, Stock
from throughline.v1.customer_pb2 import LinkIdentifiersRequest
from throughline.v1.event_pb2 import Event
from throughline.v1.offer_pb2 import GetItemRequest, UpsertItemsRequest
from throughline.v1.recommendation_pb2 import (
    WITHHOLD_REASON_OUT_OF_STOCK,
    WITHHOLD_REASON_PURCHASED,
    RecommendRequest,
    RecommendResponse,
    WithholdReason,
)

from demo.cast import Cast
from demo.check import Told
from demo.page import heading
from demo.slates import comparison, slate
from demo.titles import Titles
from models.errors import ThroughlineError
from service.client import Client
from service.commands.answers import moment_in_words, withheld_reason
from service.commands.parsing import read_identifier
from service.commands.recording import send_events
from service.contract.words import reason_in_words

COUNT = 5
SEEN_WITHIN = 5.0  # seconds after which every instance must decide by a change of the catalogue
NOBODY, SHE = "the visitor", "she"  # what the reasons call the customer


class StoryFailed(ThroughlineError):
    """Something that the demo promises did not happen."""


class Story:
    """Tells the story and keeps every answer for the check.

    `began` is the reading of `time.monotonic` when the service's clock stood at `cast.start`.
    """

    def __init__(self, client: Client, console: Console, cast: Cast, began: float) -> None:
        self.told: list[Told] = []
        self._client = client
        self._titles = Titles(client)
        self._console = console
        self._began = began
        self._start = cast.start
        self._browsed = cast.browsed
        self._place = cast.place
        self._loyalty = read_identifier(f"loyalty:{cast.loyalty}")
        self._cookie = read_identifier("cookie:demo-browser")
        self._device = read_identifier("device:demo-phone")
        address = hashlib.sha256(b"demo@example.com").hexdigest()
        self._email = read_identifier(f"email_sha256:{address}")
        # How each channel knows her, once she has logged in.
        self._known = {
            "web": self._cookie,
            "app": self._device,
            "email": self._email,
            "till": self._loyalty,
            "call_center": self._loyalty,
        }

    def tell(self) -> None:
        """Tell the whole story; raises `StoryFailed` where a promise does not hold."""
        self._anonymous_on_web()
        self._login_on_app()
        self._same_on_every_channel()
        bought = self._purchase_at_the_till()
        self._left_out_everywhere(bought)
        self._out_of_stock()

    def _anonymous_on_web(self) -> None:
        self._title("1. Web: a browser that nobody knows")
        self._say("The home page asks for a new cookie. Nothing is known: the answer says so.")
        self._show("web", self._cookie, called=NOBODY)
        browsed = ", ".join(self._titles.item(item) for item in self._browsed)
        self._say(f"The visitor looks at {browsed}; the home page asks again.")
        self._record(self._cookie, "web", "view", self._browsed)
        self._show("web", self._cookie, called=NOBODY)

    def _login_on_app(self) -> None:
        self._title("2. App: she logs in, and is somebody with a history")
        self._say(
            f"The login links phone, browser and e-mail address to {self._loyalty.namespace} "
            f"{self._loyalty.value}: from now on every channel sees one customer."
        )
        for other in (self._device, self._cookie, self._email):
            request = LinkIdentifiersRequest(a=self._loyalty, b=other, asserted_by="login")
            self._client.call(self._client.customers.LinkIdentifiers, request)
        self._show("app", self._device)

    def _same_on_every_channel(self) -> None:
        self._title("3. E-mail, and every other channel: the same ranking")
        self._say(
            "The nightly e-mail asks under the address, the web under the cookie, the till by card."
        )
        self._compare(self._ask_everywhere())

    def _purchase_at_the_till(self) -> str:
        self._title("4. Till: she buys what was offered first")
        answer = self._ask("till", self._loyalty)
        if not answer.offers:
            raise StoryFailed("the till was told no offer")
        first = answer.offers[0]
        self._say(f"Bought: {self._titles.item(first.item_id)}, at {self._place}.")
        self._record(self._loyalty, "till", "purchase", [first.item_id], answer.decision_id)
        return f"item:{first.item_id}"

    def _left_out_everywhere(self, bought: str) -> None:
        self._say("The very next answers, on the web and on the agent's screen:")
        self._show("web", self._cookie)
        self._show("call_center", self._loyalty)
        self._say("Asked for that very offer, both say why it is not shown:")
        for channel in ("web", "call_center"):
            self._explain(channel, bought, WITHHOLD_REASON_PURCHASED)
        self._compare(self._ask_everywhere())

    def _out_of_stock(self) -> None:
        self._title("5. Stock: the last one is sold")
        answer = self._ask("till", self._loyalty, place=self._place)
        if not answer.offers:
            raise StoryFailed("the till was told no offer")
        offer, item = answer.offers[0].offer_id, answer.offers[0].item_id
        counted = f"{self._titles.item(item)} is counted at {self._place}"
        self._say(f"{counted}: none left. Elsewhere there are some.")
        before = answer.moment.catalogue_revision
        self._sell_out(item)
        self._await_revision(before)
        self._say(f"The till at {self._place}:")
        self._show("till", self._loyalty, place=self._place)
        self._say("Asked for that very offer, it says why not:")
        self._explain("till", offer, WITHHOLD_REASON_OUT_OF_STOCK, place=self._place)
        self._say("The web, which ships from anywhere:")
        self._show("web", self._cookie)
        self._ask_everywhere()

    def _ask(
        self, channel: str, who: Identifier, place: str = "", include: Sequence[str] = ()
    ) -> RecommendResponse:
        request = RecommendRequest(
            identifiers=[who], channel=channel, count=COUNT, place=place, include=include
        )
        answer = self._client.call(self._client.recommendations.Recommend, request)
        self.told.append(Told(channel, answer))
        self._titles.learn(answer)
        return answer

    def _ask_everywhere(self) -> dict[str, RecommendResponse]:
        """Ask on every channel within one minute, so that all answers are of one moment."""
        for _ in range(3):
            answers = {channel: self._ask(channel, who) for channel, who in self._known.items()}
            moments = {
                answer.moment.SerializeToString(deterministic=True) for answer in answers.values()
            }
            if len(moments) == 1:
                return answers
        raise StoryFailed("the channels were never answered at one moment")

    def _show(self, channel: str, who: Identifier, place: str = "", called: str = SHE) -> None:
        answer = self._ask(channel, who, place)
        at = f" at {place}" if place else ""
        self._console.print()
        self._console.print(Text(f"{channel}{at}, asked under {who.namespace}", "bold"))
        self._console.print(*slate(answer, self._titles, called), sep="\n")

    def _explain(
        self, channel: str, offer: str, reason: WithholdReason.ValueType, place: str = ""
    ) -> None:
        """Ask a channel for this offer only; it must refuse for this reason."""
        answer = self._ask(channel, self._known[channel], place, include=[offer])
        for withheld in answer.withheld:
            if withheld.offer_id == offer and withheld.reason == reason:
                named = f"{channel}: {self._titles.offer(offer)} at rank {withheld.rank}"
                said = f"{named} is not shown: {withheld_reason(withheld)}"
                self._console.print(Text(said, "green"))
                return
        raise StoryFailed(f"{channel} does not say of {offer}: {reason_in_words(reason)}")

    def _compare(self, answers: dict[str, RecommendResponse]) -> None:
        """Print one ranking, and what each channel made of every place in it."""
        self._say("One ranking, and the place that each channel shows an offer at:")
        self._console.print(comparison(answers, self._titles, self._console.width))
        self._console.print(Text(moment_in_words(next(iter(answers.values())).moment), "dim"))

    def _record(
        self,
        who: Identifier,
        channel: str,
        kind: str,
        items: Sequence[str],
        decision: str = "",
    ) -> None:
        events = [
            Event(
                event_id=uuid.uuid4().hex,
                identifier=who,
                type=kind,
                channel=channel,
                time=self._now(),
                item_id=item,
                decision_id=decision,
                place=self._place if channel == "till" else "",
            )
            for item in items
        ]
        for result in send_events(self._client, events).refused:
            raise StoryFailed(f"an event refused: {result.outcome.detail}")

    def _sell_out(self, item_id: str) -> None:
        item = self._client.call(self._client.offers.GetItem, GetItemRequest(item_id=item_id)).item
        elsewhere = [entry for entry in item.stock if entry.place not in ("", self._place)]
        del item.stock[:]
        item.stock.add(place=self._place, quantity=0, as_of=self._now())
        item.stock.extend(elsewhere or [Stock(place="warehouse", quantity=100, as_of=self._now())])
        # Of the item nothing but its stock changes, whoever changes its price meanwhile.
        request = UpsertItemsRequest(items=[item], update_mask=FieldMask(paths=["stock"]))
        self._client.call(self._client.offers.UpsertItems, request)

    def _await_revision(self, before: int) -> None:
        deadline = time.monotonic() + SEEN_WITHIN
        while time.monotonic() < deadline:
            if self._ask("web", self._cookie).moment.catalogue_revision > before:
                return
            time.sleep(0.05)
        raise StoryFailed(f"the catalogue's change was not seen within {SEEN_WITHIN:g} s")

    def _now(self) -> Timestamp:
        made = Timestamp()
        made.FromDatetime(self._start + timedelta(seconds=time.monotonic() - self._began))
        return made

    def _title(self, text: str) -> None:
        heading(self._console, text)

    def _say(self, text: str) -> None:
        self._console.print()
        self._console.print(Text(text))
