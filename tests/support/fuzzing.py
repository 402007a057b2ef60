"""Requests that nobody should send, from a seed: random bytes, mutated messages, nasty values.

Everything follows from the descriptors: a method or a field that is added to the contract is fuzzed
from then on. Ids come from small pools, so that a long run fills the store only so far, and each
text that can be free holds the run's canary, which no refusal and no log may repeat.
"""

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, ServiceDescriptor
from google.protobuf.message import Message

NAMES = ("web", "email", "till", "view", "purchase", "attributes_changed", "loyalty", "cookie")
OFFERS = ("item1", "item2", "item:item1", "coupon:one", "new")
ODD = ("", "\x00", "\u202e", "a" * 300, "0", "null", "ä" * 129, "a b", "../../etc/passwd", "EUR")
NUMBERS = (0, 1, -1, 7, 10**9, -(2**31), 2**31 - 1)
WIDE = (*NUMBERS, 2**63 - 1, -(2**63), 253_402_300_800)
FLOATS = (0.0, 1.5, -1.0, 1e308, math.nan, math.inf, -math.inf)
MOST_DEPTH = 6


class Method(NamedTuple):
    """A method by its path, and the message that it takes."""

    path: str
    request: type[Message]
    response: type[Message]


def methods_of(services: Sequence[ServiceDescriptor]) -> list[Method]:
    """Return the methods of services that take one message and answer one."""
    return [
        Method(
            f"/{service.full_name}/{method.name}",
            message_factory.GetMessageClass(method.input_type),
            message_factory.GetMessageClass(method.output_type),
        )
        for service in services
        for method in service.methods
        if not method.client_streaming and not method.server_streaming
    ]


class Fuzzer:
    """Makes requests for `methods`; the same seed makes the same ones."""

    def __init__(
        self, methods: Sequence[Method], seed: int, canary: str, now: int, known: Sequence[str] = ()
    ) -> None:
        """`now` is in seconds; `known` are further texts that mean something to the server."""
        self._methods = methods
        self._chance = random.Random(seed)
        self._now = now
        self._ids = (*(f"{canary}-{number}" for number in range(50)), *OFFERS, *known)
        self._good = {**_GOOD, "release_id": known or self._ids}
        self._texts = (*NAMES, *self._ids, *ODD, canary + "\x07", f"{canary}@x.org")

    def requests(self, count: int) -> Iterator[tuple[Method, bytes]]:
        """Yield requests, a third of each kind."""
        kinds: tuple[Callable[[Method], bytes], ...] = (self.noise, self.mutated, self.nasty)
        for number in range(count):
            method = self._chance.choice(self._methods)
            yield method, kinds[number % 3](method)

    def noise(self, method: Method) -> bytes:
        """Return random bytes, the first of them often those of a field."""
        data = self._chance.randbytes(self._chance.randrange(80))
        if data and self._chance.random() < 0.5:
            field = self._chance.randrange(1, 16)
            data = bytes([field << 3 | self._chance.randrange(8)]) + data
        return data

    def mutated(self, method: Method) -> bytes:
        """Return a plausible message with one to three mutations."""
        data = self.plausible(method)
        for _ in range(self._chance.randint(1, 3)):
            data = self._chance.choice(_MUTATIONS)(self, method, data)
        return data[: 1 << 20]

    def nasty(self, method: Method) -> bytes:
        """Return a well-formed message of any values, few or many of them odd."""
        odd = self._chance.choice((0.05, 0.2, 0.5))
        return self._message(method.request, odd).SerializeToString()

    def plausible(self, method: Method) -> bytes:
        """Return a message that is mostly as it should be."""
        return self._message(method.request, odd=0.02).SerializeToString()

    def _message(self, kind: type[Message], odd: float) -> Message:
        message = kind()
        self._fill(message, odd, 0)
        return message

    def _fill(self, message: Message, odd: float, depth: int) -> None:
        for field in cast(Descriptor, message.DESCRIPTOR).fields:
            if depth > MOST_DEPTH or self._chance.random() < (0.4 if odd > 0.1 else 0.05):
                continue
            present = getattr(message, field.name)
            entry = field.message_type
            many = self._chance.randint(1, 3) if field.is_repeated else 1
            if entry is not None and entry.GetOptions().map_entry:
                key = str(self._value(entry.fields_by_name["key"], odd))
                value = entry.fields_by_name["value"]
                if value.message_type is None:
                    present[key] = self._value(value, odd)
                else:
                    self._fill(present[key], odd, depth + 1)
            elif entry is not None and entry.full_name == "google.protobuf.Timestamp":
                moment = present.add() if field.is_repeated else present
                moment.seconds = self._now - self._chance.randrange(86_400)
                if self._chance.random() < odd:
                    self._fill(moment, odd, depth + 1)
            elif entry is not None:
                for _ in range(many):
                    self._fill(present.add() if field.is_repeated else present, odd, depth + 1)
            elif field.is_repeated:
                present.extend(self._value(field, odd) for _ in range(many))
            else:
                setattr(message, field.name, self._value(field, odd))

    def _value(self, field: FieldDescriptor, odd: float) -> Any:
        chance = self._chance
        match field.cpp_type:
            case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
                return chance.randbytes(8)
            case FieldDescriptor.CPPTYPE_STRING:
                if chance.random() >= odd and field.name in self._good:
                    return chance.choice(self._good[field.name])
                return chance.choice(self._texts if chance.random() < odd else self._ids)
            case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
                return chance.choice(FLOATS if chance.random() < odd else FLOATS[:2])
            case FieldDescriptor.CPPTYPE_BOOL:
                return chance.random() < 0.5
            case FieldDescriptor.CPPTYPE_INT64 | FieldDescriptor.CPPTYPE_UINT64:
                return self._number(field, odd, WIDE)
            case _:
                return self._number(field, odd, NUMBERS)

    def _number(self, field: FieldDescriptor, odd: float, numbers: Sequence[int]) -> int:
        number = self._chance.choice(numbers if self._chance.random() < odd else (0, 1, 2))
        unsigned = field.cpp_type in (
            FieldDescriptor.CPPTYPE_UINT32,
            FieldDescriptor.CPPTYPE_UINT64,
        )
        return abs(number) if unsigned else number

    def _flip(self, method: Method, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self._chance.randint(1, 4)):
            if changed:
                changed[self._chance.randrange(len(changed))] ^= 1 << self._chance.randrange(8)
        return bytes(changed)

    def _cut(self, method: Method, data: bytes) -> bytes:
        return data[: self._chance.randrange(len(data) + 1)]

    def _splice(self, method: Method, data: bytes) -> bytes:
        other = self.plausible(self._chance.choice(self._methods))
        return self._cut(method, data) + other[self._chance.randrange(len(other) + 1) :]

    def _length(self, method: Method, data: bytes) -> bytes:
        at = self._chance.randrange(len(data) + 1)
        edited = self._chance.choice((b"\x00", b"\x7f", b"\xff\xff\x03", b"\xff" * 9 + b"\x01"))
        return data[:at] + edited + data[at + 1 :]

    def _twice(self, method: Method, data: bytes) -> bytes:
        return data + self.plausible(method) + data

    def _deep(self, method: Method, data: bytes) -> bytes:
        depth = self._chance.choice((5, 99, 101, 5_000))
        if self._chance.random() < 0.5:
            return data + b"\xa3\x06" * depth + b"\xa4\x06" * depth
        nested = data[:100]
        for _ in range(min(depth, 200)):
            nested = b"\x0a" + _varint(len(nested)) + nested
        return nested


_GOOD: dict[str, Sequence[str]] = {
    "toml": ("[holdout]\nshare = 0.1\n", "[holdout]\nshare = 0.2\n", "# none"),
    "namespace": ("loyalty", "cookie", "device"),
    "channel": ("web", "email", "app", "till"),
    "channels": ("web", "email"),
    "type": ("view", "purchase", "click", "attributes_changed", "dismiss"),
    "intent": ("default", "replenish", ""),
    "placement": ("home", ""),
    "currency": ("EUR",),
    "asserted_by": ("login", "agent"),
    "place": tuple(f"s{number}" for number in range(20)),
    "page_token": ("",),
}
_MUTATIONS: tuple[Callable[[Fuzzer, Method, bytes], bytes], ...] = (
    Fuzzer._flip,
    Fuzzer._cut,
    Fuzzer._splice,
    Fuzzer._length,
    Fuzzer._twice,
    Fuzzer._deep,
)


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes([*made, number])


def refused_details(message: Message) -> Iterator[str]:
    """Yield the texts of every refusal inside an answer that is OK as a whole."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            continue
        for one in value if field.is_repeated else [value]:
            if field.message_type.name == "Outcome":
                yield one.detail
            else:
                yield from refused_details(one)
