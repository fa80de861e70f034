"""What a policy's author is warned of: rules and names that do nothing, and that nobody has tried."""

from textwrap import indent

import pytest

from orgfence.core.policy.lint import lint
from orgfence.core.policy.load import Policy, PolicyText, load_policy
from orgfence.core.policy.outside import Outside

TOP = """\
version: 1
issuers:
  corp: {iss: https://login.example.com, claims: {member: org_ids, scopes: scope}}
rules:
"""
MATCH = "match: {hosts: [api.example.com]"
ORGS = f'{MATCH}, paths: ["/orgs/{{org}}/**"]}}'
IN_PATH = "org: {path: org}"
IN_HEADER = "org: {header: X-Org}"
NOT_ME = 'except: [{paths: ["/orgs/*/me"]}]'
#: What every rule of these tests has, unless it is about that.
TRIED = "examples: [{request: GET https://api.example.com/, verdict: allow}]"


def load(*rules: str, top: str = TOP) -> Policy:
    """Load a policy of one file; each rule is its keys, a line each, and has an example."""
    return load_files([*rules], top=top)


def load_files(*files: list[str], top: str = TOP) -> Policy:
    """Load a policy of several files, of which the first has the issuers."""
    texts = []
    for number, rules in enumerate(files):
        head = "version: 1\nrules:\n" if number else top
        written = [rule if "examples" in rule else f"{rule}\n{TRIED}" for rule in rules]
        items = ["  - " + indent(rule, "    ").lstrip() for rule in written]
        texts.append(PolicyText(f"{number}.yaml", (head + "\n".join(items) + "\n").encode()))
    return load_policy(texts)


def warned(policy: Policy) -> list[str]:
    """Return each warning as `code file:line:column message`."""
    return [f"{code} {fault.place} {fault.message}" for code, fault in lint(policy)]


def codes(*rules: str, top: str = TOP) -> list[str]:
    """Return the codes of what is found."""
    return [finding.code for finding in lint(load(*rules, top=top))]


def test_a_plain_policy_has_no_warnings() -> None:
    """What is right is not nagged about."""
    assert not warned(
        load(
            f"id: a\n{ORGS}\n{IN_PATH}\ntoken: {{issuer: corp}}",
            f'id: b\nmatch: {{hosts: ["{{t}}.example.com", "*.example.org:8443", 10.0.0.1, "[::1]"]}}\n{IN_HEADER}',
            f'id: c\n{MATCH}, paths: ["/users/{{org}}/items/{{item}}", "/v{{n}}/x"]}}\n{IN_PATH}',
        )
    )
    assert not lint(load_policy([PolicyText("p.yaml", b"version: 1")]))


LONG = "a" * 64
LONG_NAME = ".".join(["a" * 60] * 4) + ".example.com"


@pytest.mark.parametrize(
    ("rules", "warnings"),
    [
        (
            [f'id: a\n{ORGS}\n{IN_PATH}\nexcept: [{{paths: [/x]}}, {{paths: ["/orgs/**"]}}]'],
            [
                (
                    "never_matches 0.yaml:5:9 `a` can never match: its own `except` covers all of its paths. "
                    "Make `except` narrower, or remove the rule"
                ),
                (
                    "unguarded_host 0.yaml:6:21 only rules that can never match name `api.example.com`, so nothing "
                    "there is judged. Let a rule that can match name it"
                ),
                (
                    "idle_exception 0.yaml:8:23 `/x` excepts nothing: none of the rule's paths meets it. "
                    "Correct it, or remove it"
                ),
            ],
        ),
        (
            [f"id: a\n{MATCH}}}\n{IN_HEADER}\nexcept: [{{paths: ['/**']}}]", f"id: b\n{MATCH}}}\n{IN_HEADER}"],
            [
                (
                    "never_matches 0.yaml:5:9 `a` can never match: its own `except` covers all of its paths. "
                    "Make `except` narrower, or remove the rule"
                )
            ],
        ),
        (
            [f"id: a\nmatch: {{hosts: [{LONG}.example.com]}}\n{IN_HEADER}"],
            [
                (
                    "never_matches 0.yaml:5:9 `a` can never match: none of its hosts can exist. "
                    "Correct `hosts`, or remove the rule"
                ),
                (
                    f"impossible_host 0.yaml:6:21 no host can be named `{LONG[:59]}…`: "
                    "a label has 63 characters at most, a name 253. Write the name that clients call"
                ),
            ],
        ),
        (
            [f"id: a\nmatch: {{hosts: [api.example.com, '*.{LONG_NAME}']}}\n{IN_HEADER}"],
            [
                (
                    f"impossible_host 0.yaml:6:38 no host can be named `*.{LONG_NAME[:57]}…`: "
                    "a label has 63 characters at most, a name 253. Write the name that clients call"
                )
            ],
        ),
        (
            [f'id: a\n{MATCH}, paths: ["/orgs/{{org}}/**", "/orgs/{{org}}/me"]}}\n{IN_PATH}\n{NOT_ME}'],
            [
                (
                    "covered_path 0.yaml:6:65 `/orgs/{org}/me` adds nothing: `/orgs/{org}/**` of the same rule covers "
                    "it. Remove it"
                ),
                (
                    "excepted_path 0.yaml:6:65 `/orgs/{org}/me` is never judged by this rule: the exception "
                    "`/orgs/*/me` (line 8) covers it. Remove one of the two"
                ),
            ],
        ),
        (
            [f"id: a\n{ORGS}\n{IN_PATH}", f'id: b\n{MATCH}, paths: ["/orgs/{{id}}/users"]}}\norg: {{path: id}}'],
            [
                (
                    "redundant_rule 0.yaml:9:9 `b` adds nothing: `a` (line 5) matches all that it matches and is as "
                    "strict. Remove it, or let it ask for more"
                )
            ],
        ),
        (
            [f'id: a\nmatch: {{hosts: ["*.example.com", api.example.com, "*.example.com"]}}\n{IN_HEADER}'],
            [
                (
                    "covered_host 0.yaml:6:38 `api.example.com` adds nothing: `*.example.com` of the same rule covers "
                    "it. Remove it"
                ),
                "covered_host 0.yaml:6:55 `*.example.com` is listed twice. Remove one of them",
            ],
        ),
        (
            [f"id: a\n{MATCH}, paths: [/x, /x/, /x]}}\n{IN_HEADER}"],
            [
                "covered_path 0.yaml:6:51 `/x/` adds nothing: `/x` of the same rule covers it. Remove it",
                "covered_path 0.yaml:6:56 `/x` is listed twice. Remove one of them",
            ],
        ),
        (
            [f'id: a\n{MATCH}, paths: ["/users/{{id}}/x", "/v{{n}}/{{id}}/{{more}}"]}}\n{IN_HEADER}'],
            [
                (
                    "unused_capture 0.yaml:6:47 nothing reads the capture `{id}` of `/users/{id}/x`. "
                    "Write `*` there, or read the org from it: `org: {path: id}`"
                ),
                (
                    "unused_capture 0.yaml:6:64 nothing reads the capture `{more}` of `/v{n}/{id}/{more}`. "
                    "Write `*` there, or read the org from it: `org: {path: more}`"
                ),
            ],
        ),
    ],
)
def test_each_warning_names_place_value_and_fix(rules: list[str], warnings: list[str]) -> None:
    """As faults do, in the order of the lines."""
    assert warned(load(*rules)) == warnings


NAMED = TOP.replace(
    "issuers:", "orgs:\n  acme: {id: 8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01, aliases: [acme-inc]}\nissuers:"
)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        ("acme-icn", "Did you mean `acme-inc`?"),
        ("acm", "Did you mean `acme`?"),
        ("8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e02", "Did you mean `8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01`?"),
        ("globex", "Name one of them, or add it there"),
    ],
)
def test_an_org_pinned_to_nothing_is_told_with_the_nearest(value: str, hint: str) -> None:
    """A misspelt pin is a rule that lets nobody through, or the wrong ones."""
    (warning,) = warned(load(f"id: a\n{MATCH}}}\norg: [{{header: X-Org}}, {{value: {value}}}]", top=NAMED))

    assert warning == f"unknown_org 0.yaml:9:36 `{value}` is none of this policy's `orgs`, by name, alias or id. {hint}"


@pytest.mark.parametrize(
    ("value", "top"),
    [
        ("acme", NAMED),
        ("acme-inc", NAMED),
        ("8B1F0C1E-2D5E-4A58-9A51-0C7D9A1F2E01", NAMED),
        ("anything", TOP),
        ("00D5g000004CJ5F", NAMED.replace("8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01", "00D5g000004CJ5FEAW")),
    ],
)
def test_an_org_that_the_policy_names_may_be_pinned(value: str, top: str) -> None:
    """By name, alias and id, in any case of a UUID and either form of a Salesforce id; without `orgs` any."""
    assert not codes(f"id: a\n{MATCH}}}\norg: {{value: {value}}}", top=top)


TWO_ISSUERS = TOP.replace("rules:", "  spare: {iss: https://other.example.com, claims: {member: org_ids}}\nrules:")


def test_an_issuer_that_every_rule_passes_over_is_told() -> None:
    """Its tokens are refused everywhere, which nobody who wrote it down wants."""
    (warning,) = warned(load(f"id: a\n{ORGS}\n{IN_PATH}\ntoken: {{issuer: corp}}", top=TWO_ISSUERS))

    assert warning == (
        "unused_issuer 0.yaml:4:3 no rule takes tokens of the issuer `spare`: each names another in `token.issuer`. "
        "Remove it, or name it in a rule"
    )


def test_an_org_that_a_client_is_for_is_one_of_the_policys() -> None:
    """A misspelt one lets none of its tokens through."""
    client = "oauth: {hosts: [login.example.com], clients: {one: acme-inc, two: acme-icn}}"
    top = NAMED.replace("scopes: scope}}", f"scopes: scope}}, {client}}}")
    (warning,) = warned(load(f"id: a\n{MATCH}}}\norg: {{client: true}}", top=top))

    assert warning == (
        f"unknown_org 0.yaml:5:{top.splitlines()[4].index('acme-icn') + 1} `acme-icn` is none of this policy's `orgs`, "
        "by name, alias or id. Did you mean `acme-inc`?"
    )
    assert not codes(
        f"id: a\n{MATCH}}}\norg: {{client: true}}", top=TOP.replace("scopes: scope}}", f"scopes: scope}}, {client}}}")
    )


def test_an_issuer_whose_exchanges_are_judged_is_used() -> None:
    """Its tokens may be for an API that no rule is about."""
    top = TWO_ISSUERS.replace("spare: {", "spare: {oauth: {hosts: [login.example.com]}, ")
    assert not codes(f"id: a\n{ORGS}\n{IN_PATH}\ntoken: {{issuer: corp}}", top=top)


@pytest.mark.parametrize("token", ["token: {issuer: spare}", "token: {coverage: member}"])
def test_an_issuer_that_some_rule_takes_is_used(token: str) -> None:
    """A rule that names none takes them all."""
    assert not codes(
        f"id: a\n{MATCH}, paths: [/a]}}\n{IN_HEADER}\ntoken: {{issuer: corp}}",
        f"id: b\n{MATCH}, paths: [/b]}}\n{IN_HEADER}\n{token}",
        top=TWO_ISSUERS,
    )


def test_a_policy_without_rules_has_no_unused_issuers() -> None:
    """It is about to be written."""
    assert not lint(load_policy([PolicyText("p.yaml", TOP.replace("rules:", "rules: []").encode())]))


def test_rules_without_examples_are_told_with_one_to_begin_with() -> None:
    """The URL is one that the rule matches."""
    rules = [
        f"id: a\n{ORGS}\n{IN_PATH}",
        (
            'id: b\nmatch: {hosts: ["*.{shop}.example.com:8443"], paths: ["/é/*/v{n}/**"], methods: [PUT, POST]}\n'
            "org: {host: shop}\npass_without: [token]"
        ),
        "id: c\nmatch: {hosts: ['*'], paths: [/c]}\norg: {value: x}",
        "id: d\nmatch: {hosts: ['[::1]:80'], paths: [/d]}\norg: {value: x}",
    ]
    text = TOP + "".join(f"  - {indent(rule, '    ').lstrip()}\n" for rule in rules)

    policy = load_policy([PolicyText("p.yaml", f"{text}    {TRIED}\n".encode())])

    assert warned(policy) == [
        (
            "no_examples p.yaml:5:9 `a` has no examples. "
            "Begin with `examples: [{request: GET https://api.example.com/orgs/org, verdict: mismatch}]`"
        ),
        (
            "no_examples p.yaml:8:9 `b` has no examples. "
            "Begin with `examples: [{request: POST https://www.shop.example.com:8443/%C3%A9/x/vn, verdict: allow}]`"
        ),
        (
            "no_examples p.yaml:12:9 `c` has no examples. "
            "Begin with `examples: [{request: GET https://api.example.com/c, verdict: mismatch}]`"
        ),
    ]


def test_a_file_without_any_examples_is_told_once() -> None:
    """Ten thousand lines that say the same help nobody."""
    rules = "\n".join(f"  - {{id: r{number}, {MATCH}, paths: [/{number}]}}, {IN_HEADER}}}" for number in range(3))

    (warning,) = warned(load_policy([PolicyText("p.yaml", (TOP + rules).encode())]))

    assert warning == (
        "no_examples p.yaml:5:10 none of this file's 3 rules has examples. "
        "Begin with `examples: [{request: GET https://api.example.com/0, verdict: mismatch}]`"
    )


def test_examples_are_asked_of_each_file() -> None:
    """And of a single rule by its name."""
    rule = f"  - {{id: b, match: {{hosts: ['[::1]:80'], paths: [/b]}}, {IN_HEADER}}}"
    files = [
        PolicyText("a.yaml", f"{TOP}  - {{id: a, {ORGS}, {IN_PATH}, {TRIED}}}".encode()),
        PolicyText("b.yaml", f"version: 1\nrules:\n{rule}".encode()),
    ]

    assert warned(load_policy(files)) == [
        (
            "no_examples b.yaml:3:10 `b` has no examples. "
            "Begin with `examples: [{request: GET https://[::1]:80/b, verdict: mismatch}]`"
        )
    ]


BASE = f"{ORGS}\n{IN_PATH}"


@pytest.mark.parametrize(
    ("general", "special"),
    [
        (f"{MATCH}}}\n{IN_HEADER}", f"{MATCH}, paths: [/x]}}\n{IN_HEADER}"),
        (f"match: {{hosts: ['*']}}\n{IN_HEADER}", f"match: {{hosts: [a.test, b.test]}}\n{IN_HEADER}"),
        (f"match: {{hosts: ['*.test', 10.0.0.1]}}\n{IN_HEADER}", f"match: {{hosts: [10.0.0.1, b.test]}}\n{IN_HEADER}"),
        (f"{BASE}\nenforcement: block", f"{BASE}\nenforcement: annotate"),
        (f"{BASE}\nundetermined: block", f"{BASE}\nundetermined: observe"),
        (f"{BASE}\ntoken: {{unauthenticated: block}}", BASE),
        (f"{BASE}\ntoken: {{scopes: [a, b]}}", f"{BASE}\ntoken: {{scopes: [a]}}"),
        (f"{BASE}\nagree: true", BASE),
        (BASE, f"{BASE}\npass_without: [token, org, claim]"),
        (BASE, f"{ORGS[:-1]}, methods: [GET]}}\n{IN_PATH}"),
        (f"{ORGS[:-1]}, methods: [GET, PUT]}}\n{IN_PATH}", f"{ORGS[:-1]}, methods: [GET, HEAD]}}\n{IN_PATH}"),
        (BASE, f"{ORGS[:-1]}, listen: [8081]}}\n{IN_PATH}"),
        (f"{ORGS[:-1]}, listen: [8081, 8082]}}\n{IN_PATH}", f"{ORGS[:-1]}, listen: [8082]}}\n{IN_PATH}"),
        (BASE, f"{ORGS[:-1]}, encoded_slash: data}}\n{IN_PATH}"),
        (f"{BASE}\nexcept: [{{claims: {{a: b}}}}]", f"{BASE}\nexcept: [{{claims: {{a: b}}}}, {{claims: {{c: d}}}}]"),
        (f"{BASE}\nexcept: [{{paths: [/orgs/me]}}]", f"{BASE}\nexcept: [{{paths: ['/orgs/me/**']}}]"),
        (
            f"{BASE}\nexcept: [{{paths: [/orgs/*/users]}}]",
            f'{MATCH}, paths: ["/orgs/{{org}}/items"]}}\n{IN_PATH}',
        ),
    ],
)
def test_a_rule_is_redundant_beside_one_that_is_as_strict(general: str, special: str) -> None:
    """Whichever of the two comes first."""
    assert redundant(f"id: a\n{general}", f"id: b\n{special}") == ["`b` adds nothing: `a` (line 5)"]
    assert redundant(f"id: a\n{special}", f"id: b\n{general}")[0].startswith("`a` adds nothing: `b`")


def redundant(*rules: str) -> list[str]:
    """Return which rules are said to be redundant beside which."""
    findings = [fault.message for code, fault in lint(load(*rules)) if code == "redundant_rule"]
    return [message.partition(" matches")[0] for message in findings]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (BASE, BASE),
        (
            'match: {hosts: ["{t}.example.com"]}\norg: [{host: t}, {header: X}]',
            'match: {hosts: ["{tenant}.example.com"]}\norg: [{header: X}, {host: tenant}]',
        ),
        (
            f"{BASE}\ntoken: {{from: [{{query: a}}, {{cookie: b}}]}}",
            f"{BASE}\ntoken: {{from: [{{cookie: b}}, {{query: a}}]}}",
        ),
    ],
)
def test_of_two_rules_that_are_alike_the_later_is_redundant(one: str, other: str) -> None:
    """However they name their captures, and in whatever order they list what they read."""
    assert redundant(f"id: a\n{one}", f"id: b\n{other}") == ["`b` adds nothing: `a` (line 5)"]
    assert redundant(f"id: a\n{other}", f"id: b\n{one}") == ["`b` adds nothing: `a` (line 5)"]


@pytest.mark.parametrize(
    ("general", "special"),
    [
        (BASE, f"{MATCH}}}\n{IN_HEADER}"),
        (f"{BASE}\nenforcement: annotate", f"{BASE}\nenforcement: block"),
        (f"{BASE}\nenforcement: annotate\nundetermined: block", f"{BASE}\nenforcement: block"),
        (f"{BASE}\nundetermined: observe", f"{BASE}\nundetermined: annotate"),
        (BASE, f"{BASE}\ntoken: {{unauthenticated: block}}"),
        (BASE, f"{BASE}\ntoken: {{scopes: [a]}}"),
        (BASE, f"{BASE}\nagree: true"),
        (f"{BASE}\npass_without: [token]", BASE),
        (f"{BASE}\npass_without: [org]", BASE),
        (f"{BASE}\npass_without: [claim]", BASE),
        (f"{BASE}\ntoken: {{issuer: corp}}", BASE),
        (f"{BASE}\ntoken: {{coverage: member}}", BASE),
        (f"{BASE}\ntoken: {{from: [{{query: a}}]}}", BASE),
        (f"{ORGS[:-1]}, methods: [GET]}}\n{IN_PATH}", BASE),
        (f"{ORGS[:-1]}, methods: [HEAD]}}\n{IN_PATH}", f"{ORGS[:-1]}, methods: [GET]}}\n{IN_PATH}"),
        (f"{ORGS[:-1]}, listen: [8081]}}\n{IN_PATH}", BASE),
        (f"{ORGS[:-1]}, listen: [8081]}}\n{IN_PATH}", f"{ORGS[:-1]}, listen: [8082]}}\n{IN_PATH}"),
        (f"{ORGS[:-1]}, encoded_slash: data}}\n{IN_PATH}", BASE),
        # Under `unmatched: block` only a path as it stands counts, and there an encoded slash is data without it.
        (BASE, f"{ORGS[:-1]}, encoded_slash: separator}}\n{IN_PATH}"),
        (f"{BASE}\nexcept: [{{claims: {{a: b}}}}]", BASE),
        (f"{BASE}\nexcept: [{{paths: [/orgs/me]}}]", BASE),
        (f'{MATCH}, paths: ["/orgs/{{org}}"]}}\n{IN_PATH}', BASE),
        (f'{MATCH}, paths: ["/{{org}}/**"]}}\n{IN_PATH}', BASE),
        (f"match: {{hosts: [api.example.com]}}\n{IN_HEADER}", f"match: {{hosts: ['*']}}\n{IN_HEADER}"),
        (
            f'{MATCH}, paths: ["/orgs/{{org}}/**", "/x"]}}\norg: [{{path: org}}, {{header: X}}]',
            f'{MATCH}, paths: ["/orgs/{{org}}/a", "/x"]}}\norg: [{{path: org}}, {{header: X}}]',
        ),
    ],
)
def test_a_rule_is_not_redundant_beside_one_that_is_looser_in_anything(general: str, special: str) -> None:
    """Less matched, less asked, less done, or an org from elsewhere."""
    assert not any(message.startswith("`b`") for message in redundant(f"id: a\n{general}", f"id: b\n{special}"))


def test_a_redundant_rule_is_told_of_one_that_stays_and_of_its_file() -> None:
    """Whoever follows all warnings loses nothing."""
    policy = load_files(
        [f"id: small\n{ORGS[:-1]}, methods: [GET], listen: [80]}}\n{IN_PATH}", f"id: same\n{BASE}"],
        [f"id: middle\n{ORGS[:-1]}, methods: [GET]}}\n{IN_PATH}", f"id: big\n{BASE}\nenforcement: block"],
    )

    messages = [fault.message for code, fault in lint(policy) if code == "redundant_rule"]

    assert [message.partition(" matches")[0] for message in messages] == [
        "`small` adds nothing: `big` (1.yaml:7)",
        "`same` adds nothing: `big` (1.yaml:7)",
        "`middle` adds nothing: `big` (line 7)",
    ]


def test_a_rule_that_can_never_match_makes_no_other_redundant() -> None:
    """It makes no decision."""
    assert "redundant_rule" not in codes(f"id: a\n{BASE}\nexcept: [{{paths: ['/**']}}]", f"id: b\n{BASE}")


def test_hosts_of_dead_rules_are_guarded_by_unmatched_block() -> None:
    """There every request to a host that is named is stopped, so that is no gap."""
    rule = f"id: a\n{MATCH}, paths: [/x]}}\n{IN_HEADER}\nexcept: [{{paths: [/x]}}]"

    assert codes(rule) == ["never_matches", "unguarded_host"]
    assert codes(rule, top=TOP.replace("issuers", "unmatched: block\nissuers")) == ["never_matches"]


def test_an_unguarded_host_is_told_once() -> None:
    """However many rules name it that can never match."""
    dead = f"{IN_HEADER}\nexcept: [{{paths: ['/**']}}]"

    assert codes(f"id: a\n{MATCH}}}\n{dead}", f"id: b\n{MATCH}}}\n{dead}").count("unguarded_host") == 1


def test_a_dead_rules_host_is_guarded_by_a_rule_for_more_hosts_and_not_by_one_for_fewer() -> None:
    """`*.example.com` guards `api.example.com`, and not the other way round."""
    dead = f"{IN_HEADER}\nexcept: [{{paths: ['/**']}}]"
    api, every = "match: {hosts: [x.example.com]}", "match: {hosts: ['*.example.com']}"

    assert "unguarded_host" not in codes(f"id: a\n{api}\n{dead}", f"id: b\n{every}\n{IN_HEADER}")
    assert "unguarded_host" in codes(f"id: a\n{every}\n{dead}", f"id: b\n{api}\n{IN_HEADER}")


@pytest.mark.parametrize(
    ("paths", "org", "found"),
    [
        ('"/**", "/orgs/{org}"', "[{path: org}, {header: X}]", []),
        ('"/{org}/**", "/orgs/{org}"', "{path: org}", []),
        ('"/{a}/{org}", "/orgs/{org}"', "{path: org}", ["covered_path"]),
        ('"/{org}/*", "/{org}/{more}"', "{path: org}", ["covered_path"]),
        ('"/orgs/{a}", "/orgs/{b}"', "[{path: a}, {path: b}]", []),
        ('"/orgs/*", "/orgs/{b}"', "[{path: b}, {header: X}]", ["covered_path"]),
    ],
)
def test_a_path_that_captures_what_no_other_does_is_no_repetition(paths: str, org: str, found: list[str]) -> None:
    """What is read from a path must be read from the one that covers it as well, at the same place."""
    assert codes(f"id: a\n{MATCH}, paths: [{paths}]}}\norg: {org}") == found


def test_very_many_exceptions_are_not_held_against_very_many_paths() -> None:
    """A check is a matter of seconds, whatever the policy."""
    paths = ", ".join(f"/p{number}" for number in range(101))
    excepted = ", ".join(f"/e{number}" for number in range(100))

    assert not codes(f"id: a\n{MATCH}, paths: [{paths}]}}\n{IN_HEADER}\nexcept: [{{paths: [{excepted}]}}]")


def test_very_many_rules_for_the_same_are_not_all_compared() -> None:
    """The first hundred that check alike and match the same request are, and one that they cover is found."""
    rules = [f"id: r{number}\n{MATCH}, listen: [{8000 + number}]}}\n{IN_HEADER}" for number in range(150)]

    assert redundant(*rules, f"id: same\n{MATCH}, listen: [8000]}}\n{IN_HEADER}") == [
        "`same` adds nothing: `r0` (line 5)"
    ]
    assert redundant(*rules, f"id: same\n{MATCH}, listen: [8149]}}\n{IN_HEADER}") == []


def test_an_issuer_that_keeps_its_tokens_from_one_without_iss_is_used() -> None:
    """Without it that one would read them."""
    issuers = "corp: {claims: {member: o}}, other: {iss: https://other}"
    policy = f"version: 1\nissuers: {{{issuers}}}\nrules: [{{id: a, match: {{hosts: [a]}}, token: {{issuer: corp}}}}]"
    assert "unused_issuer" not in [finding.code for finding in lint(load_policy([PolicyText("p", policy.encode())]))]


def test_rules_that_split_an_org_differently_are_no_repetition() -> None:
    """What the one takes for an org, the other takes for two."""
    match = "match: {hosts: [a], paths: ['/{o}']}"
    orgs = {"a": "{path: o}", "b": "{path: o, split: ','}"}
    rules = ", ".join(f"{{id: {name}, {match}, org: {org}}}" for name, org in orgs.items())
    policy = f"version: 1\nissuers: {{corp: {{claims: {{member: o}}}}}}\nrules: [{rules}]"
    assert "redundant_rule" not in [finding.code for finding in lint(load_policy([PolicyText("p", policy.encode())]))]


def test_what_comes_from_elsewhere_is_not_suggested() -> None:
    """It may be a secret."""
    text = "version: 1\norgs: {acme: {id: '${ID}'}}\nissuers: {corp: {claims: {member: o}}}\n"
    text += "rules: [{id: a, match: {hosts: [a]}, org: {value: hunter3}}]"
    policy = load_policy([PolicyText("p", text.encode())], Outside({"ID": "hunter2"}))
    assert "hunter2" not in str(lint(policy))


def test_exact_names_are_pointed_out() -> None:
    """Where it stands, whoever reads the policy should know what it lets pass."""
    exact = "match: {hosts: [api.example.com], names: exact}"
    (passing,) = warned(load(f"id: a\n{exact}\norg: {{query: org_id}}"))
    assert passing == (
        "exact_names 0.yaml:6:46 `names: exact`: other spellings of `org_id` pass `a` unjudged. "
        "Keep it only where the API takes them for other things"
    )
    assert codes(f"id: a\n{exact}\n{IN_HEADER}\ntoken: {{from: [{{cookie: sid}}]}}") == ["exact_names"]
    (idle,) = warned(load(f"id: a\n{exact}\n{IN_HEADER}"))
    assert idle == (
        "exact_names 0.yaml:6:46 `names: exact`: `a` reads no query parameter, form field, cookie or JSON member. "
        "Remove it"
    )
