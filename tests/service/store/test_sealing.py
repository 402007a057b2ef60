"""A decision record is the one that was stored, or is told to be none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import codec
from models.codec import Damaged, UnknownFormat
from models.domain.decisions import DecisionRecord
from service.store.database.decision_ids import new_decision_id
from service.store.records.sealing import Erased, Seal, erase, is_erased, mac_of
from tests.support.backends import STORE_KEY
from tests.support.events import NOW, identifier, record

ANN = identifier(1)
SEAL = Seal(STORE_KEY)


def decided(second: int = 0) -> DecisionRecord:
    """Return a record under an id of its own."""
    return record(new_decision_id(1024, ANN, NOW + second), ANN, NOW + second)


ONE = decided()
STORED = SEAL.seal(ONE)


def test_a_record_survives_its_seal() -> None:
    """A sealed record is read as it was, under its own id."""
    assert SEAL.open(ONE.id, STORED.blob) == ONE
    assert (STORED.id, STORED.customer, STORED.time) == (ONE.id, ANN, ONE.time)


def test_no_byte_of_it_can_be_another() -> None:
    """Whichever byte is changed, or cut off, the record is told to be altered."""
    for at in range(len(STORED.blob)):
        flipped = bytearray(STORED.blob)
        flipped[at] ^= 1
        for blob in (bytes(flipped), STORED.blob[:at]):
            with pytest.raises(Damaged, match=ONE.id):
                SEAL.open(ONE.id, blob)


@given(st.binary(max_size=80))
def test_nothing_else_is_a_record(blob: bytes) -> None:
    """Bytes that were not sealed are no record, and no error but this one."""
    with pytest.raises(Damaged):
        SEAL.open(ONE.id, blob)


def test_a_record_is_nobody_elses() -> None:
    """A whole record under the id of another, or sealed under another key, is told."""
    other = decided(1)
    for name, blob in (
        (other.id, STORED.blob),
        (ONE.id, SEAL.seal(other).blob),
        (ONE.id, Seal(bytes(32)).seal(ONE).blob),
    ):
        with pytest.raises(Damaged):
            SEAL.open(name, blob)


def test_what_is_erased_keeps_its_seal() -> None:
    """Without its content a record has the MAC it had, says that it is erased, and nothing more."""
    left = erase(STORED.blob)
    assert is_erased(left)
    assert not is_erased(STORED.blob)
    assert mac_of(left) == mac_of(STORED.blob)
    SEAL.check(ONE.id, left)
    with pytest.raises(Erased, match=f"decision {ONE.id}: erased"):
        SEAL.open(ONE.id, left)
    assert len(left) == 49
    for at in range(len(left)):
        flipped = bytearray(left)
        flipped[at] ^= 1
        with pytest.raises(Damaged):
            SEAL.check(ONE.id, bytes(flipped))


def test_a_later_format_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A whole record of a format that is not known is told to be that, and not to be damaged."""
    with monkeypatch.context() as later:
        later.setattr(codec, "FORMAT", 9)
        sealed = SEAL.seal(ONE)
    for read in (SEAL.open, SEAL.check):
        with pytest.raises(
            UnknownFormat, match=f"decision {ONE.id}: .* format 9 not known; .* lat"
        ):
            read(ONE.id, sealed.blob)
