"""What `throughline policy check` finds, as a message of the contract, and how it is printed."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from throughline.v1.policy_pb2 import CheckPolicyRequest, CheckPolicyResponse

from models.errors import BadInput
from models.policy.coverage import OfferView, cover
from models.policy.toml_file import BadPolicy, read_policy
from service.commands.terminal import output, table
from service.config.settings import Settings, read_settings
from service.contract.policy_messages import checked_answer, mistakes_answer


def checked_by(server: str, timeout: float, text: str) -> CheckPolicyResponse:
    """Return what a running service finds, over the catalogue that it decides by."""
    from service.client import connect

    with connect(server, timeout) as client:
        return client.call(client.policies.CheckPolicy, CheckPolicyRequest(toml=text))


def checked_here(text: str, config: Path | None, dataset: Path | None) -> CheckPolicyResponse:
    """Return what is found without a service, over the catalogue of a dataset if there is one."""
    settings: Settings = read_settings(config)
    names = settings.names
    try:
        policy = read_policy(text, names.channels, names.event_types)
    except BadPolicy as error:
        return mistakes_answer(error)
    if dataset is None:
        return checked_answer(policy, None)
    from service.config.clock import Clock
    from service.dataset.catalogue import read_attributes, read_catalogue

    view = OfferView.of_rows(read_catalogue(dataset, names.channels))
    now = datetime.fromtimestamp(Clock(settings.start_time).now() / 1e6, UTC)
    return checked_answer(policy, cover(policy, view, now, read_attributes(dataset)))


def policy_text(file: Path) -> str:
    """Return the text of a policy; a file that says nothing is one, too."""
    try:
        return file.read_bytes().decode("utf-8-sig") or "\n"
    except UnicodeDecodeError as error:
        raise BadInput(str(file), f"not UTF-8 at byte {error.start}") from None


def print_mistakes(file: Path, found: CheckPolicyResponse) -> None:
    """Print each mistake by file, line and key, beside the results."""
    for mistake in found.mistakes:
        print(f"{file}:{mistake.line}: {mistake.key}: {mistake.reason}", file=sys.stderr)


def print_found(file: Path, found: CheckPolicyResponse) -> None:
    """Print what a policy without mistakes is about, and beside that what is odd."""
    odd = list(remarks(found))
    said = "nothing wrong" + (f", {len(odd)} to look at" if odd else "")
    output().print(f"{file}: {said}\nDigest: {found.digest}", markup=False, soft_wrap=True)
    if found.parts:
        rows = [
            (part.key, part.name, f"{part.offers:,}", f"{share(part.offers, found.offers):.1%}")
            for part in found.parts
        ]
        grid = table(("key", "name", "offers", "share"), rows, f"Of {found.offers:,} offers")
        for column in grid.columns[2:]:
            column.justify = "right"
        output().print(grid)
    for remark in odd:
        print(f"{file}: {remark}", file=sys.stderr)


def remarks(found: CheckPolicyResponse) -> Iterator[str]:
    """Yield what makes a policy do less than it says."""
    yield from found.remarks
    for part in found.parts:
        for remark in part.remarks:
            yield f"{part.key} ({part.name}): {remark}"


def share(some: int, all_: int) -> float:
    """Return the share of some in all; of none it is 0."""
    return some / all_ if all_ else 0.0
