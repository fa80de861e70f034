"""Whatever bytes the files of a policy have, they are a ruleset that can judge, or faults with a place."""

import json
import re
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.guarding import NOW, bearer, request_of

from orgfence.core.decision import Inspection
from orgfence.core.error_envelope import Said
from orgfence.core.guard import inspect
from orgfence.core.known import Known
from orgfence.core.policy.faults import PolicyError
from orgfence.core.policy.load import Policy, PolicyText, load_policy
from orgfence.core.policy.outside import Outside
from orgfence.core.reason import Reason
from orgfence.core.tokens.cache import TokenCache

# Hundreds of examples, on a slow machine.
pytestmark = pytest.mark.timeout(600)

FULL = """\
version: 1
enforcement: annotate
undetermined: block
unmatched: observe
disclose: reason
annotate_request: false
log_repeat: 2m
body_limit: 64KiB
orgs:
  acme: {id: 8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01, aliases: [acme-inc]}
  globex: {id: "42"}
issuers:
  corp:
    iss: [https://login.example.com, "https://kc.example.com/realms/{realm}"]
    claims:
      member: [org_ids, {claim: orgs, split: " "}]
      active: {claim: iss, template: "https://{org}/x"}
      scopes: scope
    leeway: 10s
    ids: salesforce
    hosts: [api.example.com, "{tenant}.example.com:8443"]
    other_party: ["/orgs/*/partners/{org}/**", {path: /x, query: [org, partner]}]
    errors: {body: {code: "{reason}", status: "{status}", more: [1, null, {x: "{detail} {id}"}]}, content_type: text/x}
    lookup:
      {url: "https://{host}/me?realm={realm}", method: POST, timeout: 5s, active: /org, member: [/orgs/*], scopes: /scp}
    oauth:
      hosts: [login.example.com, "{any}.login.example.com"]
      authorize: [/authorize]
      par: ["/{realm}/par"]
      token: [/token, /oauth2/token]
      org_parameter: [target, org]
      flags: {multi_org: "true"}
      refresh_needs_scope: true
      scopes: [read, write]
      clients: {app: acme, other: globex}
      enforcement: block
      block_responses: true
  ready: {preset: it, iss: "https://ready.example.com", claims: {active: org}}
  old: {claims: {member: {opaque: "{org}!**"}, active: {jose: tnk}, scopes: /realm/*}}
rules:
  - id: org-in-path
    match:
      hosts: [api.example.com, "{tenant}.example.com:8443", "*.example.org", "*"]
      paths: ["/api/v2/organizations/{org_id}/**", /x]
      methods: [GET, POST]
      listen: [8081]
      ignore_case: true
      encoded_slash: data
    except:
      - {paths: ["/api/v2/organizations/me/**"]}
      - {claims: {role: [platform-admin], /realm/*: "7"}, paths: [/x]}
    org:
      - {path: org_id, split: ","}
      - {header: X-Org, strip: true}
      - {query: org}
      - {host: tenant}
      - {value: "${ORG:-acme}"}
      - {cookie: org}
      - {body: /organization/id}
      - {form: org}
      - {client: true}
    agree: true
    token:
      issuer: corp
      scopes: [organization:read]
      from:
        - {header: Authorization, scheme: Bearer}
        - {query: access_token}
        - {cookie: sid}
        - {form: access_token}
      coverage: member
      unauthenticated: annotate
    pass_without: [token, org, claim]
    undetermined: observe
    enforcement: block
    examples:
      - request: POST https://api.example.com/api/v2/organizations/acme/users
        headers: {X-Org: [acme]}
        body: {organization: {id: acme}}
        token: {org_ids: [acme]}
        verdict: allow
        reason: org_granted
  - id: scopes
    match: {hosts: [api.example.com]}
    token: {scopes: [a]}
    examples:
      - {request: "GET https://api.example.com/", listen: 8080, verdict: mismatch}
"""
#: What another team has written; it needs the orgs and issuers of the first.
OTHER = """\
version: 1
enforcement: block
undetermined: observe
unmatched: block
orgs:
  initech: {id: {file: initech.txt}}
rules:
  - id: other/org
    match: {hosts: ["${HOST}", "preset:it"], paths: ["/orgs/{org}", "/@{org}/**"], encoded_slash: separator}
    org: [{path: org}, {value: initech}]
    token: {issuer: old}
"""
#: What files hold is shown to nobody: it may be a secret.
SECRET = "{hunter2"
OUTSIDE = Outside(
    {"HOST": "api.example.org", "EMPTY": "", "ODD": "{a\tb: [{", "WRONG": "/a/{x}/{x}%2F** ~9"},
    lambda path, _: f"{SECRET}-{path:.20}",
    {
        "it": b"hosts: [api.ready.test]\nclaims: {member: orgs}\noauth: {hosts: [login.ready.test]}",
        "odd": b"hosts: [{a: b}, '{']\nclaims: {member: {jose: [x]}}\noauth: 7\nleeway: 1\nother_party: [/x, {}]",
    },
)


def loaded(*texts: bytes) -> Policy | PolicyError:
    """Load a policy of such files."""
    try:
        return load_policy([PolicyText(f"{number}.yaml", text) for number, text in enumerate(texts)], OUTSIDE)
    except PolicyError as error:
        return error


def check(*texts: bytes) -> None:
    """Load, and hold what comes of it to being of use: faults with a place, or a ruleset."""
    policy = loaded(*texts)
    if isinstance(policy, PolicyError):
        assert policy.faults, "an error that says nothing"
        lines = [_lines_of(text) for text in texts]
        for fault in policy.faults:
            source, line, column = fault.place
            here = lines[int(source.name.removesuffix(".yaml"))]
            assert 1 <= line <= len(here)
            assert 1 <= column <= len(here[line - 1]) + 1
            assert str(fault).startswith(f"{source.name}:{line}:{column}: {fault.message}")
            assert fault.message.isprintable()
            assert SECRET not in str(fault)
            assert not re.search(r"Entry|Section|pydantic|validator|Input should", fault.message)
    else:
        _judge_with(policy)


def _lines_of(text: bytes) -> list[str]:
    return re.split(r"\r\n|\r|\n", text.removeprefix(b"\xef\xbb\xbf").decode(errors="replace"))


SAID = Said("title", "detail", "reason", 403, "rule", "id", "advice")
REQUESTS = [
    request_of(b"/api/v2/organizations/acme/x?org=acme", bearer({"org_ids": ["acme"], "scope": "a"}), listen_port=8081),
    request_of(
        b"/orgs/ac%2fme",
        bearer({"orgs": "acme", "role": [True, 7, "x"]}),
        hosts=(b"t.example.com:8443", b"hunter2.example.org"),
    ),
    request_of(b"/authorize?client_id=app&scope=reed&org_id=acme", hosts=(b"login.example.com",)),
    request_of(b"/token", (b"Content-Type", b"application/json"), method=b"POST", hosts=(b"login.ready.test",)),
]


def _judge_with(policy: Policy) -> None:
    """Judge requests, the policy's own examples among them: no rule may fail over one."""
    examples = [example.sent(NOW) for rule in policy.rules for example in rule.examples]
    requests = [request._replace(body=body) for request, body in examples]
    requests += [request._replace(body=b'{"organization": {"id": "acme"}}') for request in REQUESTS]
    for request in requests:
        inspection = inspect(request, policy.ruleset, Known(TokenCache()), NOW)
        assert isinstance(inspection, Inspection)
        for decision in inspection.decisions:
            assert decision.reason is not Reason.INTERNAL_ERROR, decision.error
            errors = policy.ruleset.errors_of(decision)
            assert errors is None or isinstance(json.loads(errors.filled(SAID)), dict)


def test_the_full_policy_has_no_faults() -> None:
    """What the mutations below start from is right."""
    policy = loaded(FULL.encode(), OTHER.encode())
    assert isinstance(policy, Policy), str(policy)
    assert [len(rule.examples) for rule in policy.rules] == [1, 1, 0]


@given(st.binary())
@example(b"\xef\xbb\xbf\xff")
@example(b"\xff\xfe")
def test_any_bytes_are_a_ruleset_or_faults(data: bytes) -> None:
    """No bytes are anything else."""
    check(data)


@given(st.text())
def test_any_text_is_a_ruleset_or_faults(text: str) -> None:
    """No text is anything else."""
    check(text.encode(errors="surrogatepass"))


WORDS = sorted(set(re.findall(r"[a-z_]+", FULL + OTHER)))
# What YAML and this policy mean something by, and words that are near to those.
PIECES = st.one_of(
    st.sampled_from(
        [
            *"\n\t :,-?!&*|>%@`#\"'{}[]~=<\0\x85\u2028\ufeff😀",
            *("\n  ", "\n- ", ": ", "- ", "<<: ", "&a ", "*a", "!!str ", "---\n", "...\n", "[]", "{}", '""'),
            *("no", "010", "1e3", "12:30", "null", "{file: x}", "preset:x", "oauth/x", "**", "{org}", "/~"),
            *(
                "${X}",
                "${HOST}",
                "${EMPTY}",
                "${ODD}",
                "${X:-",
                "${X:-y}",
                "verify",
                "oauth",
                "client",
                "other",
                "[key]",
            ),
            *WORDS,
        ]
    ),
    st.text(max_size=3),
)


@st.composite
def mutated(draw: st.DrawFn, text: str = FULL) -> str:
    """Change a right policy in some places."""
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + draw(st.sampled_from([0, 1, 5, 60])), len(text))))
        text = text[:start] + draw(PIECES) + text[end:]
    return text


@given(mutated())
def test_a_policy_with_mistakes_is_a_ruleset_or_faults(text: str) -> None:
    """Whatever is mistyped in a policy has a place and words for it."""
    check(text.encode(errors="surrogatepass"))


type Lines = list[str]


@st.composite
def _without_line(draw: st.DrawFn, lines: Lines) -> Lines:
    place = draw(st.integers(0, len(lines) - 1))
    return lines[:place] + lines[place + 1 :]


@st.composite
def _with_line(draw: st.DrawFn, lines: Lines) -> Lines:
    """Put in another line of the language, or one that is there already, as deep as it was or as its new neighbour."""
    line = draw(st.sampled_from([*_ALL_LINES, *lines]))
    place = draw(st.integers(0, len(lines) - 1))
    if draw(st.booleans()):
        line = " " * _depth(lines[place]) + line.lstrip(" ")
    return [*lines[:place], line, *lines[place:]]


@st.composite
def _swapped(draw: st.DrawFn, lines: Lines) -> Lines:
    one, other = draw(st.integers(0, len(lines) - 1)), draw(st.integers(0, len(lines) - 1))
    changed = list(lines)
    changed[one], changed[other] = lines[other], lines[one]
    return changed


@st.composite
def _indented(draw: st.DrawFn, lines: Lines) -> Lines:
    """Move some lines to the right or to the left."""
    place, by = draw(st.integers(0, len(lines) - 1)), draw(st.sampled_from([-4, -2, -1, 1, 2, 4]))
    end = place + draw(st.integers(1, 5))
    moved = [" " * max(0, _depth(line) + by) + line.lstrip(" ") for line in lines[place:end]]
    return lines[:place] + moved + lines[end:]


@st.composite
def _trapped(draw: st.DrawFn, lines: Lines) -> Lines:
    """Write something else in place of a value or a key."""
    place = draw(st.integers(0, len(lines) - 1))
    words = [(found.start(), found.end()) for found in re.finditer(r"[^\s{}\[\],:\"]+", lines[place])] or [(0, 0)]
    start, end = draw(st.sampled_from(words))
    changed = lines[place][:start] + draw(st.sampled_from(_TRAPS)) + lines[place][end:]
    return [*lines[:place], changed, *lines[place + 1 :]]


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


_ALL_LINES = (FULL + OTHER).splitlines()
_TRAPS = [
    *("no", "~", "010", "0x1f", "1e3", "1_000", "12:30:45", "2026-01-01", "1.0", "-1", "true", "TRUE", "", "''", '" "'),
    *("[]", "{}", "[[]]", "{a: b}", "- a", "? a", "!x", "&x", "*x", "|", ">-", "'", '"', "%", "@", "`", "# a", "<<"),
    *(
        "${X}",
        "${EMPTY}",
        "${ODD}",
        "${WRONG}",
        "a${WRONG}",
        "${X:-}",
        "${X:-no}",
        "${",
        "$X",
        "{file: x}",
        "{file: }",
        "{file: [x]}",
    ),
    *(
        "/a/{b",
        "{a}{b}",
        "/**/x",
        "*",
        "/~2",
        "/",
        "//",
        "{a}.{a}",
        "[::1]",
        "10.1",
        "preset:it",
        "odd",
        "x" * 1001,
        "\u0130",
        "\u200b",
    ),
    *("0B", "1GiB", "999999h", "99999999999", "GET /", "GET https://", "GET https://x:0/", "GET https://${HOST}/{x}"),
    *WORDS,
]
_MUTATIONS: list[Callable[[Lines], st.SearchStrategy[Lines]]] = [
    *[_without_line, _with_line, _swapped, _indented, _trapped, _trapped, _trapped]
]


@st.composite
def rearranged(draw: st.DrawFn, text: str) -> bytes:
    """Change a right policy as people do who edit it, and then perhaps a byte as disks do."""
    lines = text.splitlines()
    for mutation in draw(st.lists(st.sampled_from(_MUTATIONS), min_size=1, max_size=4)):
        lines = draw(mutation(lines)) if lines else lines
    changed = bytearray(draw(st.sampled_from(["\n", "\n", "\r\n"])).join(lines).encode())
    for place in draw(st.lists(st.integers(0, max(0, len(changed) - 1)), max_size=2)) if changed else []:
        changed[place] ^= draw(st.sampled_from([1, 2, 4, 8, 16, 32, 64, 128, 255]))
    return bytes(changed)


# What an editor's hand does to the whole language is much.
@settings(max_examples=3 * settings().max_examples)
@given(rearranged(FULL))
def test_a_policy_with_edited_lines_is_a_ruleset_or_faults(text: bytes) -> None:
    """Lines gone, doubled, swapped, moved or from elsewhere, values replaced by traps, bytes flipped."""
    check(text)


@given(rearranged(FULL) | st.just(FULL.encode()), rearranged(OTHER), st.booleans())
def test_a_folder_with_edited_lines_is_a_ruleset_or_faults(text: bytes, other: bytes, is_first: bool) -> None:
    """So it is with two files, each fault in its own, whichever is the first."""
    check(*((other, text) if is_first else (text, other)))


@given(st.lists(st.binary(max_size=40) | st.sampled_from([FULL.encode(), OTHER.encode(), b"version: 1"]), max_size=4))
def test_any_files_are_a_ruleset_or_faults(texts: list[bytes]) -> None:
    """Any files are, the same one twice as well, and none at all."""
    check(*texts)


KEYS = sorted(set(re.findall(r"[a-z_]+(?=:)", FULL)) | {"verify", "oauth", "file", "[key]", "zzz"})
SCALARS = st.one_of(
    st.sampled_from(
        [
            "",
            "acme",
            "corp",
            "no",
            "${HOST}",
            "${ODD}",
            "1MiB",
            "data",
            "POST https://api.example.com/x",
            "allow",
            "/x",
            "/orgs/{org}",
            "{tenant}.test",
            "GET",
            "block",
            "member",
            "{org}!**",
            "30s",
        ]
    ),
    st.text(max_size=5),
    st.integers(-1, 70_000),
    st.none(),
    st.booleans(),
    st.floats(),
    st.dates(),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)),
    max_leaves=20,
)


@given(
    st.fixed_dictionaries(
        {"version": st.one_of(st.just(1), TREES)},
        optional={
            "rules": st.one_of(st.lists(st.dictionaries(st.sampled_from(KEYS), TREES, max_size=6), max_size=3), TREES),
            "issuers": st.one_of(
                st.dictionaries(st.sampled_from(["corp", "[key]", "no", "0"]), TREES, max_size=3), TREES
            ),
            "orgs": st.one_of(st.dictionaries(st.sampled_from(["acme", "[key]", "no", "0"]), TREES, max_size=3), TREES),
            "token": TREES,
        },
    )
)
def test_any_tree_under_known_keys_is_a_ruleset_or_faults(tree: dict[str, Any]) -> None:
    """Any kind of value may stand under any key."""
    check(yaml.safe_dump(tree, allow_unicode=True, sort_keys=False).encode(errors="surrogatepass"))


@given(st.lists(st.sampled_from(FULL.splitlines(keepends=True)), max_size=40))
def test_any_lines_of_a_policy_are_a_ruleset_or_faults(lines: list[str]) -> None:
    """So are its lines in any order."""
    check("".join(lines).encode())


@given(st.integers(0, 10_000))
def test_a_policy_cut_off_anywhere_is_a_ruleset_or_faults(length: int) -> None:
    """A half-written file is never read as something else than what it holds so far."""
    starter = files("orgfence").joinpath("issuers/starter.yaml").read_bytes()
    check(starter[:length])
    check(FULL.encode()[:length])
