"""Where the time of one `Recommend` goes: CPU of each stage, called one after the other.

    python -m bench.stages

One process, one thread, the load of the figure of record. What gRPC itself costs (the echo) is not
in it, nor what the threads cost each other. Each figure is the least of several passes. What the
second stage adds is told by the first stage alone, and by trees of other sizes; what exploration
adds to a policy of everything, by that policy without it.
"""

import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from unittest import mock

import msgspec
from rich.console import Console
from rich.table import Table
from throughline.v1 import recommendation_pb2 as pb

from bench import processes, world
from bench.rounds import requests_of
from models.codec import encode
from models.decision.decide import decide
from models.decision.inputs import SharedInputs
from models.decision.recorded import catalogue_rows_used, profile_to_keep
from models.domain.catalogue import Catalogue, Row
from models.domain.decisions import Decision, DecisionRecord, Intent, Request
from models.domain.identifiers import hash_identifier
from models.domain.profile import Profile, decode_customer
from models.domain.view import View, view_of
from models.numeric.array_types import NO_ROWS, Rows
from models.policy.schema import BUILT_IN, Exploration, Policy
from models.policy.toml_file import read_policy
from models.ranking.candidate_scope import CandidateScope
from models.ranking.offer_index import OfferIndex
from models.ranking.ranking import OfferRanker, Ranking, base_candidates
from models.ranking.scorers import Scorer, scorer_for
from models.recommender.ranker import SecondStage
from models.recommender.user_vector import PlacedCustomer, place_customer
from models.release.loader import load_release
from models.release.release import Release
from service.contract.names import declare_names
from service.contract.recommendation_messages import fill_answer, read_request
from service.contract.validation import Check
from service.store.opening import open_store
from service.store.records.sealing import Seal
from service.store.store import Store
from training.ranking.fit_trees import RankerSettings

CALLS, PASSES = 300, 7
ORDER = (
    *("parse", "validate", "decode", "view", "place", "search", "propose", "rank", "decide"),
    *("used", "answer", "serialise", "record"),
)
SIZES = ((40, 15), (200, 31))  # trees and their leaves
EVERYTHING = read_policy((Path(__file__).parent / "policy.toml").read_text())
UNEXPLORED = msgspec.structs.replace(EVERYTHING, exploration=Exploration())


class Stages:
    """The stages of a decision for each of `CALLS` customers, each fed by the one before."""

    def __init__(self, index: OfferIndex, key: bytes, requests: Sequence[bytes]) -> None:
        self.index, self.key, self.names = index, key, declare_names()
        self.sent = requests
        self.messages = [pb.RecommendRequest.FromString(data) for data in requests]
        self.asked = [self.validate(at)[0] for at in range(len(requests))]
        self.hashes = [self.validate(at)[1] for at in range(len(requests))]

    def parse(self, at: int) -> pb.RecommendRequest:
        """The request's bytes become a message."""
        return pb.RecommendRequest.FromString(self.sent[at])

    def validate(self, at: int) -> tuple[Request, bytes]:
        """Every field is checked, the identifier hashed."""
        check = Check()
        found = check.identifiers(self.messages[at].identifiers, self.names)
        request = read_request(check, self.messages[at], self.names, BUILT_IN)
        return request, hash_identifier(self.key, found[0])

    def use(self, store: Store) -> None:
        """Prepare what the stages after the read are fed with."""
        self.seal = Seal(world.KEY)
        self.blobs = [encode(store.read([who]).profile) for who in self.hashes]
        self.profiles = [self.decode(at) for at in range(len(self.blobs))]
        self.views = [self.view(at) for at in range(len(self.blobs))]
        self.customers = [self.place(at) for at in range(len(self.blobs))]
        self.scope = CandidateScope(
            BUILT_IN.candidates.items, self.index.availability.eligible(world.MOSTLY), NO_ROWS
        )
        self.scorers = [self.propose(at) for at in range(len(self.blobs))]
        self.decisions = [self.decide(at) for at in range(len(self.blobs))]
        self.rows = [self.used(at) for at in range(len(self.blobs))]
        self.answers = [self.answer(at) for at in range(len(self.blobs))]

    def decode(self, at: int) -> Profile:
        """The stored bytes become a profile."""
        profile = decode_customer(self.blobs[at])
        assert isinstance(profile, Profile)
        return profile

    def view(self, at: int) -> View:
        """The compartments are merged."""
        return view_of(self.profiles[at].compartments.values())

    def place(self, at: int) -> PlacedCustomer:
        """History becomes columns, and these a vector."""
        return place_customer(self.views[at], self.index.release, world.MOSTLY)

    def search(self, at: int) -> Rows:
        """200 candidates are found."""
        allowed = self.index.availability.eligible(world.MOSTLY)
        vector = self.customers[at].vector
        return self.index.vectors.search.nearest(
            vector, BUILT_IN.candidates.items, allowed, NO_ROWS
        )

    def propose(self, at: int) -> Scorer:
        """Candidates of all sources are found."""
        view, now = self.views[at], world.MOSTLY
        return scorer_for(self.index, view, Intent.DEFAULT, now, self.scope)

    def rank(self, at: int) -> Ranking:
        """The candidates are scored and put in order."""
        scorer = self.scorers[at]
        rows = base_candidates(self.index, scorer, self.scope, BUILT_IN.candidates.sets)
        return OfferRanker(self.index, NO_ROWS, scorer).rank(rows)

    def decide(self, at: int) -> Decision:
        """The whole decision: view, vector, ranking, the channel's slate, the reasons."""
        return decide(
            self.profiles[at], SharedInputs(self.index, BUILT_IN), self.asked[at], world.MOSTLY
        )

    def decide_by(self, policy: Policy) -> Callable[[int], Decision]:
        """Return the stage of a whole decision by a policy of its own."""
        inputs = SharedInputs(self.index, policy)
        return lambda at: decide(self.profiles[at], inputs, self.asked[at], world.MOSTLY)

    def used(self, at: int) -> tuple[Row, ...]:
        """What the record needs of the catalogue is gathered."""
        return catalogue_rows_used(self.decisions[at], self.index, self.asked[at].place)

    def answer(self, at: int) -> pb.RecommendResponse:
        """The decision becomes a message."""
        response = pb.RecommendResponse()
        decision = self.decisions[at]
        fill_answer(response, "0" * 34, decision, self.rows[at])
        return response

    def serialise(self, at: int) -> bytes:
        """The message becomes bytes."""
        return self.answers[at].SerializeToString()

    def record(self, at: int) -> int:
        """The record is encoded and compressed, in the background; returns its bytes."""
        decision = self.decisions[at]
        record = DecisionRecord(
            id="0" * 34,
            customer=self.hashes[at],
            time=world.MOSTLY,
            request=self.asked[at],
            profile=profile_to_keep(self.profiles[at], BUILT_IN),
            decision=decision,
            rows=self.rows[at],
            currency="EUR",
        )
        return len(self.seal.seal(record).blob)


def least(stage: Callable[[int], object]) -> float:
    """Return the CPU microseconds of one call in the best of several passes over all customers."""
    passes = []
    for _ in range(PASSES):
        begun = time.thread_time()
        for at in range(CALLS):
            stage(at)
        passes.append((time.thread_time() - begun) / CALLS * 1e6)
    return min(passes)


def spent_within(stage: Callable[[int], object], part: str) -> float:
    """Return the CPU microseconds that a call of `stage` spends in a function; the least."""
    module, name = part.rsplit(".", 1)
    whole, spent = getattr(sys.modules[module], name), 0.0

    def timed(*arguments: object) -> object:
        nonlocal spent
        begun = time.thread_time()
        result = whole(*arguments)
        spent += time.thread_time() - begun
        return result

    passes = []
    with mock.patch(part, timed):
        for _ in range(PASSES):
            spent = 0.0
            for at in range(CALLS):
                stage(at)
            passes.append(spent / CALLS * 1e6)
    return min(passes)


def _with(made: world.World, stages: Stages, stage: SecondStage | None) -> None:
    """Put a release with another second stage, or none, in place of the one there is."""
    index = stages.index
    content = msgspec.structs.replace(made.content, second_stage=stage)
    release = Release(index.release.id, index.release.manifest, content)
    stages.index = OfferIndex(release, index.catalogue)
    stages.scorers = [stages.propose(at) for at in range(CALLS)]


def main() -> None:
    """Measure and print."""
    core, other = processes.cores()
    processes.pin(core)
    with tempfile.TemporaryDirectory(prefix="throughline-bench-") as scratch:
        directory = Path(scratch)
        print("making the load ...", file=sys.stderr)
        made = world.make_world()
        release = load_release(world.enter_release(made, directory))
        index = OfferIndex(release, Catalogue().apply(1, made.items))
        stages = Stages(index, world.KEY, requests_of(made.customers[:CALLS]))
        rows: list[tuple[str, str, float]] = []
        with processes.redis([other], directory / "redis") as url:
            for name, where in (("SQLite", f"sqlite:{directory / 'data'}"), ("Redis", url)):
                world.fill(where, made)
                store = open_store(where, key=world.KEY)
                stages.use(store)
                read = least(lambda at, store=store: store.read([stages.hashes[at]]))  # type: ignore[misc]
                rows.append(("read", f"{name}, the profile's decoding included", read))
                store.close()
    for name in ORDER:
        stage = getattr(stages, name)
        rows.append((name, stage.__doc__.rstrip("."), least(stage)))
    everything = stages.decide_by(EVERYTHING)
    rows.append(("decide", "By a policy of everything", least(everything)))
    unexplored = least(stages.decide_by(UNEXPLORED))
    rows.append(("decide", "By the same without exploration", unexplored))
    integral = spent_within(everything, "models.decision.exploration.propensities")
    rows.append(("decide", "Of exploration, the integral of its propensities", integral))
    found = sum(len(scorer.candidates) for scorer in stages.scorers) / CALLS
    sizes = sorted(stages.record(at) for at in range(CALLS))
    for trees, leaves in SIZES:
        settings = RankerSettings(trees=trees, leaves=leaves)
        _with(made, stages, world.make_world(ranker=settings).content.second_stage)
        rows.append(("rank", f"The same with {trees} trees of {leaves} leaves", least(stages.rank)))
    _with(made, stages, None)
    rows.append(("decide", "The whole decision by the first stage alone", least(stages.decide)))
    table = Table("stage", "what it does", "us", title="CPU of one Recommend by stage")
    for name, what, spent in rows:
        table.add_row(name, what, f"{spent:.0f}")
    Console(width=100).print(table)
    print(f"{found:.0f} candidates on average; {world.RANKER.trees} trees where nothing is said.")
    print(f"A decision record: {sizes[CALLS // 2]:,} bytes; {sizes[-4]:,} at the 99th percentile.")


if __name__ == "__main__":
    main()
