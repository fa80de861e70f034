"""What a request is about: wherever its org stands, and however its body is written."""

import json
from collections.abc import Iterable, Iterator
from itertools import product
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from tests.property import credentials, oddities, policies, reference
from tests.property.credentials import NOW
from tests.property.policies import ISS, POINTERS, compiled
from tests.property.reference_body import FORM
from tests.property.reference_request import readings_of
from tests.property.reference_token import Policy
from tests.property.strategies import Case, simple_cases
from tests.property.test_guard import in_words, inspected, nothing_known
from tests.tokens import jwt_of

from orgfence.core.reason import Reason
from orgfence.core.request import UNREAD, Authority, Body, Request

# Hundreds of examples, on a slow machine.
pytestmark = pytest.mark.timeout(600)

JSON = b"application/json"
FOUND = "acme-9"


class Sent(NamedTuple):
    """A body, and what the request says of it."""

    data: bytes | Body
    types: list[bytes]
    codings: list[bytes]


# Small, and of many ways.
@settings(max_examples=5 * settings().max_examples)
@given(simple_cases())
def test_what_is_requested_is_what_the_reference_finds(case: Case) -> None:
    """The orgs that are found anywhere in a request are those that the reference finds."""
    (file,) = case.files
    compare(file, [case.request])


@pytest.mark.parametrize("pointer", POINTERS)
def test_every_odd_document_is_read_as_the_reference_reads_it(pointer: str) -> None:
    """Every value that an org may have, every edit of the document, every end, encoding and type."""
    plain, *others = documents(pointer)
    bodies = [Sent(text.encode("utf-8", "replace"), [JSON], []) for text in others]
    for text, encoding in product(oddities.finished(plain, FOUND), oddities.ENCODINGS):
        bodies.append(Sent(text.encode(encoding), [JSON], []))
    for types, encoding in product([*oddities.JSON_TYPES, *oddities.ODD_TYPES, [FORM]], oddities.ENCODINGS):
        bodies += [Sent(text.encode(encoding, "replace"), types, []) for text in (plain, documents(pointer)[1])]
    compare(policy_of({"body": pointer}), map(posted, bodies))


def test_every_odd_form_is_read_as_the_reference_reads_it() -> None:
    """Every value, every field beside it, every frame and type."""
    bodies = [
        Sent(data, types, [])
        for value, field, separator in product([FOUND, *oddities.FORM_VALUES], oddities.FIELDS, "&;")
        for data in (f"org={value}{separator}{field}".encode(), f"{field}{separator}org={value}".encode())
        for types in ([FORM], [FORM + b"; charset=us-ascii"])
    ]
    for data, types in product(oddities.framed(b"org=acme-9"), [*oddities.FORM_TYPES, *oddities.ODD_TYPES]):
        bodies.append(Sent(data, types, []))
    compare(policy_of({"form": "org"}), map(posted, bodies))


def test_a_body_that_may_be_either_is_read_as_the_reference_reads_it() -> None:
    """A rule that reads its org from JSON or from a form takes each for what it is, whatever it says of itself."""
    forms = [b"org=acme-9", b"", b"[", b"{", b"org=1&x={}", b'{"org": 1}&org=acme-9', b'"&org=acme-9&"', b"1", b"\xff"]
    documents_of_both = [text.encode("utf-8", "replace") for text in documents("/org")]
    types = [*oddities.FORM_TYPES, *oddities.JSON_TYPES, *oddities.ODD_TYPES]
    bodies = [Sent(data, each, []) for data in (*forms, *documents_of_both[:20]) for each in types]
    bodies += [Sent(text.encode(), [FORM], []) for text in oddities.finished(documents("/org")[0], FOUND)]
    compare(policy_of({"body": "/org"}, {"form": "org"}), map(posted, bodies))


@pytest.mark.parametrize("limit", ["1MiB", "300B", "299B"])
@pytest.mark.parametrize("source", [{"body": "/org"}, {"form": "org"}])
def test_every_coding_is_undone_as_the_reference_undoes_it(source: Policy, limit: str) -> None:
    """One coding or two, whole, doubled and damaged, under right and wrong names, within the limit and beyond it."""
    data, types = b'{"org": "acme-9"}'.ljust(300), [JSON]
    if "form" in source:
        data, types = b"org=acme-9&x=".ljust(300, b"y"), [FORM]
    bodies = [Sent(UNREAD, types, []), *(Sent(coded, types, codings) for coded, codings in coded_bodies(data))]
    compare(policy_of(source) | {"body_limit": limit}, map(posted, bodies))


def coded_bodies(data: bytes) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield a body under content codings, and what is said of them."""
    for name in oddities.CODINGS:
        for coded in oddities.coded(data, name):
            yield coded, [name.encode()]
        for damaged in oddities.damaged(oddities.coded(data, name)[0]):
            yield damaged, [name.upper().encode() + b" ,"]
        yield data, [name.encode()]
        for outer in oddities.CODINGS:
            for first in oddities.coded(data, name):
                twice = oddities.coded(first, outer)[0]
                yield from ((twice, [b", ".join(names)]) for names in _orders(name, outer))
                yield twice, _orders(name, outer)[0]
    for names in ([b"zstd"], [b""], [b"identity"] * 4, [b"identity"] * 5, [b"gzip, , identity"]):
        yield data, names
        yield oddities.coded(data, "gzip")[0], names


def _orders(name: str, outer: str) -> list[list[bytes]]:
    return [[name.encode(), outer.encode()], [outer.encode(), name.encode()]]


SPLIT: list[Policy] = [{}, {"split": ","}, {"split": " "}, {"split": "::"}]
VALUES = ["acme", "", " acme , globex ", "acme,,acme", "acme globex  x", ",", "acme::globex ::", '"acme"', "globex-1"]


@pytest.mark.parametrize("split", SPLIT)
@pytest.mark.parametrize("agree", [False, True])
def test_every_field_is_read_as_the_reference_reads_it(split: Policy, agree: bool) -> None:
    """Headers, cookies and parameters with every value, named by `Connection` or not, alone or two of them."""
    for source in ({"header": "X-Org"}, {"header": "X-Org", "strip": True}, {"cookie": "org"}, {"query": "org"}):
        policy = policy_of(source | split, {"header": "X-Other"})
        policy["rules"][0]["agree"] = agree
        requests = []
        for one, two, connection in product(VALUES, [None, *VALUES[:3]], ["close", "x_org", "te, Cookie", "X-Other"]):
            named = [one.encode()] + ([] if two is None else [two.encode()])
            fields = [(b"connection", connection.encode()), *((b"X-Org", value) for value in named)]
            fields.append((b"Cookie", b"; ".join(b"org=" + value for value in named)))
            request = posted(Sent(b"", [], []))
            query = "&".join(f"org={value.decode()}" for value in named).replace(" ", "+").encode()
            requests.append(request._replace(headers=(*request.headers, *fields), target=b"/?" + query))
        compare(policy, requests)


BLANKS = [b"; ", b" ", b",", b"\t", b"\x0b", b"\x1f", b"\xa0", b";\xc2\xa0", b"\0", b" ; ", b"\r\n "]


@pytest.mark.parametrize("more", [{}, {"pass_without": ["org"]}, {"agree": True}, {"names": "exact"}])
def test_every_odd_name_is_read_as_the_reference_reads_it(more: Policy) -> None:
    """In a query, a form and cookies, beside the plain one and alone, granted and not."""
    values = [b"nobody", b"globex"]
    for kind in ("query", "form", "cookie"):
        policy = policy_of({kind: "org_id"})
        (rule,) = policy["rules"]
        rule |= {key: value for key, value in more.items() if key != "names"}
        rule["match"] |= {key: value for key, value in more.items() if key == "names"}
        requests = []
        for name, one, other in product(oddities.odd_names("org_id"), [None, values[0]], values):
            separators = (BLANKS if not more else BLANKS[:2]) if kind == "cookie" else [b"&"]
            for between in separators:
                pieces = [b"x=y"] + ([] if one is None else [b"org_id=" + one]) + [name + b"=" + other]
                text = between.join(pieces)
                request = posted(Sent(text if kind == "form" else b"", [FORM] if kind == "form" else [], []))
                if kind == "query":
                    request = request._replace(target=b"/?" + text)
                elif kind == "cookie":
                    request = request._replace(headers=(*request.headers, (b"Cookie", text)))
                requests.append(request)
        compare(policy, requests)


@pytest.mark.parametrize("exact", [False, True])
def test_every_odd_name_of_a_credential_is_read_as_the_reference_reads_it(exact: bool) -> None:
    """Beside the plain one and alone; also where the rule looks in two places."""
    (_, bearer), *_ = posted(Sent(b"", [], [])).headers
    token = bearer.removeprefix(b"Bearer ")
    for places in ([{"query": "sid_x"}], [{"cookie": "sid_x"}], [{"query": "sid_x"}, {"query": "sidx"}]):
        policy = policy_of({"value": "nobody"})
        (rule,) = policy["rules"]
        rule["token"] = {"from": places}
        rule["match"] |= {"names": "exact"} if exact else {}
        requests = []
        for name, one, other in product(oddities.odd_names("sid_x"), [None, b"", token], [b"", token, b"opaque"]):
            pieces = ([] if one is None else [b"sid_x=" + one]) + [name + b"=" + other]
            request = posted(Sent(b"", [], []))._replace(headers=((b"Cookie", b"; ".join(pieces)),))
            requests.append(request._replace(target=b"/?" + b"&".join(pieces)))
        compare(policy, requests)


@pytest.mark.parametrize("order", [1, -1])
def test_of_several_faults_the_reason_is_that_of_the_reference(order: int) -> None:
    """A field that may not arrive, a body that cannot be read, and orgs that differ or that nobody names."""
    sources: list[Policy] = [{"header": "X-Org"}, {"body": "/org"}, {"cookie": "org"}]
    policy = policy_of(*sources[::order])
    policy["rules"][0] |= {"agree": True, "undetermined": "block", "pass_without": ["org"]}
    fields = [(), ((b"X-Org", b"acme"),), ((b"X-Org", b"acme"), (b"Cookie", b"org=globex"))]
    data: list[bytes | Body] = [b"", b"{", b'{"org": "acme"}', b'{"org": true}', UNREAD]
    requests = []
    for body, more, named in product(data, fields, [b"te", b"X-Org", b"cookie, X-Org"]):
        request = posted(Sent(body, [JSON], []))
        requests.append(request._replace(headers=(*request.headers, *more, (b"Connection", named))))
    compare(policy, requests)


def test_every_trait_excepts_as_the_reference_says() -> None:
    """Each claim that rules make exceptions by, with each of its values, against each claim that tokens have."""
    written = [{claim: values} for claim, listing in policies.TRAITS.items() for values in listing]
    for one, other in product(written, repeat=2):
        policy = policy_of({"value": "acme"})
        policy["rules"][0]["except"] = [{"claims": one | other}]
        compare(policy, [posted(Sent(b"", [], []), claims) for claims in credentials.TRAITS])


def documents(pointer: str) -> list[str]:
    """Return documents with every value and every edit, the plainest first."""
    steps = pointer.split("/")[1:]
    return [
        text
        for value, is_list, is_ascii in product(oddities.org_values(FOUND), (True, False), (False, True))
        for text in oddities.edited(
            json.dumps(oddities.nested({"name": "x"}, steps, value, is_list), ensure_ascii=is_ascii), FOUND
        )
    ]


def policy_of(*sources: Policy) -> Policy:
    """Return a policy whose one rule reads its org there."""
    return {
        "version": 1,
        "issuers": {"corp": {"iss": ISS["corp"], "claims": {"member": "org"}}},
        "rules": [{"id": "r0", "match": {"hosts": ["api.example.com"]}, "org": list(sources)}],
    }


def posted(body: Sent, claims: Policy | None = None) -> Request:
    """Return a request with such a body, and a token of a strange org."""
    return Request(
        method=b"POST",
        scheme=b"https",
        authorities=(Authority(b"api.example.com", 443),),
        listen_port=8080,
        target=b"/",
        headers=(
            (b"Authorization", b"Bearer " + jwt_of({"iss": ISS["corp"], "org": "nobody"} | (claims or {}))),
            *((b"Content-Type", value) for value in body.types),
            *((b"Content-Encoding", value) for value in body.codings),
        ),
        body=body.data,
    )


def compare(file: Policy, requests: Iterable[Request]) -> None:
    """Hold what the engine finds in requests, and says of them, to what the reference does."""
    ruleset, policy = compiled(file), reference.as_one([file])
    (rule,) = policy["rules"]
    for request in requests:
        inspection = inspected(request, ruleset, nothing_known())
        assert in_words(inspection) == reference.judge(policy, request, NOW), request
        (decision,) = inspection.decisions
        if decision.reason is Reason.ORG_NOT_GRANTED:
            plain, _ = readings_of(rule, request)
            (answer,) = reference.answers(policy, rule, request, plain, NOW)
            assert set(decision.requested) == answer.requested, request
