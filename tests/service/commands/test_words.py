"""What a person reads covers the closed lists of the contract."""

import re

import pytest
from throughline.v1 import common_pb2, recommendation_pb2

from models.domain.channels import CHANNELS
from models.domain.event_types import EVENT_TYPES, OWN_TYPES
from service.contract import words
from tests.support.paths import ROOT


@pytest.mark.parametrize(
    ("said", "numbers"),
    [
        (words.REASONS, recommendation_pb2.WithholdReason.values()),
        (words.SOURCES, recommendation_pb2.Source.values()),
        (words.FLAGS, common_pb2.Flag.values()),
    ],
)
def test_every_value_has_words(said: dict[int, str], numbers: list[int]) -> None:
    """Each value but the unspecified one is told in words, and no two in the same."""
    assert set(said) == set(numbers) - {0}
    assert len(set(said.values())) == len(said)


def test_newer_values_are_shown_by_number() -> None:
    """A service that is newer than the client is still understood."""
    assert words.reason_in_words(99) == words.reason_name(99) == "reason 99"
    assert words.flag_in_words(99) == "flag 99"


@pytest.mark.parametrize(
    ("begins", "names"),
    [("What happened: ", set(EVENT_TYPES) - OWN_TYPES), ("Where: ", set(CHANNELS))],
)
def test_the_contract_names_what_is_built_in(begins: str, names: set[str]) -> None:
    """The comments of an event's type and channel list those that callers may always send."""
    proto = (ROOT / "protos/throughline/v1/event.proto").read_text(encoding="utf-8")
    listed = re.split(r", or a\s", proto.partition(f"// {begins}")[2])[0]
    assert set(re.findall("[a-z_]+", listed)) == names
