"""From what a profile holds to the message of CustomerService."""

from collections import Counter

from throughline.v1 import customer_pb2 as pb

from models.domain.profile import LANE_CAPACITY, Profile
from models.domain.view import view_of
from service.contract.common_messages import timestamp


def fill_customer(response: pb.GetCustomerResponse, profile: Profile, recent: int) -> None:
    """Fill `response` with what a profile holds, and at most `recent` of its latest events."""
    linked = {identifier for link in profile.links for identifier in (link.a, link.b)}
    response.profile_version = profile.version
    response.identifier_count = len({profile.customer, *profile.compartments, *linked})
    for link in sorted(profile.links):
        shown_link = response.links.add(asserted_by=link.asserted_by)
        if link.time >= 0:
            shown_link.time.CopyFrom(timestamp(link.time))
    view = view_of(profile.compartments.values())
    response.attributes.update(view.attributes)
    # What was returned, too: decisions take it as never having been, who asks wants to see it.
    remembered = sorted(
        event for lane in LANE_CAPACITY for event in view.rule_history.entries(lane)
    )
    for event in reversed(remembered[-recent:]):
        shown_event = response.recent.add(
            type=event.type, channel=event.channel, item_id=event.item, offer_id=event.offer
        )
        if event.rank:
            shown_event.time.CopyFrom(timestamp(event.at))
    counts: Counter[tuple[str, str]] = Counter()
    for compartment in profile.compartments.values():
        for name, number in compartment.counts.items():
            type_, channel, _ = name.split(" ")
            counts[type_, channel] += number
    for (type_, channel), number in sorted(counts.items()):
        response.counts.add(type=type_, channel=channel, count=number)
