"""Finds the secrets that a message carries, in every place where clients and servers put one.

They are looked for only when something of the message is shown, so that nothing of it equals one of them.
"""

import base64
import binascii
import re
from collections.abc import Collection, Iterable, Iterator

from orgfence.core.escapes import text_of, unescaped
from orgfence.core.request import canonical_name
from orgfence.core.showing.credential_shapes import is_id

# Shorter values are found by chance: a PIN, a flag, a number.
_MIN_SECRET = 6
# A part of a dotted token that is shorter says nothing.
_MIN_SEGMENT = 12
# More than any message has, and few enough to search for each.
_MAX_SECRETS = 256

# Names of header fields, cookies and parameters whose values are secret.
_NAMES_SECRET = re.compile(
    rb"authorization|authentication|token|secret|api[-_]?key|access[-_]?key|passw|pwd|passphrase|sess|(?:^|[-_.])sid$"
    rb"|credential|signature|(?:^|[-_.])sig$|jwt|[cx]srf|assertion|otp$|ticket|samlresponse|verifier"
)
# The same in a query or a body, by their common parts: each is searched for by itself, which is fast.
_PARTS = (
    *(b"token", b"secret", b"passw", b"passphrase", b"api_key", b"apikey", b"api-key", b"access_key", b"session"),
    *(b"credential", b"signature", b"assertion", b"samlresponse", b"verifier", b"ticket"),
)
# These stand in other names too: only whole.
_WHOLE = (b"code", b"sid", b"sig", b"pwd", b"jwt", b"otp", b"device_code", b"user_code")
_KEY_BEFORE = re.compile(rb"[\w.%-]*\Z")
_REST = re.compile(rb"([\w.%-]{0,64})(?:\[\w{0,64}\])?[\"']?\s{0,4}[=:]\s{0,4}(?:\"([^\"]*)|'([^']*)|([^&;,\s#}\"']*))")
_LONGEST_KEY = 64
# What stands further behind is found by its form alone: the proxy waits meanwhile, and a body may have megabytes.
_MAX_SEARCHED = 64 * 1024
# A token has 16 KiB at most. Each escape is decoded by itself, so a client decides how long that takes.
_MAX_DECODED = 16 * 1024
# Whoever repeats a name more often hides nothing from anybody but himself.
_OCCURRENCES = 16


def own_secrets(
    fields: Iterable[tuple[bytes, bytes]],
    texts: Iterable[bytes],
    credential_names: Collection[bytes],
    org_names: Collection[bytes],
) -> frozenset[str]:
    """Return the secrets of a message, in lower case.

    `texts`: what has parameters, the target and the bodies. `credential_names`: the names, canonical, of the fields,
    cookies and parameters where the policy finds the credential; `org_names`: those where it finds the org, which is
    shown.
    """
    found: list[str] = []
    seen: set[bytes] = set()
    decodable = _MAX_DECODED
    for value in _secret_values(fields, texts, credential_names, org_names):
        if value in seen:
            continue
        seen.add(value)
        if b"%" in value or b"+" in value:
            decodable -= len(value)
        found += _forms(value, decoded=decodable >= 0)
        if len(found) >= _MAX_SECRETS:
            break
    return frozenset(found)


def _secret_values(
    fields: Iterable[tuple[bytes, bytes]],
    texts: Iterable[bytes],
    credential_names: Collection[bytes],
    org_names: Collection[bytes],
) -> Iterator[bytes]:
    for name, value in fields:
        canonical = canonical_name(name)
        if canonical in _COOKIES:
            yield from _in_cookies(value, credential_names, org_names)
        elif canonical not in org_names and (canonical in credential_names or _NAMES_SECRET.search(canonical)):
            yield from _in_field(value)
    for text in (_SCOPES.sub(b"", each[:_MAX_SEARCHED]) for each in texts):
        lowered = text.lower()
        for part in dict.fromkeys((*(name.lower() for name in credential_names), *_PARTS, *_WHOLE)):
            yield from _in_parameters(text, lowered, part, org_names)


# Scopes are public, and some read like a name and its value: `session:role:ANALYST`, `token:rotate`. Their end is that
# of the parameter. Each `[` ends the search for the end of the list before: many lists would take quadratic time.
_SCOPES = re.compile(
    rb"(?<![\w.%-])scopes?[\"']?\s{0,4}[=:]\s{0,4}(?:\[[^\]\[{&]*\]|\"[^\"&]*\"|'[^'&]*'|[^&;,\s#}\"']*)", re.IGNORECASE
)
_COOKIES = frozenset({b"cookie", b"set-cookie"})


def _in_cookies(field: bytes, credential_names: Collection[bytes], org_names: Collection[bytes]) -> Iterator[bytes]:
    """Give the values of a `Cookie` field. What is named like no secret may be an id that the page remembers."""
    for pair in re.split(rb"[;,]", field, maxsplit=_MAX_SECRETS)[:_MAX_SECRETS]:
        name, _, value = pair.partition(b"=")
        name, value = name.strip(), value.strip().strip(b'"')
        if name in org_names:
            continue
        if name in credential_names or _NAMES_SECRET.search(name.lower()) or not is_id(text_of(value)):
            yield value


def _in_field(value: bytes) -> Iterator[bytes]:
    """Give the whole of a field, what stands behind its scheme, and the password in `Basic`."""
    yield value.strip()
    scheme, *words = re.split(rb"[\s,;]+", value.strip(), maxsplit=_MAX_WORDS)[:_MAX_WORDS]
    for word in words:
        yield word
        # `Digest response="…"`
        yield word.partition(b"=")[2].strip(b'"')
    if scheme.lower() == b"basic" and words:
        try:
            decoded = base64.b64decode(words[0] + b"==", altchars=None)
        except binascii.Error:
            return
        yield decoded
        yield decoded.partition(b":")[2]


# Digest has about ten parameters.
_MAX_WORDS = 32


def _in_parameters(text: bytes, lowered: bytes, part: bytes, org_names: Collection[bytes]) -> Iterator[bytes]:
    """Give the values of the parameters and members whose name has this part."""
    at = -1
    for _ in range(_OCCURRENCES):
        at = lowered.find(part, at + 1)
        if at < 0:
            return
        before = _KEY_BEFORE.search(lowered, max(0, at - _LONGEST_KEY), at)
        rest = _REST.match(text, at + len(part))
        if before is None or rest is None:
            continue
        name = before[0] + part + rest[1].lower()
        is_other = part in _WHOLE and name != part
        if not is_other and name not in org_names:
            value = next((value for value in rest.groups()[1:] if value), b"")
            yield value
            # In a path the segment may end the parameter.
            yield value.partition(b"/")[0]


def _forms(value: bytes, *, decoded: bool) -> Iterator[str]:
    """Give the forms in which a secret is found again: as it stands, decoded, and the parts of a dotted token."""
    forms = {value}
    if decoded:
        forms |= {unescaped(value), unescaped(value.replace(b"+", b" "))}
    for form in forms:
        text = text_of(form).lower()
        if len(text) >= _MIN_SECRET:
            yield text
            yield text.rstrip("=")
            # Of a long one not all is shown anywhere.
            yield text[:_BEGINNING]
        if "." in text:
            yield from (part for part in text.split(".", _MAX_PARTS)[:_MAX_PARTS] if len(part) >= _MIN_SEGMENT)


_BEGINNING = 64
# A JWE has five.
_MAX_PARTS = 8
