"""Reads YAML without its surprises: a tree of texts, lists and mappings that know where they stand.

Whether `no` or `010` means what it looks like depends on what belongs there, so no scalar is resolved here: it
keeps its text and whether it was quoted, and the models ask for text or a number. What makes YAML more than a
notation for a tree (tags, aliases, merge keys, several documents) is refused: a policy is read by people.
"""

import codecs
import re
from typing import Any, Self, cast

import yaml

from orgfence.core.policy.faults import Faults, Place, Source
from orgfence.core.policy.wording import shown
from orgfence.core.policy.yaml_syntax import explain

# libyaml is ten times as fast, and its marks are as good.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# A ConfigMap holds 1 MiB, and ten thousand rules take about 3 MiB.
MAX_BYTES = 8 * 1024 * 1024
# The deepest place of a policy (a claim of an example's token, say) lies ten levels down.
MAX_DEPTH = 32
# Ten thousand rules hold some three hundred thousand.
MAX_VALUES = 500_000
# One rule, org or issuer is validated in one piece, and requests wait meanwhile.
MAX_ENTRY_VALUES = 10_000
# A rule stands in a list, which stands in the file's mapping.
_ENTRY_DEPTH = 2
MAX_LINES = 500_000


class Scalar(str):
    """A single value as it was written."""

    # Numbers instead of a `Place`: a big policy has some hundred thousand of these, and to the garbage collector
    # each object more is one more to walk over.
    __slots__ = ("column", "line", "quoted", "source", "stands_for")

    source: Source
    line: int
    column: int
    #: Whether quotes (or a block style) say that it is text and nothing else.
    quoted: bool
    #: What the policy says in its place, where it came from elsewhere: `${NAME}`, `{file: PATH}`. Empty: nothing.
    stands_for: str

    def __new__(cls, text: str, place: tuple[Source, int, int], *, quoted: bool) -> Self:
        """Take the text without its quotes."""
        scalar = super().__new__(cls, text)
        scalar.source, scalar.line, scalar.column = place
        scalar.quoted = quoted
        scalar.stands_for = ""
        return scalar

    def replaced(self, text: str, stands_for: str) -> "Scalar":
        """Return what it stands for, at the same place."""
        scalar = Scalar(text, (self.source, self.line, self.column), quoted=self.quoted)
        scalar.stands_for = stands_for
        return scalar

    @property
    def place(self) -> Place:
        """Where it begins."""
        return Place(self.source, self.line, self.column)


class Sequence(list["Node"]):
    """A list that knows where it begins."""

    __slots__ = ("place",)

    def __init__(self, place: Place) -> None:
        """Begin an empty list."""
        super().__init__()
        self.place = place


class Mapping(dict[str, "Node"]):
    """A mapping that knows where it begins. Its keys are scalars too."""

    __slots__ = ("place",)

    def __init__(self, place: Place) -> None:
        """Begin an empty mapping."""
        super().__init__()
        self.place = place

    def key(self, text: str) -> Scalar:
        """Return a key that it has as it was written."""
        return next(key for key in self if isinstance(key, Scalar) and key == text)


type Node = Scalar | Sequence | Mapping


def read_yaml(data: bytes, name: str, order: int, faults: Faults) -> Mapping:
    """Return the tree of a file, the policy's `order`th, and add what is wrong with its YAML to the faults.

    `PolicyError` where it has no tree.
    """
    text = _decode(data, name, order, faults)
    source = Source(name, _lines(text, name, order, faults), order)
    _refuse_hidden(source, faults)
    builder = _Builder(source, faults)
    try:
        for event in yaml.parse(cast("Any", _Pieces(text)), Loader=_Loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        faults.stop(*explain(error, source))

    root = builder.root
    if root is None or root == "":
        faults.stop(Place(source, 1, 1), "this policy is empty. Begin with `version: 1`")
    if not isinstance(root, Mapping):
        faults.stop(root.place, "a policy is keys and values. Begin with `version: 1`")
    return root


class _Pieces:
    """A text as a stream that is read in pieces.

    The parser, which is written in C, holds the interpreter's lock until it has an event. An event may be the whole
    file; and whenever it reads on, other threads can have the lock.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._read = 0

    def read(self, _size: int) -> str:
        """Return the next piece; the parser takes what is larger than it has asked for."""
        start, self._read = self._read, self._read + _PIECE
        return self._text[start : self._read]


# Some 0.1 ms of the parser's time.
_PIECE = 16 * 1024


class _Builder:
    """Makes the tree from the parser's events, without recursion, so that no depth can exhaust the stack."""

    def __init__(self, source: Source, faults: Faults) -> None:
        self.root: Node | None = None
        self._source = source
        self._faults = faults
        self._count = 0
        self._entry_count = 0
        # The collections that are still open, outermost first, and the key of each that awaits its value.
        self._open: list[Sequence | Mapping] = []
        self._keys: list[Node | None] = []

    def take(self, event: yaml.Event) -> None:
        """Take the parser's next event."""
        if isinstance(event, yaml.ScalarEvent):
            scalar = Scalar(event.value, self._place_of(event), quoted=not event.implicit[0])
            self._refuse_extras(event, scalar)
            self._add(scalar)
        elif isinstance(event, yaml.CollectionStartEvent):
            place = Place(*self._place_of(event))
            node = Mapping(place) if isinstance(event, yaml.MappingStartEvent) else Sequence(place)
            self._refuse_extras(event, node)
            if len(self._open) == MAX_DEPTH:
                self._faults.stop(place, f"nested more than {MAX_DEPTH} levels deep. A policy needs ten at most")
            self._add(node)
            self._open.append(node)
            self._keys.append(None)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._open.pop()
            self._keys.pop()
        elif isinstance(event, yaml.AliasEvent):
            alias = Scalar("", self._place_of(event), quoted=True)
            message = f"aliases are not taken. Write out what {shown(f'*{event.anchor}')} stands for, or quote it"
            self._faults.add(alias.place, message)
            self._add(alias)
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            place = Place(*self._place_of(event))
            self._faults.stop(place, "a second document begins here. Keep one document in a file")

    def _add(self, node: Node) -> None:
        """Put a node at the top, into the open list, or as key or value into the open mapping."""
        self._count += 1
        if self._count > MAX_VALUES:
            self._faults.stop(node.place, f"more than {MAX_VALUES} values. No policy needs so many")
        if len(self._open) <= _ENTRY_DEPTH:
            self._entry_count = 0
        self._entry_count += 1
        if self._entry_count > MAX_ENTRY_VALUES:
            self._faults.stop(node.place, f"more than {MAX_ENTRY_VALUES} values in one entry. Make several of it")
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        if isinstance(parent, Sequence):
            parent.append(node)
            return
        key = self._keys[-1]
        if key is None:
            self._keys[-1] = node
            return
        self._keys[-1] = None
        self._put(parent, key, node)

    def _put(self, mapping: Mapping, key: Node, value: Node) -> None:
        if not isinstance(key, Scalar):
            self._faults.add(key.place, "a key must be a single word. Quote it if it begins with `{` or `[`")
        elif key == "<<" and not key.quoted:
            self._faults.add(key.place, "merge keys (`<<`) are not taken. Write out what they stand for")
        elif key in mapping:
            first = mapping.key(key).line
            self._faults.add(key.place, f"{shown(key)} is here twice, first on line {first}. Keep one of them")
        else:
            mapping[key] = value

    def _refuse_extras(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, node: Node) -> None:
        if event.tag is not None:
            tag = shown(event.tag)
            self._faults.add(node.place, f"tags such as {tag} are not taken. Remove it, and quote what is text")
        elif event.anchor is not None:
            anchor = shown(f"&{event.anchor}")
            self._faults.add(node.place, f"anchors are not taken. Remove {anchor}, and write out each value")

    def _place_of(self, event: yaml.Event) -> tuple[Source, int, int]:
        # Only events that a program makes lack a mark.
        mark = cast("yaml.Mark", event.start_mark)
        return self._source, mark.line + 1, mark.column + 1


def _decode(data: bytes, name: str, order: int, faults: Faults) -> str:
    """Return the text, without the byte order mark that some editors put in front of it."""
    if len(data) > MAX_BYTES:
        # How much larger is not known: whoever reads a file stops soon after the limit.
        message = f"this file is larger than {MAX_BYTES // 1024**2} MiB. Make several files of it"
        faults.stop(Place(Source(name, [""], order), 1, 1), message)
    encoded = data.removeprefix(codecs.BOM_UTF8)
    try:
        return encoded.decode()
    except UnicodeDecodeError as error:
        before = _lines(encoded[: error.start].decode(), name, order, faults)
        source = Source(name, _lines(encoded.decode(errors="replace"), name, order, faults), order)
        faults.stop(
            Place(source, len(before), len(before[-1]) + 1),
            f"byte {len(data) - len(encoded) + error.start} (`{encoded[error.start]:#04x}`) is no UTF-8. "
            "Save the file as UTF-8",
        )


def _lines(text: str, name: str, order: int, faults: Faults) -> list[str]:
    """Split a text, in pieces, at the line breaks of YAML 1.1.

    But for NEL, LS and PS, which no editor counts and which are refused.
    """
    if text.count("\n") + text.count("\r") > 2 * MAX_LINES:
        message = f"this file has more than {MAX_LINES} lines. Make several files of it"
        faults.stop(Place(Source(name, [""], order), 1, 1), message)
    lines = [""]
    for start in range(0, len(text), _PIECE):
        first, *others = text[start : start + _PIECE].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        # A CR LF that two pieces share is one break.
        if text[start] == "\n" and text[start - 1 : start] == "\r":
            first, *others = others
        lines[-1] += first
        lines += others
    return lines


# https://yaml.org/spec/1.2.2/#51-character-set
#   c-printable leaves out the C0 and C1 controls, DEL and the noncharacters.
# Besides these: line breaks that only YAML 1.1 sees, and the marks that show text in another order than it has
# (https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters).
_HIDDEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff\ufffe\uffff]")


def _refuse_hidden(source: Source, faults: Faults) -> None:
    hidden = False
    for number, line in enumerate(source.lines, 1):
        for start in range(0, len(line), _PIECE):
            for found in _HIDDEN.finditer(line, start, start + _PIECE):
                hidden = True
                what = f"a character that cannot be seen (U+{ord(found[0]):04X}). Remove it"
                faults.add(Place(source, number, found.start() + 1), what)
    if hidden:
        faults.raise_any()
