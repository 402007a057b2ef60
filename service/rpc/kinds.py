"""The kinds of call: which methods share their threads and their places, and how many there are.

What a customer waits for is one kind; what can wait, or costs a multiple of it, is another, and
gives way to the first.
"""

from math import inf

from service.config.settings import Settings
from service.rpc.admission import Bulkhead

# By `Service/Method`, or by `Service` for the rest of it.
KIND_OF = {
    "RecommendationService": "decide",  # CheckOffer, too: somebody waits for it at a till
    "RecommendationService/RecommendBatch": "bulk",
    "RecommendationService/ExplainDecision": "explain",
    "RecommendationService/ReplayDecision": "explain",
    "EventService": "ingest",
    "CustomerService": "customer",
    "CustomerService/LinkIdentifiers": "ingest",
    "CustomerService/UnlinkIdentifiers": "ingest",
    "OfferService": "catalogue",
    "ReleaseService": "release",
    "PolicyService": "policy",
    "Health": "health",
    "ServerReflection": "reflection",
}


# How long a call may take, whatever its caller's deadline is, in seconds.
LONGEST = {
    "decide": 10.0,
    "customer": 10.0,
    "ingest": 30.0,
    "explain": 30.0,
    "bulk": 60.0,
    "catalogue": 120.0,
    "policy": 120.0,
    "release": 600.0,  # a release is tried before it is promoted
    "health": inf,  # a watch stays open
    "reflection": 30.0,
}


def bulkheads(settings: Settings) -> dict[str, Bulkhead]:
    """Return the bulkhead of each kind."""
    decide = Bulkhead("decide", settings.decide_threads)
    health = Bulkhead("health", 2)
    behind = {
        "ingest": settings.ingest_threads,
        "bulk": settings.bulk_threads,
        "explain": 1,
        "customer": 1,
        "catalogue": 2,
        "release": 2,
        "policy": 1,
        "reflection": 2,
    }
    others = {kind: Bulkhead(kind, threads, decide) for kind, threads in behind.items()}
    return {"decide": decide, "health": health, **others}


def kind_of(method: str) -> str:
    """Return the kind of a method, `Service/Method`; raises `KeyError` for an unknown one."""
    return KIND_OF.get(method) or KIND_OF[method.partition("/")[0]]
