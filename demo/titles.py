"""Titles beside ids: those that answers told, and those that the catalogue is asked for once."""

from throughline.v1.offer_pb2 import GetOfferRequest
from throughline.v1.recommendation_pb2 import RecommendResponse

from service.client import CallFailed, Client

DEFAULT = "item:"  # and an item's id: its default offer, which has the item's title


class Titles:
    """Names offers and items by id and title."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._known: dict[str, str] = {}

    def learn(self, answer: RecommendResponse) -> None:
        """Remember the titles of the offers that an answer shows."""
        self._known.update({offer.offer_id: offer.title for offer in answer.offers})

    def offer(self, offer_id: str) -> str:
        """Return an offer's id and title; the id alone where the catalogue has none."""
        return f"{offer_id} {self._title(offer_id)}".rstrip()

    def item(self, item_id: str) -> str:
        """Return an item's id and title; the id alone where the catalogue has none."""
        return f"{item_id} {self._title(DEFAULT + item_id)}".rstrip()

    def _title(self, offer_id: str) -> str:
        if offer_id not in self._known:
            self._known[offer_id] = self._asked(offer_id)
        return self._known[offer_id]

    def _asked(self, offer_id: str) -> str:
        request = GetOfferRequest(offer_id=offer_id)
        try:
            return self._client.call(self._client.offers.GetOffer, request).offer.title
        except CallFailed as error:
            if error.code.name == "NOT_FOUND":
                return ""
            raise
