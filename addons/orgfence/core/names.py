"""When a name that was sent is the name that a rule reads: exactly, or as some server reads it.

Servers decode, cut, merge and fold the names of query parameters, form fields, cookies and JSON members in many ways.
So a name is compared by its forms, which leave out all that some server makes no difference by. Two names with a form
in common may be one name to a server. That they are one to every server, only equality says. Cookies have forms of
their own: `core.cookie_names`.
"""

import re
import string
import unicodedata
from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import accumulate
from typing import NamedTuple

from orgfence.core.escapes import unescaped


class OtherName(NamedTuple):
    """A value that only another reading of its name finds."""

    #: The name as it was sent, and the rule's name, as which some servers read it.
    sent: bytes
    read_as: bytes
    value: bytes


class Found(NamedTuple):
    """What is found under a name. The lists are shared: not to be changed."""

    #: The values that have exactly this name, in their order.
    values: list[bytes]
    #: What only another reading finds.
    others: Sequence[OtherName] = ()
    #: Whether that is all that another reading finds; if not, there is something else than an org.
    others_are_read: bool = True


class Naming(NamedTuple):
    """How the names in one part of a request are compared."""

    #: What `bytes.translate` takes to make of a name its only form, if that is ASCII then.
    table: bytes
    ignored: bytes
    #: Return the forms of a name. Of a policy's name the last form is compared, of a name that was sent each form.
    forms_of_rule: Callable[[bytes], list[bytes]]
    forms_of_sent: Callable[[bytes], list[bytes]]

    def form_of(self, name: bytes) -> bytes:
        """Return the form of a policy's name: what is sent is that name, to some server, if it has this form too."""
        form = name.translate(self.table, self.ignored)
        return form if form.isascii() else self.forms_of_rule(name)[-1]


# What a name may hold and some server takes for nothing, or for another of these:
# * PHP: `.`, a space and the first `[` are `_`. Spring: `!` and `_` in front mark a default. Rack: `[`, `]` around it.
# * protobuf JSON: `orgId` is `org_id`. `+` is a space in a query. Blanks around a name are stripped by most servers.
# * Node's URLSearchParams takes a `?` off the beginning of a query.
IGNORED = bytes(range(1, 33)) + b"\x7f._-+!?"
# What makes a name more than its letters becomes a byte beyond ASCII: an escape, an index, NUL, which ends it.
FLAT = bytes.maketrans(string.ascii_uppercase.encode() + b"%[]\0", string.ascii_lowercase.encode() + b"\x80" * 4)


# The same for a name without escapes.
_ENDED = bytes.maketrans(string.ascii_uppercase.encode() + b"[]\0", string.ascii_lowercase.encode() + b"\x80" * 3)


def flat(name: bytes) -> bytes:
    """Return the only form of a name, if that is ASCII; of a name beyond ASCII, `forms_of` has the forms."""
    return name.translate(FLAT, IGNORED)


def forms_of(name: bytes, *, dotted: bool = False) -> list[bytes]:
    """Return all forms of a name that was sent, that of the whole name last.

    `org_id[a][b]` has the forms of `org_id` and of `org_id[a]` too: a server finds its value under each of them.
    `dotted`: so has `org_id.a.b`, in Express with `allowDots`.
    """
    name = decoded(name)
    if dotted:
        name = name.replace(b".", b"[")
    if name.isascii():
        parts = name.translate(_ENDED, IGNORED).split(b"\x80", _MAX_PARTS)
    else:
        parts = [_folded(part) for part in _ENDS.split(name.decode("utf-8", "ignore"), maxsplit=_MAX_PARTS)]
    return list(dict.fromkeys(accumulate(parts)))


# PHP takes 64 levels, Rack 32 and Express 5. No rule names one of more than 16, each of which has two brackets.
_MAX_PARTS = 32
# What a name may end at while the server still finds its value.
_ENDS = re.compile(r"[\[\]\0]")
# The escape of JavaScript's `escape`, which IIS and ASP.NET undo (ECMA-262, annex B.2.1).
_U_ESCAPE = re.compile(rb"%[uU]([0-9A-Fa-f]{4})")
# One server decodes a name once, and a proxy or a framework before it may have done so too.
_MAX_DECODINGS = 3


# An `int` is found in bytes ten times as fast as bytes are.
_PERCENT, _SMALL_U, _CAPITAL_U = b"%uU"


def decoded(name: bytes) -> bytes:
    """Undo the escapes of a name for as long as there are any."""
    for _ in range(_MAX_DECODINGS):
        if _PERCENT not in name:
            break
        name = unescaped(_U_ESCAPE.sub(_character, name) if _SMALL_U in name or _CAPITAL_U in name else name)
    return name


def _character(escape: re.Match[bytes]) -> bytes:
    return chr(int(escape[1], 16)).encode("utf-8", "ignore")


def forms_of_members(names: Collection[str]) -> list[bytes]:
    """Return the form of each name of a JSON object's members, in which no server looks for escapes and indexes.

    Together, because a megabyte may hold a hundred thousand of them.
    """
    text = "\n".join(names)
    if text.count("\n") >= len(names):
        text = "\n".join([name.replace("\n", "") for name in names])
    if "\0" in text:
        text = _TO_NUL.sub("", text)
    return _folded(text, _IGNORED_IN_LINE).split(b"\n")


# To a reader in C a name ends at NUL.
_TO_NUL = re.compile(r"\0[^\n]*")
_IGNORED_IN_LINE = IGNORED.replace(b"\n", b"")


# Go's encoding/json, Newtonsoft and others match names without regard to case, and some of them by upper case: then
# the Turkish i with and without a dot is an i. Code pages fit a full-width letter to the plain one.
def _folded(text: str, ignored: bytes = IGNORED) -> bytes:
    """Return the letters that a part of a name has in common with all that some server takes for the same."""
    if not text.isascii():
        text = plain_letters(text)
    return text.encode("utf-8", "surrogatepass").translate(_ENDED, ignored)


def plain_letters(text: str) -> str:
    """Return the plain letters of a text beyond ASCII, in lower case, and without blanks that are not ASCII."""
    text = text.translate(_decompositions(text)).casefold().replace("i\u0307", "i").replace("\u0131", "i")
    return _BLANKS.sub("", text)


def _decompositions(text: str) -> dict[int, str]:
    """Return the compatibility decomposition (NFKD) of each character of a text that has one.

    To normalise the text itself takes quadratic time, because combining marks are sorted (Unicode Standard,
    section 3.11).
    """
    distinct = "".join(set(text))
    # To find no entry for a character takes longer than to find one.
    table = {ord(character): character for character in distinct} if len(distinct) < _MANY else {}
    characters = _DECOMPOSED.findall(distinct)
    decomposed = unicodedata.normalize("NFKD", "\n".join(characters)).split("\n")
    for character, letters in zip(characters, decomposed, strict=False):  # of no characters there is one empty text
        if len(letters) <= _MAX_DECOMPOSITION:
            table[ord(character)] = letters
    return table


_MANY = 4096
# Among these are all characters that may be written for others. Most are not among them: the scripts of East Asia.
_DECOMPOSED = re.compile(
    "[\u00a0-\u33ff\ua600-\uabff\uf900-\uffff\U00010780-\U000107bf\U0001d100-\U0001d7ff\U0001ee00-\U0001fbff]"
)
# A ligature of whole words becomes up to 18 characters. No Latin letter, nor two or three in one, becomes so many.
_MAX_DECOMPOSITION = 4

# What Python's and JavaScript's `strip` and `trim` take off beyond ASCII, and what nobody sees.
_BLANKS = re.compile("[\u0080-\u00a0\u1680\u180e\u200b-\u200f\u2028-\u202f\u205f\u2060\u3000\ufeff]")

_DOTTED_TABLE = FLAT[: ord(".")] + b"\x80" + FLAT[ord(".") + 1 :]
PARAMETER_NAMES = Naming(_DOTTED_TABLE, IGNORED.replace(b".", b""), forms_of, partial(forms_of, dotted=True))
