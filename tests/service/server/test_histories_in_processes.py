"""Release and policy in force, over a real server's life: each changes and falls back alone."""

from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2
from throughline.v1 import common_pb2, offer_pb2, policy_pb2, release_pb2

from models.policy.schema import BUILT_IN
from models.release.registry import Registry
from service.client import Client
from tests.support.damage import flip_a_bit
from tests.support.in_process import enter_release, recommend_request
from tests.support.server_processes import prepared, run_command, served
from tests.support.waiting import PATIENCE, eventually

pytestmark = pytest.mark.machine

# What the lawyers ask for: one product is not to be shown to anybody.
RULE = '[[eligibility]]\nname = "recalled"\nbar = true\nabout = { offers = ["item:item1"] }\n'
FALLBACK = common_pb2.FLAG_RELEASE_FALLBACK


def decided(client: Client) -> tuple[str, str, bool, bool]:
    """Return release, policy, whether the recalled product is shown, and whether it fell back."""
    answer = client.recommendations.Recommend(recommend_request("a", count=100), timeout=PATIENCE)
    shown = {offer.offer_id for offer in answer.offers}
    moment = answer.moment
    return moment.release, moment.policy, "item:item1" in shown, FALLBACK in answer.flags


def health(client: Client, name: str) -> str:
    """Return what health says of a service."""
    asked = health_pb2.HealthCheckRequest(service=f"throughline.v1.{name}")
    answer = client.health(asked, timeout=PATIENCE)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def test_a_rule_outlives_the_releases_beside_it(tmp_path: Path) -> None:
    """A rule stays in force whatever happens to releases: promoted, rolled back, damaged."""
    first = prepared(tmp_path)
    registry = Registry(tmp_path / "var" / "registry")
    bad, second = (enter_release(registry.directory, seed=seed) for seed in (2, 3))
    flip_a_bit(registry.path(bad), "item_vectors.npy")
    with served(tmp_path) as live, grpc.insecure_channel(live.address) as channel:
        client = Client(channel, live.address, PATIENCE)
        items = [offer_pb2.Item(item_id=f"item{number}") for number in range(40)]
        client.offers.UpsertItems(offer_pb2.UpsertItemsRequest(items=items))
        assert eventually(lambda: decided(client) == (first, BUILT_IN.digest, True, False))

        (tmp_path / "rule.toml").write_text(RULE)
        done = run_command(tmp_path, "policy", "publish", "rule.toml", "--server", live.address)
        assert done.returncode == 0, done.stderr
        rule = registry.pointer().policy
        assert decided(client) == (first, rule, False, False)

        with pytest.raises(grpc.RpcError):
            client.releases.PromoteRelease(release_pb2.PromoteReleaseRequest(release_id=bad))
        assert decided(client) == (first, rule, False, False)
        promote = release_pb2.PromoteReleaseRequest(release_id=second)
        answer = client.releases.PromoteRelease(promote)
        assert (answer.release_id, answer.policy_digest) == (second, rule)
        assert decided(client) == (second, rule, False, False)

        client.releases.RollbackRelease(release_pb2.RollbackReleaseRequest())
        assert decided(client) == (first, rule, False, False)
        client.releases.PromoteRelease(promote)
        back = client.policies.RollbackPolicy(policy_pb2.RollbackPolicyRequest())
        assert (back.release_id, back.digest) == (second, BUILT_IN.digest)
        assert decided(client) == (second, BUILT_IN.digest, True, False)
        client.policies.PublishPolicy(policy_pb2.PublishPolicyRequest(toml=RULE))
        assert decided(client) == (second, rule, False, False)

    flip_a_bit(registry.path(second), "popularity.npy")
    with served(tmp_path, log="again.log") as live, grpc.insecure_channel(live.address) as channel:
        client = Client(channel, live.address, PATIENCE)
        assert decided(client) == (first, rule, False, True)
        assert health(client, "RecommendationService") == "SERVING"
        assert health(client, "ReleaseService") == "NOT_SERVING"
        assert health(client, "PolicyService") == "SERVING"
        (line,) = live.said("release fallback")
        assert (line["in_force"], line["serving"]) == (second, first)
        done = run_command(tmp_path, "releases", "rollback", "--server", live.address)
        assert done.returncode == 0, done.stderr
        assert done.stdout == (
            f"Release: {first[:12]} (before: {second[:12]})\nPolicy:  {rule[:12]} (unchanged)\n"
        )
        assert decided(client) == (first, rule, False, False)
        assert eventually(lambda: health(client, "ReleaseService") == "SERVING")
