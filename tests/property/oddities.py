"""What makes a body one that servers read in different ways: lists of ways to write JSON, forms and content codings."""

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import brotli  # type: ignore[import-untyped]  # it ships neither annotations nor stubs
from tests.property.reference_body import FORM

JSON_TYPES = [[b"application/json"], [], [b"application/json; charset=utf-8"], [b"application/merge-patch+json"]]
FORM_TYPES = [[FORM], [], [FORM.upper() + b" ;charset=UTF-8"], [b"application/json"]]
ODD_TYPES = [
    *([b"text/plain"], [b"multipart/form-data; boundary=x"], [FORM, FORM], [FORM, b"application/json"], [b""]),
    *([b"application/json; charset=utf-16"], [b'text/plain; charset="us-ascii"'], [FORM + b"; charset=iso-8859-1"]),
    *([b"application/json; charset=utf-8; charset=koi8-r"], [FORM + b"; charset*0=koi8-r"]),
]
#: Those in which readers of JSON know it, and one in which they do not.
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"]


def org_values(org: str) -> list[Any]:
    """Return what may stand where an org belongs, the org itself first."""
    others = ["globex", [org, "globex"], 42, "", [], None, True, 1.5, {"id": org}, [[org]], f"{org},globex", "\ud800"]
    return [org, [True, org], "\u00e9", *others]


def nested(root: Any, steps: list[str], value: Any, is_list: bool) -> Any:
    """Return a document with a value where a pointer's steps lead; the items of `*` are those of a list or of a map."""
    if not steps:
        return value
    step, *further = steps
    if step == "*":
        return [nested({}, further, value, is_list)] * 2 if is_list else {"a": nested({}, further, value, is_list)}
    if step == "0":
        return [nested({}, further, value, is_list)]
    held = root if isinstance(root, dict) else {}
    return held | {step: nested(held.get(step), further, value, is_list)}


def edited(text: str, org: str) -> list[str]:
    """Return a JSON document with something in it that is the same, or is not, to some reader; as it is first."""
    pairs = [pair for pair in _edits(org) if pair[0] in text]
    return [text, *(text.replace(before, behind, 1) for before, behind in pairs)]


def _edits(org: str) -> list[tuple[str, str]]:
    """Return what may stand in place of what."""
    others = [
        *('"org": "globex", "org"', '"ORG"', '"Org": "globex", "org"', '"\\u006frg"', '"org\\u0000x"', '"\\u017forg"'),
        *('"org": "globex", "o_rg"', '"org.": "acme-9", "org"', '"\\u00a0org": "globex", "org"', '"[org]": 42, "org"'),
        *('"org": "globex", "org "', '"OrG": {"org": "acme-9"}, "org"', '"\\uff4frg": "globex", "org"'),
        *('"org": {}, "org"', '"org": [], "org"', '"org": true, "org"', '"org": 42, "org"'),
    ]
    return [
        *(('"org"', other) for other in others),
        ('"orgs"', '"org\\u017f"'),
        ('"orgs"', '"orgs": "acme-9", "Orgs"'),
        ('"orgs"', '"Orgs": [{"id": "acme-9"}], "orgs"'),
        ('"orgs"', '"orgs": [{"id": "globex"}], "orgs"'),
        ('"organization"', '"organ\\u0131zation"'),
        ('"organization"', '"ORGAN\\u0130ZATION"'),
        ('"organization"', '"organization": {"id": "globex"}, "Organization"'),
        ('"id"', '"ID"'),
        ('"id"', '"id": "globex", "id"'),
        ('"id"', '"id": 42, "\\u0131d"'),
        ('"x"', "NaN"),
        ('"x"', "1" * 4301),
        ('"x"', "1e999"),
        ('"x"', f'"&org={org}&"'),
        ('"x"', '"&org=globex&access_token=1;org="'),
        ('"x"', "'x'"),
        ('"x"', '"\t"'),
        ('"x"', '"{[{\\"[["'),
        ("{", "\ufeff{"),
    ]


def finished(text: str, org: str) -> list[str]:
    """Return a JSON document with something behind or around it, or in front of what it holds; as it is first."""
    return [
        *(text, text + " ", text + "{}", text + ",", text + "\0", text[:-1], f"[{text}]", f'"{org}"', f"\v{text}", ""),
        *(text + "[" * 127 + "]" * 127, _deeper(text, 126), _deeper(text, 127)),
    ]


def _deeper(text: str, levels: int) -> str:
    return text.replace("{", '{"deep": ' + "[" * levels + '"[{"' + "]" * levels + ", ", 1)


def odd_names(name: str) -> list[bytes]:
    """Return names that some server takes for this one, or does not; the name itself is first."""
    plain, half = name.encode(), len(name) // 2
    head, tail = plain[:half], plain[half:]
    return [
        *(plain, plain.upper(), plain.title(), plain.replace(b"_", b""), head + b"_" + tail, head + b"." + tail),
        *(head + b"[" + tail, head + b"%u" + b"%04x" % tail[0] + tail[1:], head + b"%%%02x" % tail[0] + tail[1:]),
        *(
            head + b"%25" + b"%02x" % tail[0] + tail[1:],
            b"[" + plain + b"]",
            b"!" + plain,
            b"+" + plain,
            b"%20" + plain,
        ),
        *(plain + b"[]", plain + b"[0]", plain + b"[a][b]", plain + b"%5B%5d", plain + b"]x", plain + b"%00x"),
        *(
            b"\xa0" + plain,
            b"\xc2\xa0" + plain,
            b"\x1f" + plain,
            b"\x85" + plain,
            plain + b"\xe3\x80\x80",
            b"\xff" + plain,
        ),
        *(plain.replace(b"o", "\uff4f".encode()), plain.replace(b"i", "\u0131".encode()), b"x" + plain, plain + b"x"),
        *(
            plain + b".sig",
            b"x[" + plain + b"]",
            *(plain.replace(b"_", joint) for joint in (b".", b"%20", b"+", b"-", b"[")),
            *(b"_" + plain, b"__" + plain, plain + b"_", plain + b" "),
            plain + b":eq",
            head,
            b"$" + plain,
            plain + b"%ZZ",
            b"\xd0\xbe" + plain[1:],
        ),
    ]


#: Fields that a form may have beside those that it is about.
FIELDS = [
    "page=2",
    "org",
    "=",
    "x;org=initech",
    "org=%ff",
    "{",
    'x={"org": "acme"}',
    "%6frg=globex",
    "ORG=a",
    "org[]=a",
    "Org=acme-9",
    "org%u0000=a",
    "x[org]=a",
]
FORM_VALUES = ["globex", "", "acme, globex", "acme acme", "g\u00f6"]


def framed(form: bytes) -> list[bytes]:
    """Return a form with something in front of it or behind; as it is first."""
    bulky = [form + b"&org=acme" * 10_001, form + b"&org=" + b"a" * 65_537, form + b"[" * 129]
    return [form, b"\xef\xbb\xbf" + form, b" [" + form, b"\0{" + form, *bulky]


def coded(data: bytes, name: str) -> list[bytes]:
    """Return data under a content coding, in all ways in which that is meant; the right one first."""
    return _CODERS[name](data)


def damaged(data: bytes) -> list[bytes]:
    """Return coded data that are not quite."""
    return [data[:-1], data + b"\0", data + b"&org=globex", data[1:], b"", gzip.compress(data, mtime=0)]


def _gzipped(data: bytes) -> list[bytes]:
    """Compress, in one member or several."""
    whole, half = gzip.compress(data, mtime=0), len(data) // 2
    two = gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)
    # To a server that does not know the coding, the name of the file that was compressed is a field of a form.
    with_name = io.BytesIO()
    with gzip.GzipFile("&org=globex&", "wb", fileobj=with_name, mtime=0) as file:
        file.write(data)
    empty = gzip.compress(b"", mtime=0)
    return [whole, two, with_name.getvalue(), whole + empty, whole * 33, whole + b"\0" * 8]


def _deflated(data: bytes) -> list[bytes]:
    """Compress as zlib does, or leave out its header and checksum as some senders do."""
    whole = zlib.compress(data)
    return [whole, whole[2:-4], zlib.compress(data, 0), _both_formats(data)]


def _both_formats(data: bytes) -> bytes:
    """Write a zlib stream that a reader of raw deflate can read too.

    A stored block stands in it, whose length is that of what raw deflate takes the header for, with each bit turned.
    """
    padded = data.ljust(0xFF63)[:0xFF63]
    block = b"\0" + struct.pack("<HH", 0xFF63, 0x009C) + padded
    return b"\x78\x9c" + block + b"\x01\0\0\xff\xff" + struct.pack(">I", zlib.adler32(padded))


_CODERS: dict[str, Callable[[bytes], list[bytes]]] = {
    "gzip": _gzipped,
    "x-gzip": _gzipped,
    "deflate": _deflated,
    "br": lambda data: [brotli.compress(data, quality=1)],
    "identity": lambda data: [data],
}
CODINGS = list(_CODERS)
