"""Events are sent in calls that the service takes."""

from types import SimpleNamespace
from typing import Any, cast

from throughline.v1.event_pb2 import Event, EventResult, RecordEventsRequest, RecordEventsResponse

from service.client import Client
from service.commands.recording import send_events
from service.contract.limits import EVENTS, MESSAGE_BYTES


def test_events_are_cut_by_number_and_by_size() -> None:
    """However many and however large events are, each call holds what one may; none is lost."""
    sent: list[RecordEventsRequest] = []

    def call(method: object, request: RecordEventsRequest) -> RecordEventsResponse:
        sent.append(request)
        return RecordEventsResponse(results=[EventResult() for _ in request.events])

    client = cast(Any, SimpleNamespace(call=call, events=SimpleNamespace(RecordEvents=None)))
    long = {f"name{number}": "x" * 256 for number in range(40)}
    events = [Event(event_id=f"{number}", attributes=long) for number in range(700)]
    events += [Event(event_id=f"{number}") for number in range(700, 2_500)]
    assert sum(event.ByteSize() for event in events) > MESSAGE_BYTES
    told = send_events(cast(Client, client), events)
    assert len(told.results) == len(events)
    assert [event.event_id for one in sent for event in one.events] == [
        event.event_id for event in events
    ]
    assert all(one.ByteSize() < MESSAGE_BYTES and len(one.events) <= EVENTS for one in sent)
