"""The commands over stored decisions: show, explain, replay, verify and compare them."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from service.commands.options import (
    DEFAULT_REGISTRY,
    AsJson,
    Config,
    KeyFile,
    RegistryDirectory,
    StoreUrl,
)

FOLLOW_SECONDS = 5.0

app = typer.Typer(
    no_args_is_help=True, help="Show, explain, replay and verify the decisions that a store keeps."
)


@app.command()
def show(
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="The decision's id.")],
    store: StoreUrl = None,
    key_file: KeyFile = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show a decision as it was answered: the slate, what was withheld, and every version."""
    from throughline.v1.recommendation_pb2 import RecommendResponse

    from models.errors import BadInput
    from service.commands.answers import recommendation
    from service.commands.existing_store import existing_store
    from service.commands.terminal import output, print_json
    from service.config.settings import read_settings
    from service.contract.common_messages import timestamp
    from service.contract.recommendation_messages import fill_answer

    with existing_store(read_settings(config, store=store, key_file=key_file)) as opened:
        record = opened.decision(decision)
    if record is None:
        raise BadInput("decision", "not in the store")
    response = RecommendResponse()
    fill_answer(response, record.id, record.decision, record.rows)
    if as_json:
        print_json(response)
        return
    when = timestamp(record.time).ToJsonString()
    output().print(f"Decided at {when} for channel {record.request.channel}")
    for part in recommendation(response):
        output().print(part)


@app.command()
def explain(
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="The decision's id.")],
    offer: Annotated[str, typer.Argument(metavar="OFFER", help="An offer, shown or not.")],
    registry: RegistryDirectory = DEFAULT_REGISTRY,
    store: StoreUrl = None,
    key_file: KeyFile = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say why an offer was shown, or what stopped it and what would have shown it.

    With the catalogue as it is now; the release and the policy are those of the decision.
    """
    from throughline.v1.recommendation_pb2 import ExplainDecisionResponse

    from models.decision.inputs import SharedInputs
    from models.domain.catalogue import Catalogue
    from models.errors import BadInput
    from models.explanation.explain import explain
    from models.ranking.offer_index import OfferIndex
    from models.release.registry import Registry
    from service.commands.existing_store import existing_store
    from service.commands.terminal import busy, output, print_json
    from service.config.settings import read_settings
    from service.contract.explanation_messages import fill_explanation
    from service.decisions.replayer import Replayer
    from service.store.catalogue_writes import catch_up

    replayer = Replayer(Registry(registry))
    settings = read_settings(config, store=store, key_file=key_file)
    response = ExplainDecisionResponse()
    with existing_store(settings) as opened, busy("Deciding again"):
        record = opened.decision(decision)
        if record is None:
            raise BadInput("decision", "not in the store")
        catalogue = catch_up(opened, Catalogue())
        index = OfferIndex(replayer.release(record), catalogue)
        shared = SharedInputs(index, replayer.policy(record))
        fill_explanation(response, explain(record, shared, offer), catalogue)
    if as_json:
        print_json(response)
    else:
        output().print("\n".join(response.words), markup=False, soft_wrap=True)


@app.command()
def replay(
    decisions: Annotated[
        list[str] | None, typer.Argument(metavar="[DECISION]...", help="Ids; none: all there are.")
    ] = None,
    registry: RegistryDirectory = DEFAULT_REGISTRY,
    store: StoreUrl = None,
    key_file: KeyFile = None,
    config: Config = None,
) -> None:
    """Decide again from each record, its release and its policy alone, and compare every byte.

    Exit code 65 where one differs, or cannot be replayed.
    """
    from models.errors import BadInput
    from models.release.registry import Registry
    from service.commands.existing_store import existing_store
    from service.commands.terminal import busy, output, table
    from service.config.settings import read_settings
    from service.decisions.replayer import Replayer
    from service.store.outcomes import StoredDecision

    replayer = Replayer(Registry(registry))
    settings = read_settings(config, store=store, key_file=key_file)
    with existing_store(settings) as opened, busy("Replaying"):
        if decisions:
            for name in decisions:
                record = opened.decision(name)
                if record is None:
                    raise BadInput("decision", f"not in the store: {ascii(name)[:80]}")
                replayer.add(StoredDecision(name, record))
        else:
            for stored in opened.records(None):
                replayer.add(stored)
    if replayer.faults:
        rows = [(fault.decision, fault.reason) for fault in replayer.faults]
        output().print(table(("decision", "what is wrong"), rows))
    output().print(f"{replayer.same:,} of {replayer.count:,} decisions are the same again.")
    if replayer.faults:
        raise typer.Exit(os.EX_DATAERR)


@app.command()
def verify(store: StoreUrl = None, key_file: KeyFile = None, config: Config = None) -> None:
    """Check that every decision is the one that was stored, and that none was taken away.

    Keep the heads that it prints somewhere else: links that are taken away from the end, with
    their decisions, are missed by nothing but them. A decision in no link was stored just before
    its process was killed. Exit code 65 where something is wrong.
    """
    from models.codec import FORMAT
    from service.commands.existing_store import existing_store
    from service.commands.terminal import busy, output, table
    from service.config.settings import read_settings
    from service.store.database.format import MIGRATE

    settings = read_settings(config, store=store, key_file=key_file)
    with existing_store(settings) as opened, busy("Verifying"):
        report, format_ = opened.verify(), opened.format
    if format_ != FORMAT:
        way = f"`{MIGRATE}` brings it on"
        output().print(f"The store is of format {format_}; this version has {FORMAT}: {way}.")
    if report.heads:
        rows = [(head.writer, f"{head.number:,}", head.mac) for head in report.heads]
        output().print(table(("chain", "newest link", "its seal"), rows))
    if report.faults:
        faults = [(fault.about, fault.reason) for fault in report.faults]
        output().print(table(("what", "what is wrong"), faults))
    output().print(
        f"{report.records:,} decisions are as they were stored, {report.erased:,} of them erased, "
        f"{report.unlinked:,} in no link; {len(report.faults):,} faults."
    )
    if report.faults:
        raise typer.Exit(os.EX_DATAERR)


@app.command()
def shadow(
    release: Annotated[
        str,
        typer.Argument(metavar="[RELEASE]", help="The release; without it, the one in force."),
    ] = "",
    policy: Annotated[
        str, typer.Option(metavar="DIGEST", help="The policy; without it, the one in force.")
    ] = "",
    out: Annotated[
        Path | None, typer.Option(help="Write each difference to this file, one JSON a line.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on with new decisions until Ctrl-C.")
    ] = False,
    registry: RegistryDirectory = DEFAULT_REGISTRY,
    store: StoreUrl = None,
    key_file: KeyFile = None,
    config: Config = None,
) -> None:
    """Decide what was decided again by another release or policy, and show how far they agree.

    Beside a running service it costs that nothing: it works from the decisions that were kept, with
    the catalogue as it is now. Only differences are written.
    """
    import contextlib

    import msgspec

    from models.decision.inputs import SharedInputs
    from models.domain.catalogue import Catalogue
    from models.errors import BadInput, Unreadable
    from models.ranking.offer_index import OfferIndex
    from models.release.loader import load_release
    from models.release.registry import Registry
    from service.commands.existing_store import existing_store
    from service.commands.terminal import busy, error_console, output, table
    from service.config.settings import read_settings
    from service.decisions.shadow import Shadow, SlateDifference, decisions_since
    from service.store.catalogue_writes import catch_up

    releases = Registry(registry)
    in_force = releases.pointer()
    if not (release or in_force.release):
        raise BadInput("release", "none is in force: name one")
    name = releases.resolve(release) if release else in_force.release
    digest = policy or in_force.policy
    settings = read_settings(config, store=store, key_file=key_file)
    with contextlib.ExitStack() as stack:
        file = None if out is None else stack.enter_context(out.open("xb"))

        def write_difference(difference: SlateDifference) -> None:
            if file is not None:
                file.write(msgspec.json.encode(difference) + b"\n")
                file.flush()

        opened = stack.enter_context(existing_store(settings))
        catalogue = catch_up(opened, Catalogue())
        shared = SharedInputs(
            OfferIndex(load_release(releases.path(name)), catalogue), releases.policy(digest)
        )
        comparison = Shadow(write_difference)

        def wait_for_more() -> bool:
            nonlocal shared
            if follow:
                time.sleep(FOLLOW_SECONDS)
                changed = catch_up(opened, shared.index.catalogue)
                if changed is not shared.index.catalogue:
                    shared = SharedInputs(shared.index.update(changed), shared.policy)
            return follow

        with busy("Deciding again"), contextlib.suppress(KeyboardInterrupt):
            for stored in decisions_since(opened, None, wait_for_more):
                if isinstance(stored.record, Unreadable):
                    error_console().print(str(stored.record), markup=False, soft_wrap=True)
                else:
                    comparison.add(stored.record, shared)
    rows = [
        (
            channel,
            f"{agreement.decisions:,}",
            f"{agreement.same / agreement.decisions:.1%}",
            f"{agreement.same_first / agreement.decisions:.1%}",
            f"{agreement.overlap / agreement.decisions:.1%}",
        )
        for channel, agreement in sorted(comparison.by_channel.items())
    ]
    columns = ("channel", "count", "same slate", "same first offer", "offers in common")
    output().print(table(columns, rows, f"{name[:8]} under {digest[:8]}") if rows else "None.")
