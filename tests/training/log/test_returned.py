"""Returned purchases leave the log that is learnt from, as they leave the profile in service."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from models.domain.dataset import Metadata
from models.domain.event_types import EVENT_TYPES, RETURNED
from models.domain.events import Event, event_key, stamp_of
from models.domain.fold import fold
from models.domain.profile import Compartment
from models.domain.view import view_of
from tests.support.events import EPOCH, SECOND, identifier
from training.log.dataset import frame, write_dataset
from training.log.event_log import read_log
from training.log.returned import without_returned

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
COLUMNS = ("event_id", "identifier", "type", "item", "offer", "quantity", "of_event")
Said = tuple[str, str, str, str | None, str | None, float | None, str | None]


def kept(
    folder: Path, *said: Said, links: bool = False, event_types: dict[str, str] | None = None
) -> list[list[str]]:
    """Return the ids of the events that are left in the log of these, an hour apart each."""
    rows: dict[str, Sequence[object]] = dict(
        zip(COLUMNS, map(list, zip(*said, strict=True)), strict=True)
    )
    rows["time"] = [NOON + timedelta(hours=at) for at in range(len(said))]
    rows["namespace"] = ["loyalty"] * len(said)
    rows["channel"] = ["till"] * len(said)
    tables = {"events": frame("events", rows), "items": frame("items", {"item": ["a", "b"]})}
    if links:
        pair = {"namespace_a": "loyalty", "identifier_a": "1", "namespace_b": "loyalty"}
        both = {**pair, "identifier_b": "2", "asserted_by": "login"}
        tables["links"] = frame("links", {name: [value] for name, value in both.items()})
    metadata = Metadata(kind="timed", source="test", event_types=event_types or {})
    write_dataset(folder / "d", tables, metadata)
    log = read_log(folder / "d")
    return [[one.event_id for one in customer.events] for customer in log.customers]


def test_a_returned_purchase_is_not_learnt_from(tmp_path: Path) -> None:
    """What came back whole is not in a customer's events, nor is the return; the rest stays."""
    assert kept(
        tmp_path,
        ("view", "1", "view", "a", None, None, None),
        ("p", "1", "purchase", "a", None, 2.0, None),
        ("q", "1", "purchase", "b", None, 2.0, None),
        ("s", "1", "purchase", "b", None, None, None),
        ("r1", "1", "return", None, None, None, "p"),
        ("r2", "1", "void", "b", None, 2.0, None),
    ) == [["view", "q"]]


def test_a_return_under_another_identifier(tmp_path: Path) -> None:
    """A return under a linked identifier reaches the purchase, under a stranger's it does not."""
    said: tuple[Said, ...] = (
        ("p", "1", "purchase", "a", None, None, None),
        ("r", "2", "return", None, None, None, "p"),
    )
    assert kept(tmp_path / "linked", *said, links=True) == [[]]
    assert sorted(kept(tmp_path / "apart", *said)) == [[], ["p"]]


def test_an_event_under_two_identifiers_counts_once(tmp_path: Path) -> None:
    """An id that two identifiers of one customer have is one event, the earlier; else it is two."""
    said: tuple[Said, ...] = (
        ("p", "1", "purchase", "a", None, None, None),
        ("v", "1", "view", "b", None, None, None),
        ("p", "2", "purchase", "b", None, None, None),
    )
    assert kept(tmp_path / "linked", *said, links=True) == [["p", "v"]]
    assert sorted(kept(tmp_path / "apart", *said)) == [["p"], ["p", "v"]]


def test_a_declared_type_of_return(tmp_path: Path) -> None:
    """A type that the dataset declares like `return` takes back, as it does in service."""
    assert kept(
        tmp_path,
        ("p", "1", "purchase", "a", None, None, None),
        ("r", "1", "refund", "a", None, None, None),
        event_types={"refund": "return"},
    ) == [[]]


TYPES = ("purchase", "redeem", "dismiss", "return", "void")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(TYPES),
            st.integers(0, 5),
            st.sampled_from("ab"),
            st.sampled_from([0.0, 1.0, 2.0]),
            st.one_of(st.none(), st.integers(0, 12)),
        ),
        max_size=12,
    )
)
def test_the_log_says_what_the_profile_says(
    rows: list[tuple[str, int, str, float, int | None]],
) -> None:
    """Training leaves out exactly what a profile of the same events takes as never having been."""
    events = [
        Event(
            event_id=f"e{number}",
            identifier=identifier(1),
            type=type_,
            channel="till",
            time=EPOCH + at * SECOND,
            item=item,
            quantity=quantity,
            of_event=f"e{of}" if of is not None and type_ in ("return", "void") else "",
        )
        for number, (type_, at, item, quantity, of) in enumerate(rows)
    ]
    view = view_of([fold(Compartment(facts={}), events)])
    acts = [view.lanes[lane] for lane in view.lanes if lane != RETURNED]
    in_service = {entry.key for lane in acts for entry in lane}
    learnt = without_returned(sorted(events, key=stamp_of), EVENT_TYPES)
    assert {event_key(one.event_id) >> 32 for one in learnt} == in_service
