"""Bodies: most of them what a rule reads, well-formed or nearly, as such or under content codings."""

import gzip
import json
import zlib
from typing import Any
from urllib.parse import quote_plus

import brotli  # type: ignore[import-untyped]  # it ships neither annotations nor stubs
from hypothesis import strategies as st
from tests.property.policies import POINTERS, chance
from tests.property.reference_body import FORM
from tests.property.reference_token import Policy, listed

from orgfence.core.request import UNREAD, Body

type Fields = list[tuple[bytes, bytes]]


@st.composite
def sent_bodies(draw: st.DrawFn, rule: Policy, org: str, pairs: list[str]) -> tuple[bytes | Body, Fields]:
    """Draw a body that most likely is what a rule reads, with the header fields that say what it is.

    `pairs` are fields that its form has to have.
    """
    sources = listed(rule.get("org", []))
    pointers = [source["body"] for source in sources if "body" in source]
    names = [source["form"] for source in sources if "form" in source]
    if draw(chance(8)):
        pointers, names = [draw(st.sampled_from(POINTERS))], ["org"]
    is_json = not pairs and bool(pointers) and (not names or draw(st.booleans()))
    if not (pointers or names or pairs):
        return b"", []
    data = draw(documents(pointers, org) if is_json else forms(pairs, names, org))
    types = draw(st.sampled_from(_JSON_TYPES if is_json else _FORM_TYPES))
    if draw(chance(15)):
        types = draw(st.sampled_from(_ODD_TYPES))
    codings: list[bytes] = []
    if draw(chance(4)):
        data, codings = draw(coded(data))
    fields = [(b"Content-Type", value) for value in types] + [(b"content_encoding", value) for value in codings]
    return (UNREAD if draw(chance(25)) else data), fields


_JSON_TYPES = [[b"application/json"]] * 4 + [
    [],
    [b"application/json; charset=utf-8"],
    [b"application/merge-patch+json"],
]
_FORM_TYPES = [[FORM]] * 4 + [[], [FORM.upper() + b" ;charset=UTF-8"], [b"application/json"]]
_ODD_TYPES = [
    *([b"text/plain"], [b"multipart/form-data; boundary=x"], [FORM, FORM], [FORM, b"application/json"], [b""]),
    *([b"application/json; charset=utf-16"], [b'text/plain; charset="us-ascii"'], [FORM + b"; charset=iso-8859-1"]),
    *([b"application/json; charset=utf-8; charset=koi8-r"], [FORM + b"; charset*0=koi8-r"]),
]


# JSON


@st.composite
def documents(draw: st.DrawFn, pointers: list[str], org: str) -> bytes:
    """Draw a JSON document that most likely names an org wherever the pointers lead."""
    root: Any = {"name": "x"}
    for pointer in pointers:
        if not draw(chance(6)):
            value = draw(st.sampled_from([org] * 6 + [*_values(org)]))
            root = _put(root, pointer.split("/")[1:], value, draw(st.booleans()))
    text = json.dumps(root, ensure_ascii=draw(st.booleans()))
    for _ in range(draw(st.integers(1, 2)) if draw(chance(3)) else 0):
        before, behind = draw(st.sampled_from(_edits(org)))
        text = text.replace(before, behind, 1)
    text = draw(
        st.sampled_from([text] * 12 + [text + " ", text + "{}", text + ",", text[:-1], f"[{text}]", f'"{org}"'])
    )
    if draw(chance(10)):
        text = draw(st.sampled_from([text + "[" * 127 + "]" * 127, _deeper(text, 126), _deeper(text, 127)]))
    encodings = ["utf-8"] * 10 + ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1"]
    return text.encode(draw(st.sampled_from(encodings)), "replace")


def _values(org: str) -> list[Any]:
    return ["globex", [org, "globex"], 42, "", [], None, True, 1.5, {"id": org}, [[org]], f"{org},globex", "\ud800"]


def _put(root: Any, steps: list[str], value: Any, is_list: bool) -> Any:
    """Return a value with another one at the end of some steps."""
    if not steps:
        return value
    step, *further = steps
    if step == "*":
        return [_put({}, further, value, is_list)] * 2 if is_list else {"a": _put({}, further, value, is_list)}
    if step == "0":
        return [_put({}, further, value, is_list)]
    held = root if isinstance(root, dict) else {}
    return held | {step: _put(held.get(step), further, value, is_list)}


def _edits(org: str) -> list[tuple[str, str]]:
    """Return what may stand in place of something, and be the same, or not, to some reader."""
    others = [
        *('"org": "globex", "org"', '"ORG"', '"Org": "globex", "org"', '"\\u006frg"', '"org\\u0000x"', '"\\u017forg"'),
        *('"org": {}, "org"', '"org": [], "org"', '"org": true, "org"'),
    ]
    return [
        *(('"org"', other) for other in others),
        ('"orgs"', '"org\\u017f"'),
        ('"orgs"', '"orgs": [{"id": "globex"}], "orgs"'),
        ('"organization"', '"organ\\u0131zation"'),
        ('"organization"', '"ORGAN\\u0130ZATION"'),
        ('"organization"', '"organization": {"id": "globex"}, "Organization"'),
        ('"id"', '"ID"'),
        ('"id"', '"id": 42, "\\u0131d"'),
        ('"x"', "NaN"),
        ('"x"', "1" * 4301),
        ('"x"', "1e999"),
        ('"x"', f'"&org={org}&"'),
        ('"x"', '"&org=globex&access_token=1;org="'),
        ('"x"', "'x'"),
        ('"x"', '"\t"'),
        ("{", "\ufeff{"),
    ]


def _deeper(text: str, levels: int) -> str:
    """Return a document with another, so deep, in front of what it holds."""
    return text.replace("{", '{"deep": ' + "[" * levels + '"[{"' + "]" * levels + ", ", 1)


# Forms


@st.composite
def forms(draw: st.DrawFn, pairs: list[str], names: list[str], org: str) -> bytes:
    """Draw a form that most likely has such fields."""
    written = list(pairs)
    for name in names:
        values = [org, org, org, "globex", "", f"{org}, globex", f"{org} {org}", "g\u00f6"]
        for value in draw(st.lists(st.sampled_from(values), min_size=0 if draw(chance(6)) else 1, max_size=2)):
            key = draw(st.sampled_from([name] * 4 + [f"%{ord(name[0]):x}{name[1:]}", name.upper(), name + "[]"]))
            written.append(f"{key}={quote_plus(value)}")
    if draw(chance(3)):
        written.append(
            draw(st.sampled_from(["page=2", "org", "=", "x;org=initech", "org=%ff", "{", 'x={"org": "acme"}']))
        )
    data = draw(st.sampled_from(["&", "&", "&", ";"])).join(draw(st.permutations(written))).encode()
    if draw(chance(20)):
        data += draw(st.sampled_from([b"&org=acme" * 10_001, b"&org=" + b"a" * 65_537, b"[" * 129]))
    return draw(st.sampled_from([data] * 10 + [b"\xef\xbb\xbf" + data, b" [" + data, b"\0{" + data]))


# Content codings


@st.composite
def coded(draw: st.DrawFn, data: bytes) -> tuple[bytes, list[bytes]]:
    """Draw a body under content codings, and what says so; now and then either is wrong."""
    names = draw(st.lists(st.sampled_from(["gzip", "x-gzip", "deflate", "br", "identity"]), min_size=1, max_size=3))
    for name in names:
        data = draw(_CODERS[name](data))
    if draw(chance(4)):
        wrong = [data[:-1], data + b"\0", data + b"&org=globex", data[1:], b"", gzip.compress(data, mtime=0)]
        data = draw(st.sampled_from(wrong))
    if draw(chance(6)):
        names = draw(st.sampled_from([["zstd"], names[1:], [*names, "br"], ["identity"] * 5, [""], names[::-1]]))
    fields = draw(st.sampled_from([[", ".join(names)], [", ".join(names).upper() + " ,"], names]))
    return data, [field.encode() for field in fields]


def _gzipped(data: bytes) -> st.SearchStrategy[bytes]:
    """Compress, in one member most often."""
    whole = gzip.compress(data, mtime=0)
    half = len(data) // 2
    two = gzip.compress(data[:half], mtime=0) + gzip.compress(data[half:], mtime=0)
    others = [two, whole + gzip.compress(b"", mtime=0), whole * 33, whole + b"\0" * 8]
    return st.sampled_from([whole] * 8 + others)


def _deflated(data: bytes) -> st.SearchStrategy[bytes]:
    """Compress as zlib does, or leave out its header and checksum as some senders do."""
    whole = zlib.compress(data)
    return st.sampled_from([whole] * 4 + [whole[2:-4], zlib.compress(data, 0)])


_CODERS: dict[str, Any] = {
    "gzip": _gzipped,
    "x-gzip": _gzipped,
    "deflate": _deflated,
    "br": lambda data: st.just(brotli.compress(data, quality=1)),
    "identity": st.just,
}
