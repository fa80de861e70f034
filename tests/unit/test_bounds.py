"""No request makes the guard work for long: what is read, matched, judged and told of one is bounded."""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest
from tests.guarding import NOW, bearer, inspected, request_of, ruleset_of, said

from orgfence.core import decide
from orgfence.core.catalogue import explain
from orgfence.core.decision import Inspection
from orgfence.core.guard import inspect
from orgfence.core.json_members import MAX_VALUES
from orgfence.core.known import Known
from orgfence.core.oauth.ledger import GrantLedger
from orgfence.core.reason import Reason
from orgfence.core.request import MAX_READ_BYTES, Request, scan_headers
from orgfence.core.routing import readings
from orgfence.core.routing.matching import MAX_OTHER_MATCHES, MAX_PATH, MAX_UNREAD_MATCHES
from orgfence.core.routing.readings import MAX_WORK, EncodedSlash, Work, other_readings
from orgfence.core.ruleset import Ruleset
from orgfence.core.showing.redactor import MAX_VALUE
from orgfence.core.tokens.cache import TokenCache

RIGHT = bearer({"org_ids": ["acme"]})
ALL_PATHS = "match: {hosts: [api.example.com], paths: ['/q/**']}, org: {header: X-Org}"
TANGLED = b"/q/a%3bb/c%2fd/e\\f/..//x"


def many(count: int, rule: str = ALL_PATHS) -> Ruleset:
    """Return a policy of many rules that are for the same requests."""
    return ruleset_of(*[rule] * count)


def matched(ruleset: Ruleset, request: Request) -> int:
    """Return how many matches there are to judge."""
    fields = scan_headers(request.headers, ruleset.wanted_headers)
    return len(ruleset.matching(request, fields, ruleset.hosts_of(request, fields)))


def test_all_paths_of_a_request_are_read_within_one_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of them would be affordable, and together they are not."""
    work, long = Work(), b"/a%2Fb/" + b"x" * 6000
    found = [other_readings(long, EncodedSlash.BOTH, work) for _ in range(5)]
    assert found[0]
    assert found[-1] is None
    assert other_readings(long)

    rule = 'match: {hosts: [api.example.com], paths: ["/**"]}, org: {header: X-Org}'
    override = (b"X-Original-URL", long)
    fields = (RIGHT, (b"X-Org", b"acme"))
    assert said(ruleset_of(rule), request_of(long, *fields, override)) == "forwarded: org_granted"
    assert said(ruleset_of(rule), request_of(long, *fields, *[override] * 4)) == "blocked: path_ambiguous"
    assert said(ruleset_of(rule), request_of(b"/", *fields, (override[0], b"/" * 40_000))) == "blocked: path_ambiguous"

    states: list[bytes] = []

    def longer(path: bytes, query: bytes, _: object) -> list[tuple[bytes, bytes]]:
        states.append(path)
        return [(path + b"/", query)]

    monkeypatch.setattr(readings, "_steps", longer)
    assert other_readings(b"/" + b"%25" * 2000) is None
    assert len(states) * 8000 <= MAX_WORK


def test_a_path_longer_than_any_is_ambiguous() -> None:
    """Even if all servers read it alike; a query may be as long as it likes."""
    ruleset, fields = many(1), (RIGHT, (b"X-Org", b"acme"))
    longest = b"/q/" + b"x" * (MAX_PATH - 3)
    for target, expected in (
        (longest, "forwarded: org_granted"),
        (longest + b"?" + b"x" * 1_000_000, "forwarded: org_granted"),
        (longest + b"x", "blocked: path_ambiguous"),
        (b"/" + b"a/" * 500_000 + b"?x", "blocked: path_ambiguous"),
    ):
        assert said(ruleset, request_of(target, *fields)) == expected


def test_readings_times_rules_are_bounded() -> None:
    """Hundreds of rules for one path, in many readings, are more than are judged; in few readings they are."""
    ruleset, fields = many(300), (RIGHT, (b"X-Org", b"acme"))
    for target, expected in (
        (b"/q/x", "forwarded: org_granted"),
        (b"/q/x;y=1", "forwarded: org_granted"),
        (TANGLED, "blocked: path_ambiguous"),
    ):
        request = request_of(target, *fields)
        assert said(ruleset, request) == expected
        assert {decision.reason for decision in inspected(ruleset, request).decisions} == {Reason(expected.split()[1])}
        assert matched(ruleset, request) <= 300 + MAX_OTHER_MATCHES
    assert said(many(8), request_of(TANGLED, *fields)) == "forwarded: org_granted"


def test_of_hundreds_of_rules_that_cannot_be_judged_the_strictest_decide() -> None:
    """Whichever place it has among them, and under whichever name of the host."""
    loose = f"{ALL_PATHS}, enforcement: observe"
    any_name = ALL_PATHS.replace("api.example.com", "'*.example.com'")
    for place, strict in product((0, MAX_UNREAD_MATCHES), (ALL_PATHS, any_name)):
        rules = [loose] * MAX_UNREAD_MATCHES
        rules.insert(place, strict)
        inspection = inspected(ruleset_of(*rules), request_of(b"/q/" + b"%2f;" * 3000, RIGHT))
        assert inspection.deciding is not None
        assert inspection.deciding.rule is not None
        assert inspection.deciding.rule.id == f"rule-{place}"
        assert inspection.action == "blocked"


def test_what_many_rules_ask_is_found_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The credential and the grant: a client decides how long these take."""
    asked: list[str] = []

    def counted(name: str, found: Callable[..., Any]) -> Callable[..., Any]:
        def find(*given: object, **named: object) -> Any:
            asked.append(name)
            return found(*given, **named)

        return find

    for name in ("find_credential", "token_by_grant"):
        monkeypatch.setattr(decide, name, counted(name, getattr(decide, name)))
    org = (b"X-Org", b"acme")
    assert said(many(50), request_of(b"/q/;x", RIGHT, org)) == "forwarded: org_granted"
    assert asked == ["find_credential"]

    asked.clear()
    opaque = request_of(b"/q/x", (b"Authorization", b"Bearer opaque"), org)
    inspection = inspect(opaque, many(50), Known(TokenCache(), GrantLedger()), NOW)
    assert isinstance(inspection, Inspection)
    assert {decision.reason for decision in inspection.decisions} == {Reason.TOKEN_OPAQUE}
    assert asked == ["find_credential", "token_by_grant"]


def test_orgs_by_separators_are_bounded() -> None:
    """A field may have room for thousands."""
    ruleset = many(1, "org: {header: X-Org, split: ','}")
    assert said(ruleset, request_of(b"/", RIGHT, (b"X-Org", b",".join([b"acme"] * MAX_VALUES)))) == (
        "forwarded: org_granted"
    )
    for fields in ([b",".join([b"acme"] * (MAX_VALUES + 1))], [b"acme," * (MAX_VALUES - 1), b"acme"]):
        request = request_of(b"/", RIGHT, *((b"X-Org", value) for value in fields))
        assert said(ruleset, request) == "blocked: org_ambiguous"


def test_fields_that_are_read_have_a_size_that_servers_take() -> None:
    """What no rule reads may be larger."""
    ruleset = many(1)
    rest = MAX_READ_BYTES - len(b"acme")
    for name, size, expected in (
        (b"Cookie", rest, "forwarded: org_granted"),
        (b"Cookie", rest + 1, "blocked: credential_ambiguous"),
        (b"X-Forwarded-Host", rest + 1, "blocked: credential_ambiguous"),
        (b"X-Other", 1_000_000, "forwarded: org_granted"),
    ):
        assert said(ruleset, request_of(b"/q/", RIGHT, (b"X-Org", b"acme"), (name, b"x" * size))) == expected


def test_names_of_the_host_are_bounded() -> None:
    """Hundreds of rules would be judged under each; past the bound each is ambiguous, once."""
    ruleset = many(30, "match: {hosts: ['{tenant}.t.example.com']}, org: {header: X-Org}")
    for count, expected in ((3, "forwarded: org_granted"), (4, "blocked: credential_ambiguous")):
        others = b",".join(b"a%d.t.example.com" % number for number in range(count))
        fields = (RIGHT, (b"X-Org", b"acme"), (b"X-Forwarded-Host", others))
        request = request_of(b"/", *fields, hosts=(b"acme.t.example.com",))
        assert said(ruleset, request) == expected
        assert len(inspected(ruleset, request).decisions) == 30


def test_an_answer_lists_no_thousands_of_orgs() -> None:
    """A token may name them, and a request: they are counted, and each is cut where no id is that long."""
    ruleset = many(1, "org: {header: X-Org, split: ','}")
    orgs = [f"o{number:03}" for number in range(900)]
    request = request_of(
        b"/", bearer({"org_ids": orgs}), (b"X-Org", ",".join(["x" * 200 + " y" * 200, *orgs]).encode())
    )
    deciding = inspected(ruleset, request).deciding
    assert deciding is not None
    told = explain(deciding, ruleset.orgs)
    assert max(map(len, told.requested_orgs)) == MAX_VALUE
    assert told.requested_orgs[255:] == ("o254", "and 645 more")
    assert told.granted_orgs[255:] == ("o255", "and 644 more")
