"""The one pattern language of a policy: hosts, paths and token values as text with `{name}` captures.

A policy's author writes no regular expressions, because a forgotten anchor or an unescaped dot in one opens a guard
without a sound. A template is parsed once, when a policy loads, and what is wrong with it is said then; the message
of the `ValueError` is for the author.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self

from orgfence.core.routing.host_names import normalise_host, read_address, to_ascii
from orgfence.core.routing.letter_case import fold_case, to_bytes, to_text

__all__ = ["SEPARATORS", "HostTemplate", "PathTemplate", "Segment", "TextTemplate", "normalise_host"]

#: Where each capture stands: the index of its segment or label, and its place within that.
type _Spans = Mapping[bytes, tuple[int, slice]]


class Segment(NamedTuple):
    """One path segment or host label of a template: fixed text, or one part that varies with fixed text beside it."""

    #: The whole of it where nothing varies, else None.
    literal: bytes | None
    #: The fixed text before the varying part.
    prefix: bytes = b""
    #: The fixed text behind it.
    suffix: bytes = b""
    #: What the varying part, one or more bytes, is captured as; None: it is not (`*`).
    name: bytes | None = None

    def matches(self, value: bytes) -> bool:
        """Say whether a request's decoded segment or normalised label is this."""
        if self.literal is not None:
            return value == self.literal
        fixed = len(self.prefix) + len(self.suffix)
        return len(value) > fixed and value.startswith(self.prefix) and value.endswith(self.suffix)

    def folded(self) -> "Segment":
        """Return the segment whose fixed text is as text is compared where case is ignored."""
        literal = None if self.literal is None else fold_case(self.literal)
        return Segment(literal, fold_case(self.prefix), fold_case(self.suffix), self.name)


@dataclass(frozen=True, slots=True)
class PathTemplate:
    """`/orgs/{org}/users/*`, `/api/v{n}/**`: compared with percent-decoded segments, a trailing slash apart."""

    #: As the author wrote it.
    text: str
    #: Folded where case is ignored.
    segments: tuple[Segment, ...]
    #: Whether it ends in `**`: zero or more segments of any kind.
    rest: bool
    #: The names of its captures.
    names: frozenset[bytes]
    #: Whether its fixed text matches in any case.
    ignore_case: bool
    #: In characters where case is ignored, for a letter's other case may be longer in bytes; else in bytes.
    _spans: _Spans = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str, *, ignore_case: bool = False) -> Self:
        """Read a template or raise `ValueError`."""
        if not text.startswith("/"):
            raise ValueError(f"path `{text}` does not start with `/`. Write `/{text}`")
        for mark in "?#":
            if mark in text:
                raise ValueError(f"`{mark}` in `{text}` ends a path. Write `{text.partition(mark)[0]}`")
        _split_captures(text)
        pieces = text.removesuffix("/").split("/")[1:]
        rest = pieces[-1:] == ["**"]
        segments = tuple(_parse_segment(piece) for piece in (pieces[:-1] if rest else pieces))
        if ignore_case:
            segments = tuple(segment.folded() for segment in segments)
        spans = _find_captures(segments, first=0, in_characters=ignore_case)
        return cls(text, segments, rest, frozenset(spans), ignore_case, spans)

    def matches(self, segments: Sequence[bytes]) -> bool:
        """Say whether a reading's segments match."""
        missing = len(self.segments) - len(segments)
        if missing > 0 or (missing and not self.rest):
            return False
        if self.ignore_case:
            segments = [fold_case(segment) for segment in segments[: len(self.segments)]]
        return all(map(Segment.matches, self.segments, segments))

    def position(self, name: bytes) -> int:
        """Return which segment one of its captures stands in."""
        return self._spans[name][0]

    def captured(self, name: bytes, segments: Sequence[bytes]) -> bytes:
        """Return what one of its captures holds in segments that it matches."""
        index, span = self._spans[name]
        if self.ignore_case:
            return to_bytes(to_text(segments[index])[span])
        return segments[index][span]


@dataclass(frozen=True, slots=True)
class HostTemplate:
    """`api.example.com`, `{tenant}.example.com:8443`, `*.example.com`, `10.0.0.1`, `[::1]:443` or `*`."""

    #: As the author wrote it.
    text: str
    #: Its canonical text where it is an IP address, which has no labels.
    address: bytes | None
    #: From left to right, normalised, without a leading `*`.
    labels: tuple[Segment, ...]
    #: Whether it leads with `*`: one or more labels of any kind before the others.
    wildcard: bool
    #: None: any port.
    port: int | None
    #: The names of its captures.
    names: frozenset[bytes]
    _spans: _Spans = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a template or raise `ValueError`."""
        if text.startswith("preset:"):
            raise ValueError(f"`{text}` stands for hosts in a rule. Write out the hosts that are meant")
        if "://" in text:
            host = text.partition("://")[2].partition("/")[0]
            raise ValueError(f"`{text}` is a URL. Write only its host: `{host}`")
        _split_captures(text)
        host, port = _split_port(text)
        address = read_address(to_ascii(host.encode()))
        if address is not None or host == "*":
            return cls(text, address, (), host == "*", port, frozenset(), {})
        labels = tuple(_parse_label(label) for label in host.removeprefix("*.").removesuffix(".").split("."))
        last = labels[-1].literal
        if last is not None and read_address(last) is not None:
            raise ValueError(f"`{host}` is no name and no address. Write an address whole: `10.0.0.1`")
        spans = _find_captures(labels, first=-len(labels), in_characters=False)
        return cls(text, None, labels, host.startswith("*."), port, frozenset(spans), spans)

    def takes(self, count: int) -> bool:
        """Say whether a host of so many labels, of which the last are its own, can match."""
        return count > len(self.labels) if self.wildcard else count == len(self.labels)

    def captures(self, labels: Sequence[bytes]) -> Mapping[bytes, bytes]:
        """Return what its captures hold in the labels of a normalised host that it matches."""
        return {name: labels[index][span] for name, (index, span) in self._spans.items()}


#: What no capture of a text holds: it keeps `https://{org}/…` from reaching into a path or behind userinfo.
SEPARATORS = "/?#@\\ "


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """`https://kc.example.com/realms/{org}`, `core/{instance}/{org}`, `{org}!**`: for what a token says.

    A capture is one or more characters but `/ ? # @ \\` and space; a final `**` is the rest, which may be empty. A
    value matches in one way only: between two captures stands one of these characters, so the first can end at one
    place alone, and the last ends where the text behind it is the value's end or, before `**`, at the first place
    where that text occurs.
    """

    #: As the author wrote it.
    text: str
    #: Its fixed texts: before the first capture, behind each.
    literals: tuple[str, ...] = field(repr=False)
    #: Whether it ends in `**`.
    rest: bool
    #: The names of its captures.
    names: frozenset[str]
    _pattern: re.Pattern[str] = field(repr=False, compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a template or raise `ValueError`."""
        body = text.removesuffix("**")
        rest = body != text
        literals, names = _split_captures(body)
        if any("*" in literal for literal in literals):
            raise ValueError(f"`*` in `{text}` stands for nothing. Write `{{name}}`, or `**` at the end for the rest")
        if names and rest and not literals[-1]:
            raise ValueError(f"`{{{names[-1]}}}**` does not say where the capture ends. Write text between the two")
        for before, literal, behind in zip(names, literals[1:], names[1:], strict=False):
            if not any(separator in literal for separator in SEPARATORS):
                raise ValueError(
                    f"`{{{before}}}{literal}{{{behind}}}` does not say where the first capture ends. "
                    "Write one of `/ ? # @ \\` or a space between the two"
                )
        # Only one end of each capture can be followed by what must follow (see above), so no way is tried twice.
        capture = f"[^{re.escape(SEPARATORS)}]+?"
        pattern = re.escape(literals[0]) + "".join(
            f"(?P<{name}>{capture}){re.escape(literal)}" for name, literal in zip(names, literals[1:], strict=True)
        )
        return cls(text, tuple(literals), rest, frozenset(names), re.compile(pattern + "(?s:.*)" * rest))

    def match(self, value: str) -> dict[str, str] | None:
        """Return what its captures hold in a value, or None where the value does not match."""
        found = self._pattern.fullmatch(value)
        return None if found is None else found.groupdict()


_CAPTURE = re.compile(r"\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _split_captures(text: str) -> tuple[list[str], list[str]]:
    """Return the fixed texts, which are one more than the captures, and the captures' names."""
    parts = _CAPTURE.split(text)
    literals, names = parts[::2], parts[1::2]
    if any(brace in literal for literal in literals for brace in "{}"):
        raise ValueError(f"`{text}` has a brace without its partner. Write a capture as `{{name}}`")
    for name in names:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"`{{{name}}}` is no capture. Write `{{name}}` with a name of letters, digits and `_`, no digit first"
            )
        if names.count(name) > 1:
            raise ValueError(f"`{text}` has `{{{name}}}` twice. Give each capture a name of its own")
    return literals, names


def _find_captures(segments: Sequence[Segment], *, first: int, in_characters: bool) -> _Spans:
    spans = {}
    for index, (_, prefix, suffix, name) in enumerate(segments, first):
        if name is not None:
            before, behind = (to_text(prefix), to_text(suffix)) if in_characters else (prefix, suffix)
            spans[name] = index, slice(len(before), -len(behind) or None)
    return spans


_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")


def _parse_segment(text: str) -> Segment:
    if text == "*":
        return Segment(None)
    if "*" in text:
        raise ValueError(
            f"`*` is a whole segment and `**` the rest at the end, so neither can stand as in `{text}`. "
            "Write `{name}` there"
        )
    if text in {"", ".", ".."}:
        raise ValueError(f"a path template has no segment `{text}`. Write the path without it")
    if escape := _ESCAPE.search(text):
        raise ValueError(f"`{escape[0]}` is percent-encoded. Write the character itself: paths are compared decoded")
    return _segment_of(text)


def _segment_of(text: str) -> Segment:
    literals, names = _split_captures(text)
    if not names:
        return Segment(text.encode())
    if len(names) > 1:
        raise ValueError(f"`{text}` does not say where a capture ends. Write at most one in it")
    return Segment(None, literals[0].encode(), literals[1].encode(), names[0].encode())


_HOST_AND_PORT = re.compile(r"(\[[^]]*\]|[^:]*)(?::([^:]*))?")
_PORT = re.compile(r"0*[0-9]{1,5}")


def _split_port(text: str) -> tuple[str, int | None]:
    found = _HOST_AND_PORT.fullmatch(text)
    if found is None:
        raise ValueError(f"`{text}` has too many colons. Write an IPv6 address as `[::1]` or `[::1]:443`")
    host, port = found.groups()
    if port is None:
        return host, None
    if not _PORT.fullmatch(port) or not 1 <= int(port) <= 65535:
        raise ValueError(f"`{port}` is no port. Write a number from 1 to 65535, or none for every port")
    return host, int(port)


_NOT_IN_LABELS = re.compile(rb"[^a-z0-9_-]")


def _parse_label(text: str) -> Segment:
    if not text:
        raise ValueError("a host has no empty label. Write it as `api.example.com`")
    if "*" in text:
        raise ValueError("`*` stands alone or leads, as in `*.example.com`. Write `{name}` for one label elsewhere")
    label = _segment_of(text)
    if label.literal is not None:
        label = Segment(to_ascii(label.literal))
    else:
        label = label._replace(prefix=label.prefix.lower(), suffix=label.suffix.lower())
    if _NOT_IN_LABELS.search(label.literal or label.prefix + label.suffix):
        raise ValueError(f"`{text}` is no part of a host's name. Write letters, digits, `-` and `_`, or punycode")
    return label
