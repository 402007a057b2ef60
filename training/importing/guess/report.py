"""What a guessed mapping leaves to decide, for a person to read."""

from collections.abc import Iterator

from training.importing.guess.guess import Guess


def guess_report(guess: Guess) -> Iterator[str]:
    """Yield what a guessed mapping leaves to decide, and the tables that it does not use."""
    yield from (f"Not used: {unused}." for unused in guess.unused)
    if not guess.undecided:
        yield "Nothing is left to decide."
        return
    yield f"To decide ({len(guess.undecided)}); it imports as it is, with what is said here:"
    yield from (f"  {number}. {text}." for number, text in enumerate(guess.undecided, start=1))
