"""A source of candidates is declared in one place: proposals, bits, quotas and names follow."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest

from models.canonical import encode_canonical
from models.decision.decide import decide
from models.decision.inputs import SharedInputs
from models.domain.decisions import Request, Source
from models.errors import BadRelease
from models.numeric.array_types import Rows
from models.policy.schema import BUILT_IN
from models.ranking.offer_index import OfferIndex
from models.recommender import sources
from models.recommender.item_history import ItemHistory
from models.recommender.ranker import TABLES_LIMIT, SecondStage, check_second_stage
from models.recommender.sources import (
    DEFAULT_QUOTAS,
    EMBEDDING,
    NEW,
    OWN,
    POPULAR,
    SOURCES,
    TABLES,
    CandidateQuery,
    CandidateSource,
    Quotas,
    propose_candidates,
    public_sources,
    source_names,
)
from models.release.release import Release
from tests.support.decisions import NOW, event, index, profile
from tests.support.small_release import small_catalogue, small_content
from training.counting.item_tables import PAIRS

ITEMS = 40


class MoreQuotas(Quotas, frozen=True, kw_only=True):
    """The quotas with one of the source that is added."""

    latest: int = 0


def propose_last(query: CandidateQuery, limit: int) -> Rows:
    """Return the last items of the release that may be proposed."""
    return np.flatnonzero(query.allowed)[::-1][:limit]


ADDED = CandidateSource("latest", Source.POPULAR, "nothing", propose_last)


def stage() -> SecondStage:
    """Return a second stage over the small items."""
    found = small_content(ITEMS, ranked=True).second_stage
    assert found is not None
    return found


def with_quotas(quotas: Quotas) -> SecondStage:
    """Return the second stage, with other quotas."""
    before = stage()
    ensembles = {name: one._replace(quotas=quotas) for name, one in before.ensembles.items()}
    return before._replace(ensembles=ensembles)


def history(*rows: int) -> ItemHistory:
    """Return the history of who viewed these items once each."""
    count = len(rows)
    lanes = np.zeros((count, 4), np.float32)
    lanes[:, 0] = 1
    times = np.arange(count, dtype=np.float32)
    return ItemHistory(
        np.array(rows, np.int64), lanes, lanes, times, times, np.arange(count, dtype=np.int64), 0
    )


def proposed_by(quotas: Quotas, name: str) -> set[int]:
    """Return the items that a source proposes to who viewed the first and the last item."""
    retrieval = stage().retrieval
    allowed = np.ones(ITEMS, np.bool_)
    rows, bits = propose_candidates(retrieval, history(0, 39), quotas, allowed).candidates
    bit = source_names(retrieval.tables.names).index(name)
    return set(rows[bits >> bit & 1 == 1].tolist())


@pytest.fixture
def added(monkeypatch: pytest.MonkeyPatch) -> CandidateSource:
    """Declare one source more, after the release that the tests share was written without it."""
    index(True)
    monkeypatch.setattr(sources, "SOURCES", (*SOURCES, ADDED))
    return ADDED


def test_every_source_has_a_name_a_quota_and_an_attribution() -> None:
    """Names are fields of the quotas, and one public source is put down to one thing."""
    tables = ("any>any", "purchase>browse")
    assert source_names(tables) == ("own", *tables, "embedding", "popular", "new")
    assert {one.name for one in SOURCES} | {"other"} == set(Quotas.__struct_fields__)
    led_by: dict[Source, str] = {}
    for one in SOURCES:
        assert led_by.setdefault(one.public, one.led_by) == one.led_by
    assert len(source_names(())) + TABLES_LIMIT == sources.SOURCES_LIMIT


def test_quotas_are_stored_as_they_were() -> None:
    """The fields that `second_stage.json` keeps, in order, and their defaults are those of old."""
    told = b'{"own":200,"tables":{},"other":10,"embedding":0,"popular":10,"new":10}\n'
    assert encode_canonical(Quotas()) == told
    assert msgspec.json.decode(b"{}", type=Quotas) == Quotas()


@pytest.mark.parametrize(
    ("proposed", "public"),
    [
        ((OWN,), Source.OWN),
        ((OWN, TABLES, POPULAR), Source.OWN),
        ((TABLES, POPULAR), Source.RELATED),
        ((TABLES,), Source.RELATED),
        ((EMBEDDING, POPULAR), Source.HISTORY),
        ((POPULAR,), Source.POPULAR),
        ((POPULAR, NEW), Source.POPULAR),
        ((NEW,), Source.NEW),
    ],
)
@pytest.mark.parametrize("tables", [("a>b",), tuple(f"{n}>{n}" for n in range(TABLES_LIMIT))])
def test_the_first_source_that_proposed_an_item_names_it(
    proposed: Sequence[CandidateSource], public: Source, tables: tuple[str, ...]
) -> None:
    """Own items, then what the tables lead to, then what is near, popular, and new."""
    names = source_names(tables)
    bits = sum(1 << names.index(one.names(tables)[-1]) for one in proposed)
    assert public_sources(np.array([bits, bits]), tables).tolist() == [public, public]


def test_a_source_more_proposes_within_its_quota(added: CandidateSource) -> None:
    """Its best few are candidates with its bit, and the other sources propose what they did."""
    quotas = MoreQuotas(own=2, tables={"any>any": 3}, popular=2, latest=4)
    assert source_names(("any>any",))[-1] == added.name
    assert proposed_by(quotas, "latest") == {36, 37, 38, 39}
    assert proposed_by(quotas, "own") == {0, 39}
    assert len(proposed_by(quotas, "popular")) == 2
    assert not proposed_by(msgspec.structs.replace(quotas, latest=0), "latest")


@pytest.mark.parametrize("quota", [-1, sources.QUOTA_LIMIT + 1])
def test_the_quota_of_a_source_more_is_checked(added: CandidateSource, quota: int) -> None:
    """A release whose quota of it is out of bounds is refused, as for any other source."""
    check_second_stage(with_quotas(MoreQuotas(latest=sources.QUOTA_LIMIT)), ITEMS)
    with pytest.raises(BadRelease, match="quotas: want 0 to 1,000"):
        check_second_stage(with_quotas(MoreQuotas(latest=quota)), ITEMS)
    with pytest.raises(BadRelease, match="quotas: want 0 to 1,000"):
        check_second_stage(with_quotas(MoreQuotas(popular=quota)), ITEMS)


def test_a_source_more_is_told_in_answers(added: CandidateSource) -> None:
    """What it alone proposed is in the answer under its public source, put down to nothing done."""
    before = index(True).release
    quotas = MoreQuotas(own=8, other=0, popular=0, new=0, latest=30)
    content = msgspec.structs.replace(
        small_content(ITEMS, ranked=True), second_stage=with_quotas(quotas)
    )
    joined = OfferIndex(Release(before.id, before.manifest, content), small_catalogue(ITEMS))
    customer = profile(event("view", "item3"))
    request = Request(channel="web", count=100)
    answer = decide(customer, SharedInputs(joined, BUILT_IN), request, NOW)
    told = {shown.item: shown for shown in answer.slate}
    assert told["item3"].source == Source.OWN
    alone = [told[f"item{n}"] for n in range(10, ITEMS) if f"item{n}" in told]
    assert len(alone) >= 20
    assert {shown.source for shown in alone} == {added.public}
    assert not [shown for shown in alone if shown.because]


def test_the_quotas_of_training_name_known_tables_only() -> None:
    """A table named in the default quotas is one that training counts."""
    counted = {f"{source}>{target}" for source, target in PAIRS}
    assert set(DEFAULT_QUOTAS.tables) <= counted
