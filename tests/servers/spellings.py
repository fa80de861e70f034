"""Bytes around a rule's name: what a parser may take for it, and what may stand between two of it."""

from collections.abc import Sequence
from functools import cache
from urllib.parse import quote_from_bytes

from hypothesis import strategies as st
from tests.servers.judging import FORM, JSON, Subject, Written
from tests.servers.server import Channel

# What `bytes.strip`, `str.strip`, Perl's `\s`, C's `isspace` and Unicode take for white space, between them.
_BLANKS = [
    *(b" ", b"\t", b"\x0b", b"\x0c", b"\x1c", b"\x1d", b"\x1e", b"\x1f", b"\x85", b"\xa0"),
    *(text.encode() for text in "\x85\xa0\u1680\u2000\u2007\u200a\u2028\u2029\u202f\u205f\u3000\ufeff\u200b"),
]
_CONTROLS = [b"\x01", b"\x08", b"\x7f", b"\x80", b"\xff", b"\xad"]
_AROUND = [bytes([byte]) for byte in b"\"'\\[].+$({/:@-_!"]
_BEFORE = [*_BLANKS, *_CONTROLS, *_AROUND, *rb"[] [[ ]] ? # amp; $Version & ; , x[ [a] ][".split()]
_AFTER = [*_BLANKS, *_CONTROLS, *_AROUND, b"[ ]", b"[\0]"]
_AFTER += rb"[] [0] [a] [a][b] [[]] [a [[a] []] [][ [][a] ]x ]] [a].b [a]b [a]] [.a] ].a .a .0 x".split()
_AFTER += rb"[acme] [-1] [99] [%5B]".split()
_SEPARATORS = {
    Channel.QUERY: [*[b"&"] * 6, b"& ", *rb"; && &+ &amp; ? # , %26 %3b &;".split()],
    Channel.COOKIE: [*[b"; "] * 6, b", ", b"; ;", b" ", b"", *rb"; , ;; & =".split(), *_BLANKS, *_CONTROLS],
}
_SEPARATORS[Channel.FORM] = [*_SEPARATORS[Channel.QUERY], b"\r\n", b"\n", b"\0"]
_OTHERS = [b"", b"expires=Mon, 01-Jan-2030", *rb"""x=y x = =y $Version=1 x="y " path=/ x=acme a[b""".split()]
_ANY_BYTES = st.binary(min_size=1, max_size=2)
#: In place of a name's `_`.
_JOINTS = [b" ", b"\t", b"\x0b", b"", *rb". + [ - %20 %2e %5B %5f %u005f __".split()]


# Making a strategy takes longer than drawing from it.
@cache
def _kept[T](options: tuple[T, ...]) -> st.SearchStrategy[T]:
    return st.sampled_from(options)


def _one_of[T](options: Sequence[T]) -> st.SearchStrategy[T]:
    return _kept(tuple(options))


def chance(one_in: int) -> st.SearchStrategy[bool]:
    """Draw true once in so many times."""
    return _one_of([False] * (one_in - 1) + [True])


@cache
def _places(length: int) -> st.SearchStrategy[set[int]]:
    return st.sets(st.sampled_from(range(length)), min_size=1, max_size=3)


@cache
def _order(length: int) -> st.SearchStrategy[list[int]]:
    return st.permutations(range(length))


def _shuffled(draw: st.DrawFn, items: Sequence[bytes]) -> list[bytes]:
    return [items[at] for at in draw(_order(len(items)))]


@cache
@st.composite
def names(draw: st.DrawFn, name: str, channel: Channel) -> bytes:
    """Draw a spelling that some server may take for the name: mostly with one oddity, seldom with several."""
    spell = draw(_one_of([*[_as_it_is] * 4, _recased, _camel, _other_joint, _escaped, _u_escaped, _octal]))
    spelled = spell(draw, name.encode())
    if draw(chance(3)):
        spelled = draw(_pieces(tuple(_BEFORE), channel)) + spelled
    if draw(chance(3)):
        spelled += draw(_pieces(tuple(_AFTER), channel))
    if draw(chance(8)):
        spelled += draw(_one_of([b"\0", b"%00"])) + draw(_one_of([b"", b"x", b"[", b"]"]))
    return spelled


@cache
@st.composite
def _pieces(draw: st.DrawFn, pieces: tuple[bytes, ...], channel: Channel) -> bytes:
    """Draw what stands before or after a name, as it is or escaped."""
    piece = draw(_one_of(pieces)) if not draw(chance(4)) else draw(_ANY_BYTES)
    if channel is Channel.JSON or draw(_one_of([False, True])):
        return piece
    return b"".join(b"%%%02X" % byte for byte in piece)


def _as_it_is(draw: st.DrawFn, name: bytes) -> bytes:
    return name


def _recased(draw: st.DrawFn, name: bytes) -> bytes:
    return draw(_one_of([name.upper(), name.title(), name.swapcase(), name[:1].upper() + name[1:]]))


def _camel(draw: st.DrawFn, name: bytes) -> bytes:
    first, *others = name.replace(b"-", b"_").split(b"_")
    return first + b"".join(word.capitalize() for word in others)


def _other_joint(draw: st.DrawFn, name: bytes) -> bytes:
    return name.replace(b"_", draw(_one_of(_JOINTS)), 1)


def _some_bytes(draw: st.DrawFn, name: bytes, spell: str) -> bytes:
    chosen = draw(_places(len(name)))
    return b"".join((spell % byte).encode() if at in chosen else bytes([byte]) for at, byte in enumerate(name))


def _escaped(draw: st.DrawFn, name: bytes) -> bytes:
    return _some_bytes(draw, name, draw(_one_of(["%%%02x", "%%%02X", "%%25%02x"])))


def _u_escaped(draw: st.DrawFn, name: bytes) -> bytes:
    return _some_bytes(draw, name, draw(_one_of(["%%u%04x", "%%U%04X", "%%u{%x}", "\\u%04x", "&#%d;"])))


def _octal(draw: st.DrawFn, name: bytes) -> bytes:
    inside = _some_bytes(draw, name, draw(_one_of(["\\%03o", "\\%c"])))
    return draw(_one_of([inside, b'"' + inside + b'"', b'"' + name + b'"']))


@cache
@st.composite
def values(draw: st.DrawFn, value: str, channel: Channel) -> bytes:
    """Draw a spelling of a value."""
    plain = value.encode()
    if not draw(chance(4)):
        return plain
    framed = draw(
        _one_of(
            [
                b"%b",
                b'"%b"',
                b" %b",
                b"%b ",
                b"=%b",
                b'"%b',
                b"[%b]",
                b"%b,x",
                b"x,%b",
                b"%b\\",
                b"\\%b",
                b"'%b'",
                b"%b\x85",
            ]
        )
    )
    return draw(_one_of([framed % plain, quote_from_bytes(framed % plain).encode(), b"%%%02x" % plain[0] + plain[1:]]))


@cache
@st.composite
def pairs(draw: st.DrawFn, subject: Subject) -> bytes:
    """Draw a pair whose name is nearly the rule's, and whose value is mostly one that must not pass."""
    spelled = draw(names(subject.name, subject.channel))
    equals = draw(_one_of([b"="] * 8 + [b" = ", b"==", b"%3d", b"\xa0=", b"=\x1f", b""]))
    value = subject.good if draw(chance(8)) else subject.bad
    return spelled + equals + draw(values(value, subject.channel))


@st.composite
def written(draw: st.DrawFn, subject: Subject) -> Written:
    """Draw a query, a form or cookies: mostly the plain pair of what is granted, and one or two that are nearly it."""
    plain = f"{subject.name}={subject.good}".encode()
    items = [draw(pairs(subject)) for _ in range(draw(_one_of([1, 1, 1, 2])))]
    if not draw(chance(4)):
        items.append(plain)
    items += [draw(_one_of(_OTHERS)) for _ in range(draw(_one_of([0, 1, 2])))]
    separators = _SEPARATORS[subject.channel]
    data = b""
    for at, item in enumerate(_shuffled(draw, items)):
        data += (draw(_one_of(separators)) if at else b"") + item
    if draw(chance(12)):
        data = draw(_one_of([*separators, b"\xef\xbb\xbf"])) + data
    if subject.channel is Channel.COOKIE:
        return Written(_fields(draw, data))
    if subject.channel is Channel.QUERY:
        return Written((_in_target(data),))
    return Written((data,), draw(content_types([FORM])))


def _fields(draw: st.DrawFn, data: bytes) -> tuple[bytes, ...]:
    """Return the values of one `Cookie` field or of two, without what no field holds."""
    value = data.translate(None, b"\0\r\n")
    at = draw(_one_of(range(1, max(2, len(value))))) if draw(chance(10)) else len(value)
    return tuple(part.strip(b" \t") for part in (value[:at], value[at:]) if part) or (b"",)


def _in_target(data: bytes) -> bytes:
    """Return a query as it may stand in a request line: blanks and controls escaped, and what would end it."""
    return b"".join(b"%%%02X" % byte if byte <= 0x20 or byte in b"\x7f#" else bytes([byte]) for byte in data)


def content_types(plain: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Draw the type of a body: mostly the plain one."""
    (usual,) = plain
    odd = [
        usual.upper(),
        usual + b"; charset=utf-8",
        usual + b";charset=UTF-8",
        usual + b"; charset=iso-8859-1",
        usual + b" ",
    ]
    return _one_of([usual] * 10 + odd)


@st.composite
def documents(draw: st.DrawFn, subject: Subject) -> Written:
    """Draw a JSON object that has members whose names are nearly the rule's."""
    members = [
        _member(draw, draw(names(subject.name, Channel.JSON)), subject.bad) for _ in range(draw(_one_of([1, 2])))
    ]
    if not draw(chance(4)):
        members.append(_member(draw, subject.name.encode(), subject.good))
    if draw(chance(2)):
        members.append(draw(_one_of([b'"x":1', b'"":"y"', b'"x":{"org_id":"globex"}'])))
    joint = draw(_one_of([b","] * 6 + [b" ,\n", b",,", b"/**/,", b";"]))
    text = b"{" + joint.join(_shuffled(draw, members)) + b"}"
    text = draw(_one_of([b"%b"] * 8 + [b"\xef\xbb\xbf%b", b" %b ", b"[%b]", b"%b x", b"//\n%b", b"%b\0"])) % text
    if draw(chance(12)):
        text = text.decode("utf-8", "replace").encode(draw(_one_of(["utf-16", "utf-16-le", "utf-32-be", "utf-7"])))
    return Written((text,), draw(content_types([JSON])))


def _member(draw: st.DrawFn, name: bytes, value: str) -> bytes:
    quoted = name.replace(b"\\", b"\\\\").replace(b'"', b'\\"') if draw(_one_of([False, True])) else name
    quoted = b"".join(b"\\u%04x" % byte if byte < 0x20 else bytes([byte]) for byte in quoted)
    text = value.encode()
    frames = [b'"%b"'] * 8 + [b'["%b"]', b'{"a":"%b"}', b"'%b'", b'[["%b"]]', b'"%b", "x"']
    return b'"%b":%b' % (quoted, draw(_one_of(frames)) % text)


_HOST_FIELDS = [
    *(
        "X-Forwarded-Host",
        "Forwarded",
        "X-Original-Host",
        "X-Forwarded-Server",
        "X-Host",
        "X-HTTP-Host-Override",
        "Host",
    ),
    *("x-forwarded-host", "X_Forwarded_Host", "FORWARDED", "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto"),
]


@st.composite
def heads(draw: st.DrawFn, subject: Subject) -> Written:
    """Draw the fields of a head that say for which host it is."""
    lines = [b"Host: acme.t.example.com"]
    for _ in range(draw(_one_of([1, 2, 3]))):
        name = draw(_one_of(_HOST_FIELDS))
        host = draw(_hosts(subject))
        if name.lower() == "forwarded":
            host = draw(_forwarded(host))
        lines.insert(draw(_one_of(range(len(lines) + 1))), name.encode() + b": " + host)
    return Written((b"".join(line + b"\r\n" for line in lines),))


@cache
@st.composite
def _hosts(draw: st.DrawFn, subject: Subject) -> bytes:
    """Draw one host or several."""
    tenants = [subject.bad, subject.bad, subject.good, "internal"]
    written = [_one_host(draw, draw(_one_of(tenants))) for _ in range(draw(_one_of([1, 1, 1, 2, 3])))]
    return draw(_one_of([b",", b", ", b" ,", b" ", b"\t", b";", *_BLANKS[2:8]])).join(written)


def _one_host(draw: st.DrawFn, tenant: str) -> bytes:
    frames = [b"%b.t.example.com"] * 6
    frames += [
        b"%b.t.example.com:443",
        b'"%b.t.example.com"',
        b"%b.T.EXAMPLE.com",
        b"%b.t.example.com.",
        b"%b.t.example.com:8443 ",
    ]
    frames += [
        b"u@%b.t.example.com",
        b"http://%b.t.example.com/",
        b"%b.t.example.com/x",
        b"\x1f%b.t.example.com\xa0",
        b'"\\%b.t.example.com"',
    ]
    return draw(_one_of(frames)) % draw(_one_of([tenant, tenant, tenant.upper()])).encode()


@st.composite
def _forwarded(draw: st.DrawFn, host: bytes) -> bytes:
    """Draw a value of `Forwarded` (RFC 7239)."""
    key = draw(_one_of([b"host="] * 4 + [b"Host=", b"HOST =", b"host= ", b"host"]))
    before = draw(
        _one_of(
            [b"", b"for=1.2.3.4;", b"for=1.2.3.4; ", b"proto=https;", b"for=1.2.3.4, ", b'for="x;', b'for="[::1]:1" ;']
        )
    )
    quoted = b'"' + host + b'"' if draw(chance(3)) else host
    return before + key + quoted + draw(_one_of([b"", b"", b";proto=https", b"; by=x", b", for=1.2.3.4"]))
