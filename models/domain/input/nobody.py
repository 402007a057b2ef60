"""Identifiers that mean nobody: what a program sends when it had nothing to send.

Taken for an identifier, `device:None` would make one customer of everybody whose device is not
known. Values are compared after NFKC, case folding and without blanks and surrounding punctuation,
so that `(Not Set)` is `not set`, and as the SHA-256 that a caller would have made of them.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

# In the spelling of `fold`.
_WORDS = """
-1 anon anonymous anonymousid blank dbnull default dummy empty false guest inf infinity invalid
missing n.a n/a na nan nat nil no none not-set not_set notset nul null object placeholder tbd
test true undef undefined unknown unset void yes
"""
NOBODY = frozenset(_WORDS.split()) | {
    *("anonymous user", "anonymous customer", "guest user", "guest customer", "unknown user"),
    *("unknown customer", "no id", "no value", "not applicable", "not available", "not provided"),
    *("not set", "object null", "object object", "object promise", "object undefined"),
    # Devices that many share: a fault of Android 2.2, emulators, and what is told for privacy.
    *("9774d56d682e549c", "004999010640000", "02:00:00:00:00:00", "020000000000"),
}

# Addresses that forms are filled with; those of domains that RFC 2606 reserves are nobody's either.
NOBODYS_EMAILS = frozenset(
    f"{name}@{domain}"
    for domain in ("email.com", "mail.com", "none.com", "null.com", "na.com", "test.com")
    for name in ("email", "mail", "na", "no", "nobody", "none", "null", "test", "user")
) | {
    *("a@a.com", "aa@aa.com", "abc@abc.com", "asdf@asdf.com", "x@x.com", "noemail@noemail.com"),
    *("noreply@noreply.com", "unknown@unknown.com", "guest@guest.com", "anonymous@anonymous.com"),
    *(
        f"{name}@example.{top}"
        for name in ("email", "guest", "info", "john.doe", "me", "name", "test", "user")
        for top in ("com", "org", "net")
    ),
}
NOBODYS_PHONES = frozenset({"1234567890", "0123456789", "123456789", "12345678", "5555555555"})

_RESERVED = re.compile(r"[^@\s]+@(?:.+\.)?(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)")
# What a template leaves behind that nobody filled in: ${ID}, {{id}}, {id}, %id%, <% id %>, <id>,
# [[id]], *|ID|*, __ID__, $id.
_TEMPLATE = re.compile(
    r"[$#@%]?\{\{?\{?\s*[a-z_][a-z_. ]*\s*\}?\}\}?|\$\{.*\}|\{\{.*\}\}"
    r"|%+[a-z_][\w. -]*%+|<%.*%>|<[a-z_][a-z_. -]*>|\[\[.*\]\]|\*\|.*\|\*|__[a-z_]+__|\$[a-z_]+"
)
_SEPARATORS = re.compile(r"[-:._\s{}()+/]")
_ONLY_ZEROS = re.compile(r"(?:0x)?0+")
_ONLY_FS = re.compile(r"f{8,}")
# Letters by their category, but nothing to see: fillers of Hangul, and a blank of Braille.
_INVISIBLE = str.maketrans("", "", "\u115f\u1160\u2800\u3164\uffa0")
_LETTERS = ("L", "N")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def fold(value: str) -> str:
    """Return a value as it is compared: NFKC, folded, without what cannot be seen around it."""
    if value.isascii():
        return value.strip().lower()
    seen = unicodedata.normalize("NFKC", value).translate(_INVISIBLE)
    return "".join(c for c in seen if unicodedata.category(c) != "Cf").strip().casefold()


@dataclass(frozen=True)
class Nobody:
    """The values that mean nobody, and the SHA-256 of those, in hex."""

    names: frozenset[str]
    hashes: frozenset[str]

    def __contains__(self, value: str) -> bool:
        """Tell whether a value means nobody; a hash where it is one."""
        if _DIGEST.fullmatch(value) and value in self.hashes:
            return True
        folded = fold(value)
        if folded in self.names or _TEMPLATE.fullmatch(folded) or _RESERVED.fullmatch(folded):
            return True
        bare = _bare(folded)
        if not bare or bare in self.names:
            return True
        digits = _SEPARATORS.sub("", folded)
        return bool(_ONLY_ZEROS.fullmatch(digits) or _ONLY_FS.fullmatch(digits))


def nobody(more: Iterable[str] = ()) -> Nobody:
    """Return what means nobody by the built-in lists, and `more` values."""
    added = frozenset(fold(value) for value in more)
    names = NOBODY | NOBODYS_EMAILS | added
    return Nobody(names, frozenset(_digests(names)))


def _bare(folded: str) -> str:
    """Return a text without the punctuation around it; "" where there is nothing else."""
    start, end = 0, len(folded)
    while start < end and _is_around(folded[start]):
        start += 1
    while end > start and _is_around(folded[end - 1]):
        end -= 1
    return folded[start:end]


def _is_around(character: str) -> bool:
    category = unicodedata.category(character)
    return not category.startswith(_LETTERS) and category != "So"


def _digests(names: Iterable[str]) -> Iterable[str]:
    """Yield the SHA-256 of each name as programs spell it, of no text, of zeros and of phones."""
    spelled = {"", "0", "00000000-0000-0000-0000-000000000000", "[object Object]", "(not set)"}
    for name in names:
        spelled |= {name, name.upper(), name.capitalize(), name.title()}
    spelled |= {"NaN", "N/A", "-"}
    for phone in (*NOBODYS_PHONES, *("0" * length for length in range(2, 16))):
        spelled |= {phone, f"+{phone}"}
    for text in spelled:
        yield hashlib.sha256(text.encode()).hexdigest()


BUILT_IN = nobody()
