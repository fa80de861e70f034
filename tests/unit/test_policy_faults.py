"""What a policy's author is told of each mistake: the place, the value, the fix."""

import pytest
from tests.guarding import load

from orgfence.core.policy.faults import MAX_FAULTS, Fault, Faults, Place, PolicyError, Source
from orgfence.core.policy.wording import visible

CORP = "corp: {iss: https://login.example.com, claims: {member: org_ids, scopes: scope}}"


def issuer(*lines: str) -> str:
    """Return a policy with one issuer, which says this."""
    return "\n    ".join(("version: 1\nissuers:\n  corp:", *lines)) + "\n"


def rule(
    *lines: str,
    rule_id: str = "a",
    match: str = 'match: {hosts: [api.example.com], paths: ["/orgs/{org}/**"]}',
    org: str = "org: {path: org}",
    issuers: str = CORP,
) -> str:
    """Return a policy with one rule, which says this."""
    keys = [line for line in (f"id: {rule_id}", match, org, *lines) if line]
    return f"version: 1\nissuers:\n  {issuers}\nrules:\n  - " + "\n    ".join(keys) + "\n"


def faults_of(policy: str) -> PolicyError:
    with pytest.raises(PolicyError) as caught:
        load(policy)
    return caught.value


@pytest.mark.parametrize(
    ("policy", "place", "message"),
    [
        ("version: 1\nrules: []\nrules: []\n", "3:1", "`rules` is here twice, first on line 2. Keep one of them"),
        ("version: 1\nissuers: &all {}\n", "2:10", "anchors are not taken. Remove `&all`, and write out each value"),
        ("version: 1\nissuers: *all\n", "2:10", "aliases are not taken. Write out what `*all` stands for, or quote it"),
        ("version: 1\n<<: {rules: []}\n", "2:1", "merge keys (`<<`) are not taken. Write out what they stand for"),
        (
            "version: !!int 1\n",
            "1:10",
            "tags such as `tag:yaml.org,2002:int` are not taken. Remove it, and quote what is text",
        ),
        ("version: 1\n? [rules]\n: []\n", "2:3", "a key must be a single word. Quote it if it begins with `{` or `[`"),
        ("version: 1\n---\nversion: 1\n", "2:1", "a second document begins here. Keep one document in a file"),
        ("version: 1\nrules:\n\t- id: a\n", "3:1", "tabs cannot indent. Use spaces"),
        ("version: 1\nrules: [a\n", "2:8", "this `[` is never closed. Close it"),
        (
            "version: 1\nrules: {a: b]\n",
            "2:13",
            "expected `,` or the end of this list. Quote values that hold `{`, `[`, `,` or a quote",
        ),
        ('version: "1\n', "1:10", "this quote is never closed. Close it"),
        ('version: "\\q"\n', "1:11", "a `\\` that means nothing in double quotes. Use single quotes, or `\\\\`"),
        ("version: 1\nissuers:\n  corp: {iss: @x}\n", "3:15", "a value cannot begin with `@`. Quote it"),
        (
            rule(match="match: {hosts: [*.example.com]}", org=""),
            "6:21",
            'a value cannot begin with `*`. Quote it, as in `"*.example.com"`',
        ),
        (
            rule(match="match: {hosts: [{tenant}.example.com]}", org=""),
            "6:29",
            "expected `,` or the end of this list. Quote values that hold `{`, `[`, `,` or a quote",
        ),
        (
            "version: 1\nenforcement: block: all\n",
            "2:19",
            "`:` cannot stand here. Quote the value, or mend the indentation",
        ),
        (
            "version: 1\n  enforcement: block\n",
            "2:14",
            "`:` cannot stand here. Quote the value, or mend the indentation",
        ),
        (
            "version: 1\nrules:\n  - id: a\n   match: b\n",
            "4:4",
            "this line does not fit what stands above. Mend the indentation of either",
        ),
        ("version: 1\nenforcement\n", "2:1", "a key without a value. Write `: ` and a value behind it"),
        ("version: 1\nrules: - a\n", "2:8", "a list item cannot begin here. Put it on a line of its own"),
        ("- id: a\n", "1:1", "a policy is keys and values. Begin with `version: 1`"),
        ("version: 1\nenforcement: 'bl\x07ock'\n", "2:17", "a character that cannot be seen (U+0007). Remove it"),
        ("version: 1\nenforcement: block # \u202e\n", "2:22", "a character that cannot be seen (U+202E). Remove it"),
        ("[" * 40, "1:33", "nested more than 32 levels deep. A policy needs ten at most"),
        ("enforcement: block\n", "1:1", "a policy without `version`. Begin with `version: 1`"),
        ("version: 2\n", "1:10", "unknown version `2`. Write `version: 1`"),
        ('version: "1"\n', "1:10", "`1` in quotes is text. Write the number without quotes"),
        ("version: one\n", "1:10", "`one` is no whole number. Write it in digits"),
        ("version: 1\nenforcment: block\n", "2:1", "unknown key `enforcment`. Did you mean `enforcement`?"),
        (
            "version: 1\nfoo: 1\n",
            "2:1",
            (
                "unknown key `foo`. A policy takes `version`, `enforcement`, `undetermined`, `unmatched`, `orgs`, "
                "`issuers`, `rules`, "
                "`disclose`, `annotate_request`, `log_repeat`, `body_limit` and `held_bodies_limit`"
            ),
        ),
        ("version: 1\nenforcement: blok\n", "2:14", "unknown enforcement `blok`. Use `block`, `annotate` or `observe`"),
        ("version: 1\nenforcement: off\n", "2:14", "unknown enforcement `off`. Use `block`, `annotate` or `observe`"),
        ("version: 1\nenforcement:\n", "2:13", "no value. Write one, or remove the key"),
        ("version: 1\nunmatched: annotate\n", "2:12", "unknown `unmatched` value `annotate`. Use `observe` or `block`"),
        (
            "version: 1\nundetermined: allow\n",
            "2:15",
            "unknown enforcement `allow`. Use `block`, `annotate` or `observe`",
        ),
        ("version: 1\nbody_limit: 1MB\n", "2:13", "`1MB` is no size. Write one such as `64KiB` or `1MiB`"),
        ("version: 1\nbody_limit: 65MiB\n", "2:1", "no limit to work with. Write one from `1B` to `64MiB`"),
        (
            "version: 1\nheld_bodies_limit: 1023KiB\n",
            "2:1",
            "less than `body_limit`, so that no body of that size could be read",
        ),
        ("version: 1\nbody_limit: 0B\n", "2:1", "no limit to work with. Write one from `1B` to `64MiB`"),
        (
            "version: 1\nlog_repeat: 60\n",
            "2:13",
            "`60` is no duration. Write one such as `500ms`, `30s`, `2m` or `1h`",
        ),
        ("version: 1\ndisclose: none\n", "2:11", "unknown `disclose` value `none`. Use `all` or `reason`"),
        (
            "version: 1\nannotate_request: no\n",
            "2:19",
            "`no` is neither `true` nor `false`. Write one of them",
        ),
        ('version: 1\nannotate_request: "no"\n', "2:19", "`no` is neither `true` nor `false`. Write one of them"),
        (
            'version: 1\nannotate_request: "true"\n',
            "2:19",
            "`true` in quotes is text. Write it without quotes",
        ),
        (
            "version: 1\nissuers: [corp]\n",
            "2:10",
            "names belong here, each with keys and values of its own. Write `name: {…}` for each",
        ),
        ("version: 1\nrules: {a: {}}\n", "2:8", "a list belongs here. Write `[…]`, or each item after a `-`"),
        ("version: 1\nrules: a\n", "2:8", "a list belongs here. Write `[a]`"),
        (
            "version: 1\nrules: [a]\n",
            "2:9",
            (
                "keys and values belong here. A rule takes `id`, `match`, `except`, `org`, `token`, `pass_without`, "
                "`agree`, `undetermined`, `enforcement` and `examples`"
            ),
        ),
        ("version: 1\norgs:\n  no: {id: norway}\n", "3:3", '`no` is not text unless it is quoted. Quote it: `"no"`'),
        ("version: 1\norgs:\n  acme: {}\n", "3:9", "an org without `id`. Add it"),
        ("version: 1\norgs:\n  acme: {id: 010}\n", "3:14", '`010` is not text unless it is quoted. Quote it: `"010"`'),
        (
            "version: 1\norgs:\n  acme: {id: 12:30:45}\n",
            "3:14",
            '`12:30:45` is not text unless it is quoted. Quote it: `"12:30:45"`',
        ),
        (
            "version: 1\norgs:\n  acme: {id: 2001-01-01}\n",
            "3:14",
            '`2001-01-01` is not text unless it is quoted. Quote it: `"2001-01-01"`',
        ),
        ("version: 1\norgs:\n  acme: {id: ~}\n", "3:14", '`~` is not text unless it is quoted. Quote it: `"~"`'),
        ("version: 1\norgs:\n  acme: {id: 1e3}\n", "3:14", '`1e3` is not text unless it is quoted. Quote it: `"1e3"`'),
        ("version: 1\norgs:\n  acme: {id: [a]}\n", "3:14", "a list, where one value belongs. Write that value alone"),
        (
            "version: 1\norgs:\n  acme: {id: {a: b}}\n",
            "3:14",
            "keys and values, where text belongs. Quote it if `{` is part of the text",
        ),
        (
            "version: 1\norgs:\n  acme: {id: '${ACME}'}\n",
            "3:14",
            "`ACME` is not in the environment. Set it, or write `${ACME:-default}`",
        ),
        (
            "version: 1\norgs:\n  acme: {id: {file: /run/acme}}\n",
            "3:14",
            "no files can be read here",
        ),
        ('version: 1\norgs:\n  acme: {id: ""}\n', "3:14", "no value. Write one, or remove the key"),
        (
            'version: 1\norgs:\n  acme: {id: "a\\tb"}\n',
            "3:14",
            "a line break, tab or another character that does not print. Write the value without it",
        ),
        (
            "version: 1\norgs:\n  acme: {id: " + "x" * 1001 + "}\n",
            "3:14",
            "1001 characters, more than the 1000 of any value here. Write a shorter one",
        ),
        ("version: 1\norgs:\n  other: {id: a}\n", "3:3", "metrics say `other` for orgs without a name. Choose another"),
        (
            "version: 1\norgs:\n  acme: {id: a, aliases: [b]}\n  bcme: {id: b}\n",
            "4:14",
            "`b` stands for the org `acme` (line 3) already. Let each word stand for one org",
        ),
        (
            "version: 1\norgs:\n  acme: {id: a}\n  bcme: {id: c, aliases: [acme]}\n",
            "4:27",
            "`acme` stands for the org `acme` (line 3) already. Let each word stand for one org",
        ),
        (
            (
                "version: 1\norgs:\n  acme: {id: 8B1F0C1E-2D5E-4A58-9A51-0C7D9A1F2E01}\n"
                "  bcme: {id: 8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01}\n"
            ),
            "4:14",
            (
                "`8b1f0c1e-2d5e-4a58-9a51-0c7d9a1f2e01` stands for the org `acme` (line 3) already. "
                "Let each word stand for one org"
            ),
        ),
        (
            "version: 1\norgs:\n  acme: {id: a, aliases: []}\n",
            "3:26",
            "an empty list. Write at least one item, or leave out `aliases`",
        ),
        ("version: 1\norgs:\n  acme: {id: a, aliases: b}\n", "3:26", "a list belongs here. Write `[b]`"),
        (
            issuer("preset: generik"),
            "4:13",
            "unknown preset `generik`. Did you mean `generic`? There are `generic` and `genesys-cloud`",
        ),
        (
            issuer("preset: '${PRESET}'"),
            "4:13",
            "`PRESET` is not in the environment. Set it, or write `${PRESET:-default}`",
        ),
        (issuer("preset: [generic]"), "4:13", "a list, where one value belongs. Write that value alone"),
        # What a preset says stands where the policy names it.
        (
            issuer("preset: generic"),
            "3:3",
            "`oauth` of `corp` does not say where. Add `hosts: [login.example.com]` to it",
        ),
        (
            issuer("preset: genesys-cloud", "hosts: []"),
            "5:12",
            "an empty list. Write at least one item, or leave out `hosts`",
        ),
        (
            issuer("preset: genesys-cloud", "oauth: {flags: {target: x}}"),
            "5:21",
            "`target` is the `org_parameter` already. Keep one of them",
        ),
        (
            issuer("oauth: {token: [/t]}"),
            "3:3",
            "`oauth` of `corp` does not say where. Add `hosts: [login.example.com]` to it",
        ),
        (
            issuer("oauth: {hosts: [https://login.example.com]}"),
            "4:21",
            "`https://login.example.com` is a URL. Write only its host: `login.example.com`",
        ),
        (
            issuer("oauth: {hosts: [preset:generic]}"),
            "4:21",
            "`preset:generic` stands for hosts in a rule. Write out the hosts that are meant",
        ),
        (
            issuer("oauth: {hosts: [a], token: [token]}"),
            "4:33",
            "path `token` does not start with `/`. Write `/token`",
        ),
        (issuer("oauth: {hosts: [a], authorise: [/a]}"), "4:25", "unknown key `authorise`. Did you mean `authorize`?"),
        (
            issuer("oauth: {hosts: [a], scopes: [a b]}"),
            "4:34",
            "`a b` is more than one scope. Make each a list item of its own",
        ),
        (
            issuer("oauth: {hosts: [a], clients: {app: [acme]}}"),
            "4:40",
            "a list, where one value belongs. Write that value alone",
        ),
        (
            issuer("oauth: {hosts: [a], flags: {multi_org: true}}"),
            "4:44",
            '`true` is not text unless it is quoted. Quote it: `"true"`',
        ),
        (
            issuer("oauth: {hosts: [a], block_responses: 1}"),
            "4:42",
            "`1` is neither `true` nor `false`. Write one of them",
        ),
        (issuer("hosts: [https://a]"), "4:13", "`https://a` is a URL. Write only its host: `a`"),
        (
            issuer("other_party: [/a]"),
            "4:19",
            "`/a` does not say where the other org stands. Write `{org}` there, or name its parameter by `query`",
        ),
        (issuer("other_party: [a]"), "4:19", "path `a` does not start with `/`. Write `/a`"),
        (issuer("other_party: [{query: a}]"), "4:19", "an item of `other_party` without `path`. Add it"),
        (issuer("other_party: /a"), "4:18", 'a list belongs here. Write `["/a"]`'),
        (issuer("errors: {content_type: a/b}"), "4:13", "`errors` without `body`. Add it"),
        (issuer("errors: {body: sorry}"), "4:20", "keys and values belong here, as the API answers. Write `{…}`"),
        (
            issuer('errors: {body: {a: [1, {b: "x {detial}"}]}}'),
            "4:32",
            "`{detial}` stands for nothing. Did you mean `detail`?",
        ),
        (
            issuer('errors: {body: {a: "{xyzzy}"}}'),
            "4:24",
            ("`{xyzzy}` stands for nothing. Use `title`, `detail`, `reason`, `status`, `rule`, `id` or `advice`"),
        ),
        (
            issuer("errors: {body: {}, content_type: json}"),
            "4:38",
            "`json` is no media type. Write one such as `application/json`",
        ),
        (issuer("lookup: {active: /a}"), "4:13", "`lookup` without `url`. Add it"),
        (
            issuer("lookup: {url: api.example.com, active: /a}"),
            "4:19",
            "`api.example.com` is no URL. Begin with `https://`",
        ),
        (
            issuer("hosts: [a]", 'lookup: {url: "https://{hosts}/", active: /a}'),
            "5:19",
            "no host and no `iss` of this issuer captures `{hosts}`. Did you mean `host`?",
        ),
        (
            issuer('hosts: ["{tenant}.test"]', 'iss: "https://{realm}"', 'lookup: {url: "https://{x}/", active: /a}'),
            "6:19",
            ("no host and no `iss` of this issuer captures `{x}`. Use `{host}`, `{realm}` or `{tenant}`"),
        ),
        (
            issuer('lookup: {url: "https://{host}/", active: /a}'),
            "4:19",
            "`{host}` is one of the issuer's `hosts`, and it has none. Add them",
        ),
        (
            issuer('lookup: {url: "https://{host", active: /a}'),
            "4:19",
            "`https://{host` has a brace without its partner. Write a capture as `{name}`",
        ),
        (
            issuer("lookup: {url: https://a, scopes: /a}"),
            "4:19",
            "`lookup` does not say where the answer names the org. Add `active` or `member`",
        ),
        (
            issuer("lookup: {url: https://a, active: /a, timeout: 1m}"),
            "4:19",
            "`timeout` is no time to wait. Write one up to `15s`",
        ),
        (
            issuer("lookup: {url: https://a, active: /a~}"),
            "4:38",
            "bad escape in `/a~`. Write `~0` for `~` and `~1` for `/` inside a name",
        ),
        (issuer("lookup: {url: https://a, method: PUT}"), "4:38", "unknown method `PUT`. Use `GET` or `POST`"),
        (issuer("verify: {jwks: https://x}"), "4:5", "`verify` is not supported yet. Remove it"),
        (
            issuer('iss: "https://kc/realms/{realm"'),
            "4:10",
            "`https://kc/realms/{realm` has a brace without its partner. Write a capture as `{name}`",
        ),
        (
            issuer("iss: [https://a, https://a]"),
            "4:22",
            "`https://a` is covered by what stands before it. Remove one of the two",
        ),
        (
            issuer('iss: ["https://a/{realm}", https://a/b]'),
            "4:32",
            "`https://a/b` is covered by what stands before it. Remove one of the two",
        ),
        (
            "version: 1\nissuers:\n  a: {iss: https://kc/b}\n  b: {iss: 'https://kc/{realm}'}\n",
            "4:12",
            (
                "a token can fit both this `iss` and one of the issuer `a` (line 3). "
                "Write them so that none fits both, or make the two one issuer"
            ),
        ),
        (
            "version: 1\nissuers:\n  a: {iss: 'https://{x}.test/b'}\n  b: {iss: 'https://kc.{x}/b'}\n",
            "4:12",
            (
                "a token can fit both this `iss` and one of the issuer `a` (line 3). "
                "Write them so that none fits both, or make the two one issuer"
            ),
        ),
        (issuer("claims: {member: org_ids, activ: x}"), "4:31", "unknown key `activ`. Did you mean `active`?"),
        (
            issuer("claims: {member: {claim: a, jose: b}}"),
            "4:22",
            "a selector with `claim` and `jose` at once. Keep one of them",
        ),
        (issuer("claims: {member: [{clam: a}]}"), "4:24", "unknown key `clam`. Did you mean `claim`?"),
        (issuer("claims: {member: {split: ','}}"), "4:22", "a selector without `claim`, `jose` or `opaque`. Add one"),
        (issuer("claims: {member: {jose: a, split: ','}}"), "4:39", "`split` goes with `claim` only. Remove it"),
        (
            issuer('claims: {member: {opaque: "{org}!**", template: "{org}"}}'),
            "4:53",
            "`opaque` is a template itself. Remove `template`",
        ),
        (
            issuer('claims: {member: {claim: iss, template: "https://x/{tenant}"}}'),
            "4:45",
            "`https://x/{tenant}` does not say where the org stands. Write `{org}` there",
        ),
        (
            issuer('claims: {member: {claim: iss, template: "https://x/{org"}}'),
            "4:45",
            "`https://x/{org` has a brace without its partner. Write a capture as `{name}`",
        ),
        (
            issuer("claims: {member: /a/~b}"),
            "4:22",
            "bad escape in `/a/~b`. Write `~0` for `~` and `~1` for `/` inside a name",
        ),
        (issuer("claims: {member: []}"), "4:22", "an empty list. Write at least one item, or leave out `member`"),
        (issuer("leeway: 30"), "4:13", "`30` is no duration. Write one such as `500ms`, `30s`, `2m` or `1h`"),
        (issuer("ids: sales"), "4:10", "unknown `ids` value `sales`. Use `salesforce`"),
        (
            "version: 1\nissuers:\n  my corp: {}\n",
            "3:3",
            "`my corp` is no issuer name. Use letters, digits and `-_.`, 64 at most",
        ),
        (
            "version: 1\nissuers:\n  a: {iss: https://x}\n  b: {iss: https://x}\n",
            "4:12",
            "the issuer `a` (line 3) has this `iss` already. Make the two one issuer",
        ),
        (
            "version: 1\nrules:\n  - id: a\n    match: {hosts: [a]}\n",
            "3:9",
            "rules, and no issuer to read their tokens by. Add `issuers`",
        ),
        (rule(rule_id="my rule"), "5:9", "`my rule` is no rule id. Use letters, digits and `-_./`, 64 at most"),
        (rule(rule_id="oauth/corp"), "5:9", "ids that begin with `oauth/` are for OAuth decisions. Choose another"),
        (
            rule() + "  - {id: a, match: {hosts: [b]}}\n",
            "8:10",
            "the rule on line 5 has the id `a` already. Choose another",
        ),
        ("version: 1\nissuers: {corp: {}}\nrules:\n  - match: {hosts: [a]}\n", "4:5", "a rule without `id`. Add it"),
        (rule(match=""), "5:5", "a rule without `match`. Add it"),
        (rule(match="match: {paths: [/a]}", org=""), "6:12", "`match` without `hosts`. Add it"),
        (rule(match="match: {hosts: []}", org=""), "6:20", "an empty list. Write at least one item"),
        (
            rule(match="match: {hosts: api.example.com}", org=""),
            "6:20",
            'a list belongs here. Write `["api.example.com"]`',
        ),
        (
            rule(match="match: {hosts: [a, 'preset:genesis-cloud']}", org=""),
            "6:24",
            ("unknown preset `genesis-cloud`. Did you mean `genesys-cloud`? There are `generic` and `genesys-cloud`"),
        ),
        (
            rule(match="match: {hosts: [preset:generic]}", org=""),
            "6:21",
            (
                "the preset `generic` names no hosts. Write `hosts: [api.example.com]` into an issuer with "
                "`preset: generic`, or the hosts here"
            ),
        ),
        (
            rule(match="match: {hosts: [https://api.example.com/]}", org=""),
            "6:21",
            "`https://api.example.com/` is a URL. Write only its host: `api.example.com`",
        ),
        (
            rule(match="match: {hosts: [a], paths: [orgs]}", org=""),
            "6:33",
            "path `orgs` does not start with `/`. Write `/orgs`",
        ),
        (rule(match="match: {hosts: [a], methods: [get]}", org=""), "6:35", "methods are in upper case. Write `GET`"),
        (
            rule(match="match: {hosts: [a], methods: ['*']}", org=""),
            "6:35",
            "`*` is no method. Leave out `methods` for every method",
        ),
        (
            rule(match="match: {hosts: [a], methods: [G T]}", org=""),
            "6:35",
            "`G T` is no method. Write one such as `GET`",
        ),
        (
            rule(match="match: {hosts: [a], methods: []}", org=""),
            "6:34",
            "an empty list. Write at least one item, or leave out `methods`",
        ),
        (rule(match="match: {hosts: [a], listen: [0]}", org=""), "6:34", "`0` is no port. Use one from `1` to `65535`"),
        (rule(match="match: {hosts: [a], listen: 8080}", org=""), "6:33", "a list belongs here. Write `[8080]`"),
        (
            rule(match="match: {hosts: [a], listen: ['8080']}", org=""),
            "6:34",
            "`8080` in quotes is text. Write the number without quotes",
        ),
        (
            rule(match="match: {hosts: [a], ignore_case: yes}", org=""),
            "6:38",
            "`yes` is neither `true` nor `false`. Write one of them",
        ),
        (
            rule("except: [{claims: {}}]"),
            "8:14",
            "`claims` names no claim, and would except every token. Name one, as in `{role: [admin]}`",
        ),
        (
            rule("except: [{claims: role}]"),
            "8:23",
            "names belong here, each with a value or several. Write `name: value` or `name: [value, …]` for each",
        ),
        (
            rule("except: [{claims: {/a~x: [admin]}}]"),
            "8:24",
            "bad escape in `/a~x`. Write `~0` for `~` and `~1` for `/` inside a name",
        ),
        (rule("except: [{claims: {role: []}}]"), "8:30", "an empty list. Write at least one item"),
        (rule("except: [{claims: {role: [yes]}}]"), "8:31", '`yes` is not text unless it is quoted. Quote it: `"yes"`'),
        (
            rule("except: [{claims: {'${ROLE}': [admin]}}]"),
            "8:24",
            "`${ROLE}` stands for a value, not for a name. Write the name itself",
        ),
        (rule("except: [{}]"), "8:14", "an exception without `paths` or `claims`. Add one"),
        (rule("except: [{paths: [me]}]"), "8:23", "path `me` does not start with `/`. Write `/me`"),
        (rule(org="org: {path: org_id}"), "7:17", "no path of this rule captures `{org_id}`. Did you mean `org`?"),
        (
            rule(org="org: {path: tenant}", match="match: {hosts: [a]}"),
            "7:17",
            "no path of this rule captures `{tenant}`. Write it into one, as in `/orgs/{tenant}/**`",
        ),
        (
            rule(org="org: {host: tenant}"),
            "7:17",
            "no host of this rule captures `{tenant}`. Write it into one, as in `{tenant}.example.com`",
        ),
        (rule(org="org: {header: X Org}"), "7:19", "`X Org` is no header name. Use letters, digits and `-`"),
        (
            rule(org="org: {header: authorization}"),
            "7:19",
            "`authorization` holds this rule's credential. Name what holds the org",
        ),
        (
            rule(org="org: {header: Cookie}"),
            "7:19",
            "`Cookie` holds a secret. Name the header that holds the org",
        ),
        (
            rule(org="org: {header: Host}"),
            "7:19",
            "`Host` is a host like any other. Write `{host: name}`, and `{name}` in `hosts`",
        ),
        (rule(org="org: {body: org/id}"), "7:17", "`org/id` is no JSON Pointer. Write `/org/id`"),
        (
            rule(org="org: {body: /a~}"),
            "7:17",
            "bad escape in `/a~`. Write `~0` for `~` and `~1` for `/` inside a name",
        ),
        (rule(org="org: {cookie: 'a b'}"), "7:19", "`a b` is no cookie name. Use letters, digits and `-`"),
        (rule(org="org: {query: o, strip: true}"), "7:18", "`strip` goes with `header` only. Remove it"),
        (
            rule(org="org: {value: acme, split: ','}"),
            "7:31",
            "`split` goes with what a request holds, not with `value`. Remove it",
        ),
        (
            rule("token: {from: [{form: org}]}", org="org: {form: org}"),
            "7:17",
            "`org` holds this rule's credential. Name what holds the org",
        ),
        (rule(org="org: {header: X-Org, strip: on}"), "7:33", "`on` is neither `true` nor `false`. Write one of them"),
        (
            rule(org="org: {path: org, value: acme}"),
            "7:10",
            "an org source with `path` and `value` at once. Keep one of them",
        ),
        (rule(org="org: []"), "7:10", "an empty list. Write at least one item, or leave out `org`"),
        (
            rule(org="org: {}"),
            "7:10",
            (
                "an org source without `path`, `header`, `query`, `host`, `cookie`, `body`, `form`, `value` or "
                "`client`. Add one"
            ),
        ),
        (rule(org="org: {client: yes}"), "7:19", "unknown `client` value `yes`. Use `true`"),
        (
            rule(org="org: {client: true}"),
            "7:19",
            (
                "no issuer of this rule says which org a client is for. "
                "Add `oauth: {clients: {my-client-id: acme}}` to one"
            ),
        ),
        (rule(org="org: {value: ''}"), "7:18", "no value. Write one, or remove the key"),
        (rule("token: {issuer: crop}"), "8:21", "unknown issuer `crop`. Did you mean `corp`?"),
        (rule("token: {issuer: nobody}"), "8:21", "unknown issuer `nobody`. Add it under `issuers`"),
        (
            rule("token: {coverage: active}"),
            "8:23",
            "no issuer of this rule has `active` claims. Add them, or leave out `coverage`",
        ),
        (rule("token: {coverage: both}"), "8:23", "unknown coverage `both`. Use `active` or `member`"),
        (
            rule("token: {unauthenticated: 401}"),
            "8:30",
            "unknown enforcement `401`. Use `block`, `annotate` or `observe`",
        ),
        (rule("token: {scopes: [a b]}"), "8:22", "`a b` is more than one scope. Make each a list item of its own"),
        (rule("token: {from: [{form: t, scheme: x}]}"), "8:38", "`scheme` goes with `header` only. Remove it"),
        (
            rule("token: {from: [{query: token, scheme: Bearer}]}"),
            "8:43",
            "`scheme` goes with `header` only. Remove it",
        ),
        (
            rule("token: {from: [{header: X-Api-Token}, {header: x_api_token}]}"),
            "8:52",
            "`x_api_token` is listed twice. Keep one of them",
        ),
        (
            rule("token: {from: [{header: X-Org}]}", org="org: {header: x-org}"),
            "7:19",
            "`x-org` holds this rule's credential. Name what holds the org",
        ),
        (
            rule("token: {from: [{header: Authorization, scheme: Bearer token}]}"),
            "8:52",
            "`Bearer token` is no scheme. Use letters, digits and `-`",
        ),
        (rule("token: {from: {query: token}}"), "8:19", "a list belongs here. Write `[…]`, or each item after a `-`"),
        (
            rule("pass_without: [tokens]"),
            "8:20",
            "unknown `pass_without` value `tokens`. Use `token`, `org` or `claim`",
        ),
        (
            rule("pass_without: [claim]", org=""),
            "7:20",
            "`claim` says nothing in a rule without `org`. Add `org`, or remove it",
        ),
        (
            rule("token: {coverage: member}", org=""),
            "7:23",
            "`coverage` says nothing in a rule without `org`. Add `org`, or remove it",
        ),
        (rule("agree: 1"), "8:12", "`1` is neither `true` nor `false`. Write one of them"),
        (rule("examples: []"), "8:15", "an empty list. Write at least one item, or leave out `examples`"),
        (
            rule("examples: [{request: GET https://api.example.com/, verdict: deny}]"),
            "8:65",
            "unknown verdict `deny`. Use `allow`, `mismatch` or `undetermined`",
        ),
        (rule("examples: [{verdict: allow}]"), "8:16", "an example without `request`. Add it"),
        (
            rule("examples: [{request: GET https://api.example.com/, verdict: allow, token: acme}]"),
            "8:79",
            "claims and their values belong here. Write `{…}`, which may be empty",
        ),
        (rule("enforcment: block"), "8:5", "unknown key `enforcment`. Did you mean `enforcement`?"),
        (
            rule(issuers="corp: {claims: {scopes: scope}}"),
            "7:17",
            (
                "no issuer of this rule has `member` or `active` claims, so no org is ever granted. "
                "Add them under `claims`"
            ),
        ),
        (
            rule("token: {scopes: [a]}", issuers="corp: {claims: {member: orgs}}"),
            "8:22",
            "no issuer of this rule has `scopes` claims, so no scope is ever granted. Add them under `claims`",
        ),
        (
            rule(issuers="one: {claims: {member: a}}\n  two: {claims: {member: b}}"),
            "6:9",
            (
                "a token may be of `one` or `two`, which all lack `iss`. "
                "Name the one that is meant: `token: {issuer: one}`"
            ),
        ),
    ],
)
def test_each_mistake_is_told_with_place_value_and_fix(policy: str, place: str, message: str) -> None:
    """One mistake gives one message: file, line and column, what is wrong, what to do, and the line with a caret."""
    line, column = map(int, place.split(":"))
    source = policy.splitlines()[line - 1][:110]
    expected = f"policy.yaml:{place}: {message}\n    {visible(source)}\n    {' ' * (column - 1)}^"
    assert str(faults_of(policy)) == expected


@pytest.mark.parametrize(
    ("policy", "place", "key"),
    [
        *((issuer(f"{key}: x"), "4:5", key) for key in ("verify", "introspect", "enforcement")),
        (rule("examples: [{request: x, verdict: allow, granted: x}]"), "8:45", "granted"),
    ],
)
def test_a_key_that_is_not_built_yet_is_never_accepted_and_ignored(policy: str, place: str, key: str) -> None:
    """What the language has and this version does not is told apart from what nobody knows."""
    first = str(faults_of(policy)).splitlines()[0]
    assert first == f"policy.yaml:{place}: `{key}` is not supported yet. Remove it"


def test_a_fault_shows_its_line_with_a_caret_below() -> None:
    """The message reads like a compiler's, so that editors and people find the place."""
    policy = "version: 1\nrules:\n  - id: a\n    match: {hosts: [a]}\n    enforcement: blok\n"
    fault = faults_of(policy).faults[-1]
    assert (fault.place.line, fault.place.column) == (5, 18)
    assert str(fault) == (
        "policy.yaml:5:18: unknown enforcement `blok`. Use `block`, `annotate` or `observe`\n"
        "        enforcement: blok\n"
        "                     ^"
    )


@pytest.mark.parametrize(
    ("line", "column", "shown"),
    [
        ("", 1, "f:1:1: m"),
        ("\tx: y", 5, "f:1:5: m\n    \tx: y\n    \t   ^"),
        ("x: \x1b[31m", 1, "f:1:1: m\n    x: ?[31m\n    ^"),
        ("x" * 300, 200, "f:1:200: m\n    " + "x" * 110 + "\n    " + " " * 59 + "^"),
        ("x" * 300, 110, "f:1:110: m\n    " + "x" * 110 + "\n    " + " " * 109 + "^"),
    ],
)
def test_any_line_can_be_shown(line: str, column: int, shown: str) -> None:
    """Long lines are cut around the place, tabs keep the caret in its column, and nothing steers the terminal."""
    assert str(Fault(Place(Source("f", [line]), 1, column), "m", line)) == shown


@pytest.mark.parametrize(
    "line",
    [
        "introspect: {url: https://x, client_secret: hunter2}",
        'introspect: {client_secret: "hunter2, hunter2"}',
        '"client_secret" : hunter2',
        "PASSWORD: hunter2",
    ],
)
def test_a_secret_is_never_shown(line: str) -> None:
    """Messages end in logs; a literal secret stays out of them even where its line has a fault."""
    error = faults_of(f"version: 1\nissuers:\n  corp: {{}}\nwrong: {{}} \n{line}\n")
    assert [fault.place.line for fault in error.faults] == [4, 5]
    assert "hunter2" not in str(error)
    assert "hunter2" not in repr(error)


def test_a_value_in_a_message_is_short_and_harmless() -> None:
    """A key of a thousand characters or with an escape sequence in it does not flood or steer the terminal."""
    error = faults_of("version: 1\n" + "k" * 1000 + ': 1\n"\\e[31m": 1\n')
    assert f"unknown key `{'k' * 59}…`. " in str(error)
    assert "unknown key `?[31m`. " in str(error)


def test_all_faults_are_told_at_once_in_the_order_of_the_file() -> None:
    """YAML, keys, values, names, templates: whatever is wrong anywhere is in the first message."""
    policy = """
enforcment: block
version: 1
version: 1
orgs:
  no: {id: norway}
  acme: {id: a}
  bcme: {id: a}
issuers:
  corp: {iss: https://login.example.com, claims: {member: "/~x"}}
  other: {verify: none}
rules:
  - id: a
    match: {hosts: [api.example.com], paths: [orgs], methods: [get]}
    org: {path: org}
    token: {issuer: corp, scopes: no}
  - id: a b
    match: {hosts: ["{x}.example.com"], paths: [orgs]}
    org: [{path: org}, {host: z}]
    token: {issuer: crop}
  - id: c
    match: {hosts: [api.example.com]}
    token: {issuer: corp}
    pass_without: [org]
"""
    assert [(tuple(fault.place)[1:], fault.message.split(".")[0]) for fault in faults_of(policy).faults] == [
        ((2, 1), "unknown key `enforcment`"),
        ((4, 1), "`version` is here twice, first on line 3"),
        ((6, 3), "`no` is not text unless it is quoted"),
        ((8, 14), "`a` stands for the org `acme` (line 7) already"),
        ((10, 59), "bad escape in `/~x`"),
        ((11, 11), "`verify` is not supported yet"),
        ((16, 35), "a list belongs here"),
        ((17, 9), "`a b` is no rule id"),
        ((18, 49), "path `orgs` does not start with `/`"),
        ((19, 31), "no host of this rule captures `{z}`"),
        ((24, 20), "`org` says nothing in a rule without `org`"),
    ]


def test_a_name_that_may_be_in_what_was_set_aside_is_not_called_unknown() -> None:
    """One mistake in an issuer is one message, however many rules name it."""
    broken = "corp: {iss: https://x, verify: none}\n  next: {iss: https://y}"
    assert len(faults_of(rule("token: {issuer: corp}", issuers=broken)).faults) == 1
    assert len(faults_of(rule(issuers="corp: {verify: none}")).faults) == 1
    assert len(faults_of(rule("token: {issuer: corp}", issuers="corp: {verify: none}")).faults) == 1


def test_what_the_yaml_reader_could_not_read_is_told_once() -> None:
    """What stands in the tree for an alias is not judged as if the author had written it."""
    error = faults_of("version: 1\nrules: *rules\nissuers: {corp: *corp}\norgs: {a: {id: !!int 010}}\n")
    assert [tuple(fault.place)[1:] for fault in error.faults] == [(2, 8), (3, 17), (4, 16)]


def test_after_a_hundred_faults_it_is_enough() -> None:
    """A file of another kind is not answered with a message longer than itself."""
    error = faults_of("version: 1\n" + "".join(f"key{number}: 1\n" for number in range(500)))
    assert len(error.faults) == MAX_FAULTS
    assert str(error).endswith("There may be more: these are the first 100 faults that were found")


def test_faults_are_collected_until_asked_for() -> None:
    """No fault raises nothing; several are raised together, in the order of their places."""
    faults, source = Faults(), Source("f", ["one", "two"])
    faults.raise_any()
    faults.add(Place(source, 2, 1), "second")
    with pytest.raises(PolicyError, match="first") as caught:
        faults.stop(Place(source, 1, 2), "first")
    assert [fault.message for fault in caught.value.faults] == ["first", "second"]
    assert faults.places == {Place(source, 1, 2), Place(source, 2, 1)}
    with pytest.raises(PolicyError):
        faults.raise_any()
