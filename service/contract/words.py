"""The closed lists of the contract in words that a person reads."""

from throughline.v1 import common_pb2, recommendation_pb2

from models.domain.reasons import Reason

REASONS: dict[int, str] = {int(reason): reason.words for reason in Reason}

SOURCES: dict[int, str] = {
    recommendation_pb2.SOURCE_HISTORY: "near what the customer did",
    recommendation_pb2.SOURCE_POPULAR: "popular",
    recommendation_pb2.SOURCE_REPLENISH: "bought before",
    recommendation_pb2.SOURCE_OWN: "looked at or bought before",
    recommendation_pb2.SOURCE_RELATED: "goes with what the customer did",
    recommendation_pb2.SOURCE_NEW: "new, and near what the customer did",
}

FLAGS: dict[int, str] = {
    common_pb2.FLAG_COLD_START: "cold start: nothing known of this customer's behaviour",
    common_pb2.FLAG_STATE_UNAVAILABLE: "the store did not answer: decided without history",
    common_pb2.FLAG_CLOCK_SET: "the server's clock is set to another time",
    common_pb2.FLAG_IDENTIFIERS_DISAGREE: "the identifiers belong to different customers",
    common_pb2.FLAG_FEWER_THAN_ASKED: "fewer offers than asked are eligible",
    common_pb2.FLAG_NONE_ELIGIBLE: "no offer is eligible",
    common_pb2.FLAG_UNKNOWN_IDS: "some ids of the request are not in the catalogue",
    common_pb2.FLAG_HELD_OUT: "the customer is of the holdout: no marketing offers",
    common_pb2.FLAG_HISTORY_BOUNDED: "more happened than is kept for a rule of the policy",
    common_pb2.FLAG_NOTHING_RESERVED: "the store takes no writes: nothing was reserved",
    common_pb2.FLAG_STORE_OLDER: "the store has lost its last moments; events may be missing",
    common_pb2.FLAG_RELEASE_FALLBACK: "the release in force is damaged: the one before decides",
    common_pb2.FLAG_POLICY_FALLBACK: "the policy in force is damaged: the one before decides",
}


def reason_in_words(reason: int) -> str:
    """Return why an offer is withheld; its number when it is newer than this client."""
    return REASONS.get(reason) or f"reason {reason}"


def reason_name(reason: int) -> str:
    """Return the contract's own name of a reason, in lower case."""
    known = recommendation_pb2.WithholdReason.values()
    if reason not in known:
        return f"reason {reason}"
    name = recommendation_pb2.WithholdReason.Name(
        recommendation_pb2.WithholdReason.ValueType(reason)
    )
    return name.removeprefix("WITHHOLD_REASON_").replace("_", " ").lower()


def flag_in_words(flag: int) -> str:
    """Return what a flag says; its number when it is newer than this client."""
    return FLAGS.get(flag) or f"flag {flag}"
