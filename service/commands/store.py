"""The commands `throughline store`: what is at the store's place, and taking it for the store."""

import os

import typer

from service.commands.options import Config, KeyFile, StoreUrl

app = typer.Typer(help="The store: is it the one that was served before?", no_args_is_help=True)


@app.command()
def check(store: StoreUrl = None, key_file: KeyFile = None, config: Config = None) -> None:
    """Tell what is at the store's place, and whether a server would serve from it.

    Nothing is written. Exit code 78 where it would not: the place is empty, holds another store
    than the registry's directory knows (an embedded store: its own), or one of another key.
    """
    from service.commands.existing_store import TIMEOUT
    from service.commands.terminal import output
    from service.config.keys import existing_key
    from service.config.settings import read_settings
    from service.store.database.location import described
    from service.store.identity.known_store import KnownStoreFile
    from service.store.opening import survey_store

    settings = read_settings(config, store=store, key_file=key_file)
    found = survey_store(
        settings.store,
        key=existing_key(settings),
        timeout=max(TIMEOUT, settings.redis_timeout),
        known=KnownStoreFile(settings.registry),
    )
    said = found.found
    known = "none" if found.known is None else found.known.identity
    fits = {None: "no key at hand, or no store", True: "fits", False: "another key's"}
    rows = [
        ("store", described(settings.store)),
        ("holds", found.verdict.value if found.known or said.identity else "no store yet"),
        ("identity", f"{said.identity or 'none'} (known: {known})"),
        ("epoch", f"{said.epoch} ({'not accepted' if said.is_older else 'accepted'})"),
        ("format", "none" if found.format is None else str(found.format)),
        ("key", fits[found.key_fits]),
        ("durability", found.durability.value),
    ]
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        output().print(f"{name:{width}}  {value}", markup=False, soft_wrap=True, highlight=False)
    for remark in found.remarks:
        output().print(f"- {remark}", markup=False, soft_wrap=True)
    if not found.fit:
        raise typer.Exit(os.EX_CONFIG)


@app.command()
def accept(store: StoreUrl = None, key_file: KeyFile = None, config: Config = None) -> None:
    """Take what is at the store's place for the store, after an outage that lost something.

    Older than it was: answers are no longer flagged. Empty: it begins anew. Another store: it is
    the one known from now on; start running servers again.
    """
    from service.commands.existing_store import TIMEOUT
    from service.commands.terminal import output
    from service.config.keys import load_key
    from service.config.settings import read_settings
    from service.store.identity.judgement import Verdict
    from service.store.identity.known_store import KnownStoreFile
    from service.store.opening import accept_store

    settings = read_settings(config, store=store, key_file=key_file)
    verdict = accept_store(
        settings.store,
        key=load_key(settings),
        timeout=max(TIMEOUT, settings.redis_timeout),
        known=KnownStoreFile(settings.registry),
    )
    said = {
        Verdict.NEW: "It was not known here, and is from now on.",
        Verdict.SAME: "It is the store that is known here: nothing to accept.",
        Verdict.OLDER: "Accepted: answers are no longer flagged STORE_OLDER.",
        Verdict.EMPTY: "Accepted: the store begins anew. Servers over Redis go on with it; "
        "start one over an embedded store again.",
        Verdict.ANOTHER: "Accepted: this is the store from now on; start running servers again.",
    }
    output().print(said[verdict], markup=False, soft_wrap=True)
