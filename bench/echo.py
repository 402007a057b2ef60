"""The yardstick: a server of the same make whose one method answers ten offers and does nothing.

`python -m bench.echo` prints the port it listens on. Options, thread pool and messages are those of
the service, so what a Recommend costs beyond an echo is what Throughline itself costs.
"""

import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
from throughline.v1 import recommendation_pb2 as pb
from throughline.v1.recommendation_pb2_grpc import (
    RecommendationServiceServicer,
    add_RecommendationServiceServicer_to_server,
)

from service.server.connections import ALONE, OPTIONS

THREADS = 4


class Echo(RecommendationServiceServicer):
    """Answers what was made before."""

    def __init__(self) -> None:
        self._offers = [
            {"offer_id": f"item:item-{at:06d}", "item_id": f"item-{at:06d}", "rank": at + 1}
            for at in range(10)
        ]

    def Recommend(  # noqa: N802
        self, request: pb.RecommendRequest, context: grpc.ServicerContext
    ) -> pb.RecommendResponse:
        """Answer ten offers, whoever asks."""
        response = pb.RecommendResponse()
        for offer in self._offers:
            response.offers.add(**offer)
        return response

    def RecommendBatch(  # noqa: N802
        self, request: pb.RecommendBatchRequest, context: grpc.ServicerContext
    ) -> pb.RecommendBatchResponse:
        """Answer nothing."""
        return pb.RecommendBatchResponse()

    def ExplainDecision(  # noqa: N802
        self, request: pb.ExplainDecisionRequest, context: grpc.ServicerContext
    ) -> pb.ExplainDecisionResponse:
        """Answer nothing."""
        return pb.ExplainDecisionResponse()

    def CheckOffer(  # noqa: N802
        self, request: pb.CheckOfferRequest, context: grpc.ServicerContext
    ) -> pb.CheckOfferResponse:
        """Answer nothing."""
        return pb.CheckOfferResponse()

    def ReplayDecision(  # noqa: N802
        self, request: pb.ReplayDecisionRequest, context: grpc.ServicerContext
    ) -> pb.ReplayDecisionResponse:
        """Answer nothing."""
        return pb.ReplayDecisionResponse()


def main() -> None:
    """Serve until SIGTERM."""
    server = grpc.server(ThreadPoolExecutor(THREADS), options=(*OPTIONS, ALONE))
    add_RecommendationServiceServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda number, frame: stopped.set())
    stopped.wait()
    server.stop(1).wait()


if __name__ == "__main__":
    main()
