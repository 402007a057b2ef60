"""Asks what to offer a customer, and tells that the first offer was clicked."""

import os
import uuid

import grpc
from throughline.v1.common_pb2 import Identifier
from throughline.v1.event_pb2 import Event, RecordEventsRequest
from throughline.v1.event_pb2_grpc import EventServiceStub
from throughline.v1.recommendation_pb2 import RecommendRequest
from throughline.v1.recommendation_pb2_grpc import RecommendationServiceStub

who = Identifier(namespace="loyalty", value="L000312")
with grpc.insecure_channel(os.environ.get("THROUGHLINE_SERVER", "127.0.0.1:50051")) as channel:
    request = RecommendRequest(identifiers=[who], channel="web", count=3)
    answer = RecommendationServiceStub(channel).Recommend(request, timeout=2)
    for offer in answer.offers:
        print(offer.rank, offer.offer_id, offer.title)
    clicked = Event(event_id=uuid.uuid4().hex, identifier=who, type="click", channel="web")
    clicked.time.CopyFrom(answer.moment.minute)
    clicked.offer_id, clicked.decision_id = answer.offers[0].offer_id, answer.decision_id
    EventServiceStub(channel).RecordEvents(RecordEventsRequest(events=[clicked]), timeout=2)
