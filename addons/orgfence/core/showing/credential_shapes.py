"""Tells credentials from ids of orgs by their form, where nothing else says which of them a value is.

Three things tell a credential: the form of a JWT, a prefix that its issuer gives to all of its tokens, and more
characters without a meaning than any id has. Ids of orgs have forms too, and those stay readable.
"""

import base64
import binascii
import re

# A base64url JSON object (`{"`, `{ "`, `{\n`, …) and all dotted parts behind it (RFC 7515 section 7.1).
JWT = re.compile(r"(?:ey[JA]|ewo[gJi]|ewki|ew0K)[\w-]{12,}(?:\.[\w-]*)*", re.ASCII)

# The prefixes of well-known tokens and keys, from their issuers' documentation and the rules of secret scanners
# (https://docs.github.com/code-security/secret-scanning, https://github.com/gitleaks/gitleaks). Ids of orgs begin by
# other prefixes: `org_`, `acct_`, `AC`, `T0`.
_PREFIXED = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"gh[oprsu]_\w{16}|github_pat_\w{16}|gl(?:pat|oas|dt|rt|ptt|ft|soat|cbt|imt|agent|ffct)-[\w-]{16}"
    r"|xox[a-z](?:\.xox[a-z])?-[\w-]{10}|xapp-[\w-]{10}|[sr]k_(?:live|test)_\w{10}|whsec_[\w+/]{16}"
    r"|sk-[\w-]{16}|A(?:KIA|SIA|BIA|CCA)[A-Z2-7]{16}|AIza[\w-]{30}|ya29\.[\w-]{10}|GOCSPX-[\w-]{16}|1//0[\w-]{16}"
    r"|EAA[A-Za-z0-9]{20}|SG\.[\w-]{16}|npm_\w{16}|pypi-\w{16}|dckr_pat_[\w-]{16}|do[opr]_v1_\w{16}|hv[bsr]\.[\w-]{16}"
    r"|lin_api_\w{16}|shp(?:at|ca|pa|ss)_\w{16}|sq0[a-z]{3}-[\w-]{16}|PMAK-\w{16}|figd_[\w-]{16}|AT[AC]TT3[\w-]{16}"
    r"|NR(?:AK|II|JS)-\w{16}|gl(?:sa|c)_\w{16}|hf_\w{16}|r8_\w{16}|gsk_\w{16}|xai-\w{16}|sntry[su]_\w{16}|ph[cx]_\w{16}"
    r"|ory_(?:at|rt|ac)_[\w-]{16}|00D\w{12}(?:\w{3})?![\w.]{8}|key-[0-9a-f]{32}|ntn_\w{16}|secret_\w{24}"
    r"|(?:sess|session|token|secret|apikey|api_key)_\w{16})",
    re.ASCII,
)

# Companies are called like some prefixes: `sk-telecom-international`. No random text is a row of words in lower case.
_WORDS = re.compile(r"[a-z]{1,15}(?:[-_][a-z]{1,15}){2,}")

# Ids of a schema that has one form for all of its objects, in base64: the kind and the number. They look like `Basic`.
# GitHub's node ids: `012:Organization1`; Relay (https://graphql.org/learn/global-object-identification/):
# `Organization:1`.
_OF_SCHEMA = re.compile(
    r"0\d{1,2}:[A-Z][A-Za-z]+\d{1,20}|(?:Organi[sz]ation|Tenant|Team|Workspace|Account|Project):\d{1,20}|gid://[\w/-]+",
    re.ASCII,
)

# Ids that are long without being secret: UUIDs with and without dashes, Twilio's accounts, and AWS' ids of traces.
_KNOWN_IDS = re.compile(
    r"(?<![0-9A-Za-z])(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|1-[0-9a-f]{8}-[0-9a-f]{24}|(?:AC)?[0-9a-f]{32})"
    r"(?![0-9A-Za-z])",
    re.IGNORECASE | re.ASCII,
)

# The pieces of a value, between the characters that people and base64 put between them; and the words of a piece.
_PIECE = re.compile(r"[A-Za-z0-9]+")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
# On average; a random text changes its case every second letter.
_SHORTEST_WORDS = 4
# The longest compounds that stand in the names of companies.
_LONGEST_WORD = 36
# Too short to tell a word from a piece of a random text.
_UNCLEAR = 3

# The longest ids of orgs have 24 (MongoDB), 26 (a ULID), 27 (a KSUID) and 28 characters (Descope) without a meaning,
# beside the known ids above. Of a bearer token nearly all issuers make 32 characters or more: RFC 6749 section 10.10
# asks for 128 bits, and 160 are common.
_MAX_ID = 28
# Ids of several such pieces are shorter: 21 characters (a nanoid), whose base64url may have a dash.
_MAX_ID_IN_PIECES = 23
# As few different characters make no random text of such a length.
_MIN_DIFFERENT = 8


def looks_like_credential(text: str) -> bool:
    """Return whether a value has the form of a credential and not of an id."""
    if len(text) < _SHORTEST or _KNOWN_IDS.fullmatch(text) or _WORDS.fullmatch(text) or _is_of_schema(text):
        return False
    if JWT.search(text) or _PREFIXED.search(text) or any(map(_is_basic, _BASE64.findall(text))):
        return True
    opaque = _without_meaning(_KNOWN_IDS.sub("", text))
    characters = "".join(opaque)
    limit = _MAX_ID if len(opaque) == 1 else _MAX_ID_IN_PIECES
    return len(characters) > limit and len(set(characters)) >= _MIN_DIFFERENT


def is_id(text: str) -> bool:
    """Return whether a value has a form that ids of orgs have and random texts have not, or is short or a word."""
    return len(text) < _SHORTEST or _ID.fullmatch(text) is not None or not _without_meaning(_KNOWN_IDS.sub("", text))


# Ids that begin by a word for what they are the id of, and those of Salesforce and Slack.
_ID = re.compile(
    r"(?:org|organi[sz]ation|tenant|team|workspace|ws|acct|account|customers?|projects?|realm|company|cus)[-_/:][\w:-]+"
    r"|00D\w{12}(?:\w{3})?|[TE]0[A-Z0-9]{7,9}|C0[a-z0-9]{7}",
    re.ASCII,
)


def _without_meaning(text: str) -> list[str]:
    """Return the pieces of a text that are neither words nor numbers."""
    opaque: list[str] = []
    for piece in _PIECE.findall(text):
        # Behind another one a short piece is more of the same.
        if bool(opaque) if len(piece) <= _UNCLEAR else not _has_meaning(piece):
            opaque.append(piece)
            if len(opaque) == _ENOUGH:
                break
    return opaque


# No more pieces are needed to know.
_ENOUGH = 64


def _has_meaning(piece: str) -> bool:
    if piece.isdecimal():
        return len(piece) <= _MAX_ID
    if not piece.isalpha():
        return False
    words = _WORD.findall(piece)
    return len(piece) >= _SHORTEST_WORDS * len(words) and max(map(len, words)) <= _LONGEST_WORD


# Shorter than any prefix with what must stand behind it.
_SHORTEST = 10


# https://www.rfc-editor.org/rfc/rfc7617#section-2: user-pass = user-id ":" password, in base64.
def _is_basic(text: str) -> bool:
    """Return whether a text in base64 is the credentials of `Basic`."""
    words = _from_base64(text)
    return ":" in words and words.isprintable()


def _is_of_schema(text: str) -> bool:
    """Return whether a text in base64 is a kind of object and its number."""
    return _BASE64.fullmatch(text) is not None and _OF_SCHEMA.fullmatch(_from_base64(text)) is not None


def _from_base64(text: str) -> str:
    """Return what a text stands for; empty: it is no text in base64, or one that is too long."""
    if len(text) > _MAX_BASIC:
        return ""
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_" if set(text) & {"-", "_"} else None)
        return decoded.decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


# A user's name and a password longer than this are no longer typed by anybody.
_MAX_BASIC = 1024
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{10,}={0,2}")
