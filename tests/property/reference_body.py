"""How the reference reads a body: everything in it that some server may find, or nothing, where servers differ."""

import json
import re
import zlib
from typing import Any, Literal, NamedTuple

import brotli  # type: ignore[import-untyped]  # it ships neither annotations nor stubs
from tests.property.reference_names import Values, is_taken_for_member, parameters

from orgfence.core.request import AWAITED, UNREAD
from orgfence.core.request import Body as Missing

FORM = b"application/x-www-form-urlencoded"
ASCII_LABELS = [b"us-ascii", b"iso-8859-1"]


class BodyIsAwaitedError(Exception):
    """Something in the body is asked for, and it is not there yet."""


class Body(NamedTuple):
    """A request's body, and what one rule takes it for."""

    raw: bytes | Missing
    #: The values of `Content-Type` and `Content-Encoding`.
    types: list[bytes]
    codings: list[bytes]
    #: Whether `Connection` names one of these, so that nobody knows what upstream goes by.
    is_uncertain: bool
    limit: int
    may_be_json: bool
    may_be_form: bool


class Members(tuple[tuple[str, Any], ...]):
    """A JSON object as it was written."""


def json_values(body: Body, pointer: str, *, is_exact: bool = False) -> Values | None:
    """Find every org that a JSON Pointer leads to; None: the body cannot be read.

    `is_exact`: it need not be read where only another reading of a name leads.
    """
    texts = texts_of(body)
    if texts is None or texts == []:
        return None if texts is None else Values([], [])
    documents = [read_json(text, charset_of(body)) for text in texts]
    if "uncertain" in [how for how, _ in documents]:
        return None
    if documents[0][0] == "no json" and not is_only_form(body, texts[0]):
        return None
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    reached = [each for how, document in documents if how == "json" for each in follow(document, steps)]
    exactly = orgs_of([value for value, is_exactly in reached if is_exactly])
    otherwise = orgs_of([value for value, is_exactly in reached if not is_exactly])
    if exactly is None or (otherwise is None and not is_exact):
        return None
    return Values(exactly, [(b"", org) for org in otherwise or []])


def orgs_of(values: list[Any]) -> list[bytes] | None:
    """Return the strings and the integers; None where there is something else."""
    items = [item for value in values for item in (value if isinstance(value, list) else [value])]
    if len(items) > 10_000 or not all(isinstance(item, str) or type(item) is int for item in items):
        return None
    try:
        return [str(item).encode() for item in items]
    except UnicodeEncodeError:
        return None


def form_values(body: Body, name: str) -> Values | None:
    """Find every value of a form's field; None: the body cannot be read."""
    texts = texts_of(body)
    if texts is None or texts == []:
        return None if texts is None else Values([], [])
    if media_type_of(body) in [b"", FORM]:
        is_read = charset_of(body) in [b"", b"utf-8", b"utf8", *ASCII_LABELS]
    else:
        is_read = body.may_be_json and read_json(texts[0], charset_of(body))[0] == "json"
    if not is_read:
        return None
    found = Values([], [])
    for form in texts:
        if len(re.findall(b"[&;]", form)) >= 10_000:
            return None
        here = parameters(form.removeprefix(b"\xef\xbb\xbf"), name.encode())
        # A value without escapes is as long as it was sent.
        if sum(len(value) for _, value in [*((b"", value) for value in here.exactly), *here.otherwise]) > 64 * 1024:
            return None
        found.exactly.extend(value for value in here.exactly if value not in found.exactly)
        found.otherwise.extend(here.otherwise)
    values = [*found.exactly, *(value for _, value in found.otherwise)]
    if charset_of(body) in ASCII_LABELS and not all(value.isascii() for value in values):
        return None
    return found


def texts_of(body: Body) -> list[bytes] | None:
    """Return what servers may take for the body, the one without any coding first; none where it is empty."""
    if body.raw is AWAITED:
        raise BodyIsAwaitedError
    if body.raw is UNREAD:
        return None
    assert isinstance(body.raw, bytes)
    if not body.raw:
        return []
    if len(set(body.types)) > 1 or body.is_uncertain:
        return None
    codings = [name for field in body.codings for item in field.split(b",") if (name := item.strip().lower())]
    if len(codings) > 4 or len(body.raw) > body.limit:
        return None
    texts = [body.raw]
    for coding in reversed(codings):
        if coding == b"identity":
            continue
        decode = {b"gzip": gunzip, b"x-gzip": gunzip, b"deflate": inflate, b"br": unbrotli}.get(coding)
        decoded = None if decode is None else decode(texts[0])
        if not decoded or len(decoded[0]) > body.limit or (len(decoded) > 1 and len(codings) > 1):
            return None
        texts = decoded + texts
    return texts


def gunzip(data: bytes) -> list[bytes] | None:
    """Return what is in all members, and in the first one alone, where there are more."""
    members: list[bytes] = []
    while data:
        inflated = whole(zlib.decompressobj(31), data)
        if inflated is None or len(members) == 32:
            return None
        member, data = inflated
        members.append(member)
    return [b"".join(members), *members[:1]] if len(members) > 1 else members


def inflate(data: bytes) -> list[bytes] | None:
    """Return what is in a zlib stream that nobody can read as raw deflate."""
    inflated = whole(zlib.decompressobj(15), data)
    if inflated is None or inflated[1]:
        return None
    try:
        zlib.decompressobj(-15).decompress(data, 1)
    except zlib.error:
        return [inflated[0]]
    return None


def whole(stream: "zlib._Decompress", data: bytes) -> tuple[bytes, bytes] | None:
    """Return what is in one stream and what is behind it; None where it is broken or has no end."""
    try:
        plain = stream.decompress(data)
    except zlib.error:
        return None
    return (plain, stream.unused_data) if stream.eof else None


def unbrotli(data: bytes) -> list[bytes] | None:
    """Return what is in a brotli stream."""
    try:
        return [brotli.decompress(data)]
    except brotli.error:
        return None


def media_type_of(body: Body) -> bytes:
    """Return the media type, or nothing where nothing is said."""
    return body.types[0].partition(b";")[0].strip().lower() if body.types else b""


def charset_of(body: Body) -> bytes:
    """Return the charset, or nothing where nothing is said; of several that differ it is none of them."""
    named = re.findall(rb"charset[\s*0-9]*=([^;]*)", body.types[0].lower()) if body.types else []
    return b",".join(sorted({label.strip().strip(b"\"'") for label in named}))


def is_only_form(body: Body, text: bytes) -> bool:
    """Return whether nobody could take what is no JSON for anything but a form."""
    is_form = media_type_of(body) == FORM and charset_of(body) in [b"", b"utf-8", b"utf8", *ASCII_LABELS]
    begins_as_json = re.match(rb"[ \t\r\n\v\f\0\xef\xbb\xbf\xfe\xff]*[{\[]", text)
    return body.may_be_form and is_form and not begins_as_json


def read_json(text: bytes, charset: bytes) -> tuple[Literal["json", "no json", "uncertain"], Any]:
    """Return a document, or whether there is none or nobody knows what others make of it."""
    if not text:
        return "json", []
    encoding = json.detect_encoding(text)
    try:
        decoded = text.decode(encoding)
    except UnicodeDecodeError:
        return "no json", None
    if depth_of(decoded) > 128:
        return "uncertain", None
    try:
        document = json.loads(decoded, object_pairs_hook=Members, parse_constant=refuse)
    except json.JSONDecodeError:
        return "no json", None
    except ValueError:
        return "uncertain", None
    family = encoding.removesuffix("-sig").removesuffix("-le").removesuffix("-be")
    known = {"utf-8": [b"utf8"], "utf-16": [b"utf-16le", b"utf-16be"], "utf-32": [b"utf-32le", b"utf-32be"]}
    labels = [b"", family.encode(), *known[family]]
    if encoding == "utf-8" and text.isascii():
        labels += ASCII_LABELS
    return ("json", document) if charset in labels else ("uncertain", None)


def refuse(word: str) -> None:
    """Refuse what Python takes for a number and JSON does not."""
    raise ValueError(word)


def depth_of(text: str) -> int:
    """Return how many lists and objects are open at once."""
    depth = deepest = 0
    for character in re.sub(r'(?s)"(?:[^"\\]|\\.)*(?:"|\\?\Z)', "", text):
        depth += (character in "{[") - (character in "}]")
        deepest = max(deepest, depth)
    return deepest


def follow(value: Any, steps: list[str], *, is_exactly: bool = True) -> list[tuple[Any, bool]]:
    """Return every value at the end of the steps, and whether every name on the way is exactly the step."""
    if not steps:
        return [(value, is_exactly)]
    children: list[tuple[Any, bool]] = []
    if isinstance(value, Members):
        children = [
            (item, is_exactly and steps[0] in ("*", name))
            for name, item in value
            if steps[0] == "*" or is_taken_for_member(name, steps[0])
        ]
    elif isinstance(value, list):
        children = [(item, is_exactly) for index, item in enumerate(value) if steps[0] in ("*", str(index))]
    return [found for child, exactly in children for found in follow(child, steps[1:], is_exactly=exactly)]
