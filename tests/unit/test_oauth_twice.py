"""What an exchange says twice, or by another name than the standard's: servers differ in which of it they read."""

from base64 import b64encode
from urllib.parse import urlencode

import pytest
from tests.exchanges import ACME, GLOBEX, OAUTH, SignIns, advice, exchange_of, token, told
from tests.guarding import NOW, request_of
from tests.tokens import jwt_of

from orgfence.core.decision import Decision
from orgfence.core.oauth.exchange import AuthorizeRequest, Redirect, TokenRequest
from orgfence.core.reason import Reason, Verdict

FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
JSON = (b"Content-Type", b"application/json")
PINNED = "org_parameter: org_id, clients: {pinned: acme, second: globex}"
MACHINE = b"grant_type=client_credentials"
FLAGS = f"{OAUTH}, flags: {{multi_org: 'true'}}"
API = "{id: orgs, match: {hosts: [api.example.com], paths: ['/orgs/{org}/**']}, org: {path: org}}"


def basic(text: bytes) -> tuple[bytes, bytes]:
    return b"Authorization", b"Basic " + b64encode(text)


def post(sign_ins: SignIns, body: bytes, *headers: tuple[bytes, bytes], path: bytes = b"/oauth/token") -> Decision:
    """Send a token request as it stands."""
    fields = headers if any(name == b"Content-Type" for name, _ in headers) else (FORM, *headers)
    return sign_ins.judge(request_of(path, *fields, method=b"POST", hosts=(b"login.test",), body=body))


@pytest.mark.parametrize(
    ("body", "headers", "path"),
    [
        (b"client_id=other&client_id=pinned", (), b""),
        (b"client_id=pinned&client_id=other", (), b""),
        (b"client_id=other", (basic(b"pinned:x"),), b""),
        (b"client_id=other", (basic(b"pinned:p\xe4ss"),), b""),
        (b"client_id=other", ((b"Authorization", b"Basic\tcGlubmVkOng="),), b""),
        (b"client_id=other", (basic(b"pinned \0:x"),), b""),
        (b"client_id=other", (basic(b"pinned%20:x"),), b""),
        (b"client_id=other", (), b"?client_id=pinned%00"),
        (b"client_id=other", (), b"?client_id=pinned"),
        (b"", (basic(b"other:x"), basic(b"pinned:x")), b""),
        (b"client_id=other&CLIENT_ID=pinned", (), b""),
        (b"client_id=other&Client%5FId=pinned", (), b""),
        (b"client_id=other&client.id=pinned", (), b""),
        (b"client_id=other&client+id=pinned", (), b""),
        (b"client_id=other&client[id=pinned", (), b""),
        (b"client_id=other&client_id[]=pinned", (), b""),
        (b"client_id=other&client_id%5B0%5D=pinned", (), b""),
        (b"client_id=other&client_id[a]=pinned", (), b""),
        (b"client_id=other&clientId=pinned", (), b""),
        (b"client_id=other&client%u005fid=pinned", (), b""),
        (b"client_id=other&client_id%00x=pinned", (), b""),
        (b"client_id=other&+client_id=pinned", (), b""),
        (b"client_id=other&client%255Fid=pinned", (), b""),
        (b"client_id=other&client_id%255B0%255D=pinned", (), b""),
        (b"client_id=other&%EF%BD%83lient_id=pinned", (), b""),
        (b"client_id=other&client_id%C2%A0=pinned", (), b""),
        (b"client_id=other;client_id=pinned", (), b""),
        (b'{"client_id": "other", "client_id": "pinned"}', (JSON,), b""),
        (b'{"client_id": "other", "Client_ID": "pinned"}', (JSON,), b""),
        (b'{"client_id": "other", "clientId": "pinned"}', (JSON,), b""),
        (b'{"client_id": ["other", "pinned"]}', (JSON,), b""),
        (b'{"client_id": {"a": "other", "b": ["pinned"]}}', (JSON,), b""),
    ],
)
def test_a_client_that_is_named_twice_is_checked_against_each(
    body: bytes, headers: tuple[tuple[bytes, bytes], ...], path: bytes
) -> None:
    """The request is ambiguous, and what is issued must be for the org of whichever client is of one org."""
    sign_ins = SignIns(PINNED)
    asked = post(sign_ins, body, *headers, path=b"/oauth/token" + (path or b"?") + b"&" + MACHINE)
    assert told(asked) == ["credential_ambiguous"]
    assert told(sign_ins.answer(asked, {"access_token": token(org_ids=[GLOBEX])})) == ["issued_org_missing"]
    assert told(sign_ins.answer(asked, {"access_token": token(org_ids=[ACME])})) == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"client_id=a%3Ab&client_id=a%3Ab", (basic(b"a%3Ab:x"),)),
        (b"client_id=a%253Ab", (basic(b"a%3Ab:x"),)),
        (b"client_id=app&client_assertion=" + jwt_of({"sub": "system:sa", "iss": "https://kubernetes"}), ()),
    ],
)
def test_one_client_may_say_who_it_is_in_two_ways(body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """Encoded for `Basic` or not (RFC 6749 section 2.3.1); by an assertion of another system (workload identity)."""
    assert told(post(SignIns(PINNED), body + b"&" + MACHINE, *headers)) == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"client_id=app&client_assertion=" + jwt_of({"sub": "pinned"}), ()),
        (b"client_id=app&client_assertion=" + jwt_of({"sub": "x", "iss": "pinned"}), ()),
        (b"", (basic(b"pinned:x"),)),
        (b"", ((b"Authorization", b"Basic " + b64encode(b"pinned:xy").rstrip(b"=")),)),
        (b"client_id=pin%6eed", ()),
        (b"CLIENT_ID=pinned", ()),
    ],
)
def test_whoever_may_be_the_client_says_for_which_org(body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    """By an assertion that names it (RFC 7523), by what only lenient readers of base64 take, by another spelling."""
    sign_ins = SignIns(PINNED)
    asked = post(sign_ins, body + b"&" + MACHINE, *headers)
    assert told(sign_ins.answer(asked, {"access_token": token(org_ids=[GLOBEX])})) == ["issued_org_missing"]


def test_a_client_of_one_org_may_be_known_by_its_basic_name_as_it_stands() -> None:
    """Not every client encodes it, and not every server decodes it."""
    sign_ins = SignIns("clients: {'a%20b': acme}")
    asked = post(sign_ins, MACHINE, basic(b"a%20b:x"))
    assert exchange_of(asked).request.client == "a b"
    assert told(sign_ins.answer(asked, {"access_token": token(org_ids=[GLOBEX])})) == ["issued_org_missing"]


def test_a_grant_by_assertion_is_its_issuers() -> None:
    """Salesforce and others know the client by the assertion's `iss` (RFC 7523 section 3)."""
    sign_ins = SignIns(PINNED)
    form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": token(iss="pinned", sub="user")}
    asked = post(sign_ins, urlencode(form).encode())
    assert told(asked) == []
    assert told(sign_ins.answer(asked, {"access_token": token(org_ids=[GLOBEX])})) == ["issued_org_missing"]
    assert told(post(sign_ins, b"assertion=" + token(iss="pinned").encode())) == []


def test_clients_of_two_orgs_cannot_be_one() -> None:
    """Whoever of them asks, the other's org is not meant."""
    sign_ins = SignIns(PINNED)
    asked = post(sign_ins, b"client_id=pinned&client_assertion=" + jwt_of({"sub": "second"}) + b"&" + MACHINE)
    assert told(asked) == ["credential_ambiguous"]
    assert told(sign_ins.answer(asked, {"access_token": token(org_ids=[ACME])})) == ["issued_org_missing"]


def test_a_client_that_is_named_by_no_client_is_unknown() -> None:
    """A name that is too long, and what says nothing."""
    for body in (b"client_id=" + b"x" * 256, b"client_id=", b"client_id[]"):
        asked = post(SignIns(PINNED), body + b"&" + MACHINE)
        assert (told(asked), exchange_of(asked).request.client) == ([], None)


@pytest.mark.parametrize("body", [b"org_id=acme&org_id=globex", b"org_id=acme&ORG_ID=globex", b"org_id=acme&org_id="])
def test_an_opaque_token_of_a_request_for_two_orgs_is_for_nobody_knows_which(body: bytes) -> None:
    """The request names more than one org, and the token cannot be read."""
    sign_ins = SignIns(rules=API)
    asked = post(sign_ins, body + b"&client_id=app&" + MACHINE)
    assert told(asked) == ([] if body == b"org_id=acme&org_id=globex" else ["org_ambiguous"])
    sign_ins.answer(asked, {"access_token": "opaque"})
    for org in ("acme", "globex"):
        assert sign_ins.call("opaque", f"/orgs/{org}/x".encode()).reason is Reason.TOKEN_OPAQUE
    both = {"access_token": token(org_ids=[ACME])}
    assert told(sign_ins.answer(asked, both)) == (["issued_org_missing"] if b"globex" in body else [])


def test_an_org_that_is_named_twice_alike_is_one() -> None:
    """By its name and by its id."""
    sign_ins = SignIns(rules=API)
    asked = post(sign_ins, f"org_id=acme&org_id={ACME}&client_id=app&".encode() + MACHINE)
    assert told(asked) == []
    sign_ins.answer(asked, {"access_token": "opaque"})
    assert sign_ins.call("opaque", b"/orgs/acme/x").reason is Reason.ORG_GRANTED


@pytest.mark.parametrize(
    "scope", [b"scope=&scope=read", b"scope=read&scope=", b"SCOPE=read", b"scope[]=read", b"scope=read&Scope="]
)
def test_a_refresh_may_be_bare_to_some(scope: bytes) -> None:
    """Where only some servers find a scope in it, the others strip what it does not repeat."""
    sign_ins = SignIns(f"{OAUTH}, refresh_needs_scope: true")
    refresh = b"client_id=app&grant_type=refresh_token&refresh_token=rt&"
    assert told(post(sign_ins, refresh + scope)) == ["refresh_scope_missing"]
    assert told(post(sign_ins, refresh + b"scope=read&scope=write")) == []


def test_every_grant_type_counts() -> None:
    """A request that is a refresh to some is judged as one."""
    sign_ins = SignIns(f"{OAUTH}, refresh_needs_scope: true")
    for body in (b"grant_type=authorization_code&grant_type=refresh_token", b"grant_type=x&Grant_Type=refresh_token"):
        asked = post(sign_ins, body + b"&refresh_token=rt&client_id=app")
        assert told(asked) == ["refresh_scope_missing"]


@pytest.mark.parametrize(
    "grants",
    [b"refresh_token=rt&refresh_token=x", b"refresh_token=x&refresh_token=rt", b"refresh_token=x&REFRESH_TOKEN=rt"],
)
def test_every_refresh_token_counts(grants: bytes) -> None:
    """A grant for another org is found whichever of them is read; of the answer no grant is learnt."""
    sign_ins = SignIns(rules=API)
    sign_ins.sign_in(f"org_id={ACME}", org_ids=[ACME])
    asked = post(sign_ins, b"client_id=app&grant_type=refresh_token&org_id=globex&" + grants)
    assert told(asked) == ["grant_lacks_org"]
    sign_ins.answer(asked, {"access_token": "opaque"})
    assert sign_ins.call("opaque", b"/orgs/globex/x").reason is Reason.TOKEN_OPAQUE
    code = post(
        sign_ins, f"client_id=app&grant_type=authorization_code&code=org_id%3D{ACME}&code=y&org_id=globex".encode()
    )
    assert told(code) == ["grant_lacks_org"]


def test_more_ways_to_read_it_than_are_judged() -> None:
    """Are ambiguous, and none of them passes."""
    body = MACHINE + b"".join(b"&client_id=c%d&grant_type=g%d&code=%d" % (n, n, n) for n in range(10))
    assert told(post(SignIns(PINNED), body)) == ["credential_ambiguous"]


@pytest.mark.parametrize(
    "query",
    [
        "multi_org=true&multi_org=false",
        "multi_org=false&multi_org=true",
        "multi_org=true&MULTI_ORG=false",
        "multi_org=true&multi_org[]=0",
        "multi_org=true&multiOrg=",
        "MULTI_ORG=true",
        "multi_org[]=true",
        "multi.org=true",
    ],
)
def test_a_flag_is_what_every_server_reads(query: str) -> None:
    """Both ways at once is not set, nor what only some servers take for it; the corrected URL has it once."""
    decision = SignIns(FLAGS).authorize(f"client_id=app&org_id=acme&{query}")
    assert told(decision) == ["authorize_flag_missing"]
    (opened,) = [step for step in advice(decision) if step.startswith("Open ")]
    assert opened.endswith("?client_id=app&org_id=acme&multi_org=true")
    assert told(SignIns(FLAGS).authorize("client_id=app&org_id=acme&multi_org=true&multi_org=true")) == []


def test_a_flag_that_may_be_repeated() -> None:
    """RFC 8707 lets `resource` stand several times, RFC 8693 `audience`."""
    sign_ins = SignIns(f"{OAUTH}, flags: {{resource: 'https://a', audience: api}}")
    query = "client_id=app&org_id=acme&resource=https://a&resource=https://b&audience=x&audience=api"
    assert told(sign_ins.authorize(query)) == []
    assert told(sign_ins.authorize(query.replace("=api", "=y"))) == ["authorize_flag_missing"]


@pytest.mark.parametrize(
    ("query", "reasons"),
    [
        # Each is checked: what is issued must be for both.
        ("org_id=acme&org_id=globex", []),
        ("org_id=acme&org_id[]=globex", ["org_ambiguous"]),
        ("org_id=acme&Org_Id=globex", ["org_ambiguous"]),
        ("org_id=acme&org_id=acme", []),
        ("org_id=acme&org_id=", ["authorize_org_missing"]),
        ("org_id=&org_id=acme", ["authorize_org_missing"]),
        ("org_id=acme&ORG_ID=", ["authorize_org_missing"]),
        ("ORG_ID=acme", ["authorize_org_missing"]),
        ("org_id[]=acme", ["authorize_org_missing"]),
        ("org_id=acme&ORG_ID=initech", ["authorize_org_unknown"]),
        ("client_id=pinned", []),
        ("CLIENT_ID=pinned", ["authorize_org_missing"]),
        ("client_id=pinned&client_id=other", ["credential_ambiguous", "authorize_org_missing"]),
        ("client_id=pinned&client_id=second", ["credential_ambiguous"]),
        ("client_id=pinned&CLIENT_ID=other&org_id=acme", ["credential_ambiguous"]),
        ("client_id=pinned&client_id=pinned", []),
    ],
)
def test_an_authorize_request_says_one_thing(query: str, reasons: list[str]) -> None:
    """Which of two orgs or clients is meant nobody can know, and what only some servers find is missing to others."""
    assert told(SignIns(PINNED).authorize(query)) == reasons
    pushed = post(SignIns(PINNED), query.encode(), path=b"/oauth/par")
    assert told(pushed) == reasons


def test_the_sign_in_for_two_orgs_makes_no_token_good_for_both() -> None:
    """An opaque token of it is for whichever the issuer has read."""
    sign_ins = SignIns(rules=API)
    sign_ins.authorize("client_id=app&state=s&org_id=acme&org_id=globex")
    assert sign_ins.known.grants is not None
    sign_ins.known.grants.redirected("corp", Redirect("https://app.test/cb", "s", "c", None), None, 1_800_000_000.0)
    asked = sign_ins.ask(grant_type="authorization_code", code="c")
    sign_ins.answer(asked, {"access_token": "opaque"})
    assert sign_ins.call("opaque", b"/orgs/globex/x").reason is Reason.TOKEN_OPAQUE


def test_posted_parameters_count_beside_those_of_the_url() -> None:
    """A server may read either."""
    sign_ins = SignIns(FLAGS)
    decision = post(sign_ins, b"org_id=globex&multi_org=true", path=b"/oauth/authorize?org_id=acme&client_id=app")
    assert told(decision) == ["org_ambiguous"]


def request_object(**claims: object) -> str:
    return jwt_of(claims).decode()


@pytest.mark.parametrize(
    ("query", "reasons"),
    [
        (f"request={request_object(org_id='acme')}", []),
        (f"request={request_object(client_id='app')}", ["authorize_org_missing"]),
        (f"request={request_object(org_id='initech')}", ["authorize_org_unknown"]),
        (f"org_id=acme&request={request_object(org_id='globex')}", ["org_ambiguous"]),
        (f"org_id=acme&request={request_object(scope='x')}", []),
        ("request=1", ["authorize_org_missing"]),
        ("request=", ["authorize_org_missing"]),
        # It is encrypted: nobody can read it here (RFC 9101 section 4).
        ("request=a.b.c.d.e", []),
        ("request=a.b.c.d.e&org_id=initech", ["authorize_org_unknown"]),
        ("request_uri=urn:x", []),
        ("request_uri=https://app.test/r.jwt", []),
        ("request_uri=1", ["authorize_org_missing"]),
        ("REQUEST_URI=urn:x", ["authorize_org_missing"]),
        ("request_uri=urn:x&org_id=initech", ["authorize_org_unknown"]),
        ("request_uri=urn:x&org_id=acme&ORG_ID=globex", ["org_ambiguous"]),
    ],
)
def test_what_stands_beside_a_request_object_is_judged(query: str, reasons: list[str]) -> None:
    """Many issuers know no request objects and ignore them without a word; what a signed one says is read."""
    assert told(SignIns().authorize(f"client_id=app&{query}")) == reasons


def test_a_pushed_request_is_judged_whatever_it_points_to() -> None:
    """RFC 9126 section 2.1: `request_uri` must not be there, so it stands for nothing."""
    assert told(post(SignIns(), b"client_id=app&request_uri=urn:x", path=b"/oauth/par")) == ["authorize_org_missing"]


def test_too_many_parameters_are_not_read() -> None:
    """No exchange has hundreds; what it would take to read them all holds up everybody else."""
    decision = SignIns().authorize("org_id=acme&" + "a=b&" * 1001)
    assert (decision.verdict, told(decision)) == (Verdict.MISMATCH, ["org_ambiguous"])
    decision = SignIns().authorize("org_id=acme&a=" + "b" * 70_000)
    assert told(decision) == ["org_ambiguous"]
    for body, field in (
        (b"a=b&" * 1001, FORM),
        (b"{" + b",".join(b'"a%d": 1' % n for n in range(1001)) + b"}", JSON),
        (b'{"a": [' + b",".join([b"1"] * 1001) + b"]}", JSON),
    ):
        decision = post(SignIns(), body, field)
        assert (decision.verdict, told(decision)) == (Verdict.UNDETERMINED, ["body_unread"])
    decision = post(SignIns(), MACHINE, path=b"/oauth/token?" + b"a=b&" * 1001)
    assert (decision.verdict, told(decision)) == (Verdict.MISMATCH, ["org_ambiguous"])
    assert exchange_of(decision).request == TokenRequest("", None, (), None)


def test_what_json_says_is_said() -> None:
    """Truth as forms write it; nothing is nothing."""
    body = b'{"client_id": "app", "org_id": "acme", "multi_org": true, "scope": null}'
    assert told(post(SignIns(FLAGS), body, JSON, path=b"/oauth/par")) == []
    body = b'{"client_id": "app", "org_id": "acme", "multi_org": false}'
    assert told(post(SignIns(FLAGS), body, JSON, path=b"/oauth/par")) == ["authorize_flag_missing"]
    for body in (b'["client_id"]', b'"client_id"', b""):
        assert told(post(SignIns(FLAGS), body, JSON, path=b"/oauth/token")) == []


DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"


@pytest.mark.parametrize(
    "form",
    [
        {"grant_type": DEVICE, "device_code": "d", "client_id": "pinned"},
        {"grant_type": EXCHANGE, "subject_token": "s", "actor_token": "a", "client_id": "pinned"},
    ],
)
def test_grants_of_other_kinds_are_for_the_org_of_their_client(form: dict[str, str]) -> None:
    """Devices (RFC 8628) and exchanged tokens (RFC 8693); what may be repeated there is no second of anything."""
    sign_ins = SignIns(PINNED)
    repeated = "&audience=a&audience=b&resource=https://a&resource=https://b"
    asked = post(sign_ins, (urlencode(form) + repeated).encode())
    assert told(asked) == []
    assert told(sign_ins.answer(asked, {"access_token": token(org_ids=[GLOBEX])})) == ["issued_org_missing"]
    asked = post(sign_ins, (urlencode(form) + "&client_id=other").encode())
    assert told(asked) == ["credential_ambiguous"]


def test_what_is_pushed_twice_is_opened_once() -> None:
    """Each has a URI of its own, and the one that is opened is followed; both at once with one state cannot be."""
    for opened, is_known in ((["urn:2"], True), (["urn:1", "urn:2"], False)):
        sign_ins = SignIns()
        assert sign_ins.known.grants is not None
        for number, org in (("urn:1", "globex"), ("urn:2", "acme")):
            pushed = post(sign_ins, f"client_id=app&state=s&org_id={org}".encode(), path=b"/oauth/par").exchange
            assert pushed is not None
            assert isinstance(pushed.request, AuthorizeRequest)
            sign_ins.known.grants.pushed("corp", pushed.request, number, NOW)
        for uri in opened:
            sign_ins.authorize(f"client_id=app&request_uri={uri}")
        sign_ins.known.grants.redirected("corp", Redirect("https://app.test/cb", "s", "c", None), None, NOW)
        asked = sign_ins.ask(grant_type="authorization_code", code="c", org_id="globex")
        assert told(asked) == (["grant_lacks_org"] if is_known else [])


def test_values_count_as_asp_net_reads_them_too() -> None:
    """`%uXXXX` in a value."""
    asked = post(SignIns(PINNED), b"client_id=%u0070inned&" + MACHINE)
    assert exchange_of(asked).request.client is None
    assert told(asked) == ["credential_ambiguous"]
    assert told(post(SignIns(PINNED), b"x" * 1100 + b"=1&client_id=app&" + MACHINE)) == []


@pytest.mark.parametrize(
    ("name", "is_client"),
    [
        ("client_\u0131d", True),
        ("CL\u0130ENT_ID", True),
        ("[client_id]", True),
        ("client_id]", True),
        ("client-id", False),
        ("client", False),
        ("id[client_id]", False),
        ("cl\u00efent_id", False),
    ],
)
def test_which_names_are_one(name: str, is_client: bool) -> None:
    """To readers that compare by upper case the Turkish i is one; a hyphen is no underscore to any of them."""
    asked = post(SignIns(PINNED), urlencode({"client_id": "app", name: "pinned"}).encode() + b"&" + MACHINE)
    assert told(asked) == (["credential_ambiguous"] if is_client else [])


def test_a_malformed_request_object_says_nothing() -> None:
    """What only a lenient reader takes for a JWT names no org."""
    bad = jwt_of(b'{"org_id": "acme", "org_id": "globex"}').decode()
    assert told(SignIns().authorize(f"client_id=app&request={bad}")) == ["authorize_org_missing"]
    many = request_object(a=[{"b": [1] * 2000}], org_id="acme")
    assert told(SignIns().authorize(f"client_id=app&request={many}")) == []


def test_white_space_around_a_client_makes_no_other_client() -> None:
    """A form that is read from a file ends with a line feed; and a server that strips it has the pinned client."""
    sign_ins = SignIns(PINNED)
    assert told(post(sign_ins, MACHINE + b"&client_id=other\n", basic(b"other:x"))) == []
    asked = post(sign_ins, MACHINE + b"&client_id=pinned%20")
    assert told(sign_ins.answer(asked, {"access_token": token(org_ids=[GLOBEX])})) == ["issued_org_missing"]


def test_a_client_that_is_a_uuid_is_one_in_either_case() -> None:
    """Issuers whose clients have UUIDs compare them so."""
    client = "0f1e2d3c-4b5a-4678-9a0b-c1d2e3f4a5b6"
    for pinned, sent in ((client, client.upper()), (client.upper(), client)):
        sign_ins = SignIns(f"org_parameter: org_id, clients: {{{pinned}: acme}}")
        asked = post(sign_ins, MACHINE + b"&client_id=" + sent.encode(), basic(client.encode() + b":x"))
        assert told(asked) == []
        assert told(sign_ins.answer(asked, {"access_token": token(org_ids=[GLOBEX])})) == ["issued_org_missing"]
        assert told(sign_ins.authorize(f"client_id={sent}")) == []
