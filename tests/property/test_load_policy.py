"""Whatever bytes a policy file has, they are a ruleset or faults with a place."""

import re
from importlib.resources import files

import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from orgfence.core.policy.faults import Fault, PolicyError
from orgfence.core.policy.load import load_policy

FULL = """\
version: 1
enforcement: annotate
undetermined: block
unmatched: observe
orgs:
  acme: {id: 8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01, aliases: [acme-inc]}
  globex: {id: "42"}
issuers:
  corp:
    iss: https://login.example.com
    claims:
      member: [org_ids, {claim: orgs, split: " "}]
      active: {claim: iss, template: "https://{org}/x"}
      scopes: scope
    leeway: 10s
    ids: salesforce
  old: {claims: {member: {opaque: "{org}!**"}, active: {jose: tnk}}}
rules:
  - id: org-in-path
    match:
      hosts: [api.example.com, "{tenant}.example.com:8443", "*.example.org", "*"]
      paths: ["/api/v2/organizations/{org_id}/**", /x]
      methods: [GET, POST]
      listen: [8081]
    except:
      - {paths: ["/api/v2/organizations/me/**"]}
    org: [{path: org_id}, {header: X-Org}, {query: org}, {host: tenant}, {value: acme}]
    token:
      issuer: corp
      scopes: [organization:read]
      from: [{header: Authorization, scheme: Bearer}, {query: access_token}, {cookie: sid}]
      coverage: member
      unauthenticated: annotate
    pass_without: [token, org, claim]
    undetermined: observe
    enforcement: block
  - id: scopes
    match: {hosts: [api.example.com]}
    token: {scopes: [a]}
"""


def faults_of(data: bytes) -> tuple[Fault, ...]:
    try:
        load_policy(data, "policy.yaml")
    except PolicyError as error:
        assert error.faults, "an error that says nothing"  # noqa: PT017 (none is an answer too)
        return error.faults
    return ()


def check(data: bytes) -> None:
    """Load, and hold the faults to having a place within the text and the author's words."""
    lines = re.split(r"\r\n|\r|\n", data.removeprefix(b"\xef\xbb\xbf").decode(errors="replace"))
    for fault in faults_of(data):
        line, column = fault.place
        assert 1 <= line <= len(lines)
        assert 1 <= column <= len(lines[line - 1]) + 1
        assert str(fault).startswith(f"policy.yaml:{line}:{column}: ")
        assert fault.message.isprintable()
        assert not re.search(r"Entry|Section|pydantic|validator|Input should", fault.message)


def test_the_full_policy_has_no_faults() -> None:
    """What the mutations below start from is right."""
    assert len(load_policy(FULL.encode(), "policy.yaml").rules) == 2


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


# What YAML and this policy mean something by, and words that are near to those.
PIECES = st.one_of(
    st.sampled_from(
        [
            *"\n\t :,-?!&*|>%@`#\"'{}[]~=<\0\x85\u2028\ufeff😀",
            *("\n  ", "\n- ", ": ", "- ", "<<: ", "&a ", "*a", "!!str ", "---\n", "...\n", "[]", "{}", '""'),
            *("no", "010", "1e3", "12:30", "null", "${X}", "{file: x}", "preset:x", "oauth/x", "**", "{org}", "/~"),
            *("verify", "oauth", "hosts", "client", "examples", "other", "[key]"),
            *sorted(set(re.findall(r"[a-z_]+", FULL))),
        ]
    ),
    st.text(max_size=3),
)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """Change a right policy in some places."""
    text = FULL
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(start + draw(st.sampled_from([0, 1, 5, 60])), len(text))))
        text = text[:start] + draw(PIECES) + text[end:]
    return text


@given(mutated())
def test_a_policy_with_mistakes_is_a_ruleset_or_faults(text: str) -> None:
    """Whatever is mistyped in a policy has a place and words for it."""
    check(text.encode(errors="surrogatepass"))


KEYS = sorted(set(re.findall(r"[a-z_]+(?=:)", FULL)) | {"verify", "oauth", "strip", "file", "[key]", "zzz"})
SCALARS = st.one_of(
    st.sampled_from(
        ["", "acme", "corp", "no", "/x", "/orgs/{org}", "{tenant}.test", "GET", "block", "member", "{org}!**", "30s"]
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
def test_any_tree_under_known_keys_is_a_ruleset_or_faults(tree: dict[str, object]) -> None:
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
