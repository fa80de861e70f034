"""What client libraries really send and issuers really answer: nothing is said of it where nothing is wrong."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from authlib.integrations.base_client.errors import OAuthError
from oauthlib.oauth2 import OAuth2Error
from tests.oauth import node_apps
from tests.oauth.apps import LIBRARIES, WithAuthlib, WithRequestsOAuthlib
from tests.oauth.issuer import HUGE, SAML2, TOKEN_EXCHANGE, secret_of
from tests.oauth.node_apps import Settings, needs_node
from tests.oauth.stage import REDIRECT_URI, SCOPE, Servers, Stage, authorize_query, query_of, staged
from tests.oauth.tokens import ORGS
from tests.proxy.guarding import FORWARD_H1, FORWARD_H2, MIB, Way

OPENID = f"openid offline_access {SCOPE}"
ACME = {"org_id": ORGS["acme"], "multi_org": "true"}
METHODS = ("client_secret_basic", "client_secret_post")
# The client `single` is for one org alone, so that it need not say which.
STRICT = "block_responses: true\nclients: {single.lenient: acme}"


@pytest.fixture(scope="module")
def strict(oauth_servers: Servers) -> Iterator[Stage]:
    """A proxy that would stop everything that it can complain of."""
    with staged(oauth_servers, oauth_servers.policy("block", STRICT)) as stage:
        yield stage


@pytest.fixture(scope="module")
def telling(oauth_servers: Servers) -> Iterator[Stage]:
    """A proxy that marks what it complains of."""
    with staged(oauth_servers, oauth_servers.policy("annotate", "refresh_needs_scope: true")) as stage:
        yield stage


class Silence:
    """Watches that nothing is complained of in a block of code."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def __enter__(self) -> None:
        self._before = self._seen()

    def __exit__(self, kind: object, *_: object) -> None:
        assert kind is not None or self._seen() == self._before, self._stage.findings()

    def _seen(self) -> tuple[object, ...]:
        metrics = self._stage.proxy.metrics()
        stopped = [metrics[f'orgfence_requests_total{{action="{action}"}}'] for action in ("annotated", "blocked")]
        return self._stage.faults(), stopped


@pytest.mark.parametrize("library", LIBRARIES, ids=["authlib", "requests-oauthlib"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("client", "repeats_scope", "authorize"),
    [
        ("app", True, ACME),
        ("app.lenient", False, ACME),
        ("app.lenient.gzip", False, ACME),
        ("app.chunked", True, ACME),
        ("app.opaque.gzip.chunked", True, ACME),
        ("single.lenient", False, {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_sign_in_for_one_org_is_sound(
    strict: Stage,
    monkeypatch: pytest.MonkeyPatch,
    library: type[WithAuthlib] | type[WithRequestsOAuthlib],
    method: str,
    client: str,
    repeats_scope: bool,
    authorize: dict[str, str],
) -> None:
    """Through sign-in, two refreshes with rotation and API calls, though `openid` and `offline_access` never come back.

    With a scope and without one on the refresh, client authentication by Basic and by the body, PKCE and none, plain,
    gzip'd and chunked answers, JWTs and opaque tokens.
    """
    # It raises on scopes that have changed, and these do at every issuer.
    monkeypatch.setenv("OAUTHLIB_RELAX_TOKEN_SCOPE", "1")
    with Silence(strict):
        app = library(strict, client, OPENID, method=method, pkce=method == METHODS[0])
        token = app.fetch(strict.sign_in(app.authorize_url(**authorize)))
        assert app.call(strict.users("acme")).status_code == 200
        stored = library(strict, client, OPENID if repeats_scope else None, token, method=method)
        for _ in range(2):
            stored.refresh()
            assert stored.call(strict.users("acme")).status_code == 200


@needs_node
@pytest.mark.parametrize(
    "settings",
    [
        Settings("openid-client", "app.lenient", OPENID, ACME),
        Settings("openid-client", "app.gzip", OPENID, ACME, in_body=True, repeat_scope=True),
        Settings("openid-client", "app.lenient.chunked", OPENID, ACME, par=True),
        Settings("openid-client", "single.lenient", OPENID, {}),
        Settings("simple-oauth2", "app.lenient", OPENID, ACME),
        Settings("simple-oauth2", "app.opaque", OPENID, ACME, in_body=True, repeat_scope=True),
        Settings("simple-oauth2", "app.lenient.chunked", OPENID, ACME, in_body=True, json=True),
    ],
    ids=lambda settings: f"{settings.library}-{settings.client}",
)
def test_a_sign_in_for_one_org_is_sound_by_npm(strict: Stage, settings: Settings) -> None:
    """The same by the two libraries of npm; one pushes its authorize request, another sends JSON."""
    with Silence(strict):
        assert node_apps.sign_in(strict, settings) == {"called": [200, 200, 200]}


@needs_node
@pytest.mark.parametrize("library", ["openid-client", "simple-oauth2"])
def test_what_is_stopped_is_an_error_of_the_library(strict: Stage, library: str) -> None:
    """The libraries of npm know the error for what it is, by its code, and have the advice beside it."""
    told = node_apps.sign_in(strict, Settings(library, f"{library}.stripping", SCOPE, ACME))
    assert told["name"] in {"ResponseBodyError", "Error"}
    error = told.get("payload") or told
    assert (error.get("error") or error["code"]) == "invalid_scope"
    if library == "simple-oauth2":
        assert error["reason"] == "issued_scope_reduced"
        assert error["advice"][0] == f"Send `scope={SCOPE}` with each refresh."


def form(**fields: str) -> dict[str, Any]:
    """Return what httpx is given for a form."""
    return {"data": fields}


def document(**fields: str) -> dict[str, Any]:
    """Return what httpx is given for JSON, as Auth0's clients send it."""
    return {"json": fields}


def basic(client: str) -> dict[str, str]:
    """Return the header of a client that sends its secret by Basic."""
    return {"Authorization": "Basic " + b64encode(f"{client}:{secret_of(client)}".encode()).decode()}


@pytest.mark.parametrize("written", [form, document], ids=["form", "json"])
@pytest.mark.parametrize("by_basic", [True, False], ids=["basic", "body"])
def test_every_shape_of_a_token_request_is_read(strict: Stage, written: Any, by_basic: bool) -> None:
    """Whichever way it is written, a refresh for another org is known for what it is, and a sound one passes."""
    client = f"shape-{written.__name__}-{by_basic}.lenient"
    secret = {} if by_basic else {"client_id": client, "client_secret": secret_of(client)}
    headers = basic(client) if by_basic else {}
    with strict.proxy.client(FORWARD_H1, headers=headers) as http:
        query = authorize_query(client, state=f"state-of-{client}", **ACME)
        code = query_of(strict.sign_in(f"{strict.authorize_url}?{query}"))["code"]
        with Silence(strict):
            given = {"grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT_URI, **secret}
            token = http.post("/oauth/token", **written(**given)).json()
            refresh = {"grant_type": "refresh_token", **secret}
            token = http.post("/oauth/token", **written(**refresh, refresh_token=token["refresh_token"])).json()
            token = http.post(
                "/oauth/token", **written(**refresh, refresh_token=token["refresh_token"], scope="users:read")
            ).json()
            assert token["scope"] == SCOPE
        error = http.post(
            "/oauth/token", **written(**refresh, refresh_token=token["refresh_token"], org_id=ORGS["globex"])
        )
        assert (error.status_code, error.json()["reason"]) == (400, "grant_lacks_org")
        assert (error.json()["requested_orgs"], error.json()["granted_orgs"]) == (["globex"], ["acme"])


@pytest.mark.parametrize("grant_type", ["client_credentials", SAML2, TOKEN_EXCHANGE])
def test_other_grants_are_sound(strict: Stage, grant_type: str) -> None:
    """A client that gets a token for itself, by a SAML assertion, or for another token."""
    fields = {"assertion": "PHNhbWw+", "orgName": "acme", "subject_token": "at", "scope": SCOPE}
    with Silence(strict), strict.proxy.client(FORWARD_H1, headers=basic("machine")) as http:
        answer = http.post("/oauth/token", data={"grant_type": grant_type, "org_id": ORGS["acme"], **fields})
        assert answer.status_code == 200


def test_opaque_tokens_are_judged_by_their_grant(strict: Stage) -> None:
    """API calls with a token that nobody can read here: by the org and the scopes that its exchange was for."""
    app = WithAuthlib(strict, "reads.opaque", "users:read")
    app.fetch(strict.sign_in(app.authorize_url(**ACME)))
    assert app.call(strict.users("acme")).status_code == 200
    refused = app.call(strict.users("globex"))
    assert (refused.status_code, refused.json()["reason"]) == (403, "org_not_granted")
    assert "for `acme`, scope `users:read`" in refused.json()["detail"]

    writes = WithAuthlib(strict, "writes.opaque", "users:write")
    writes.fetch(strict.sign_in(writes.authorize_url(**ACME)))
    assert writes.call(strict.users("acme")).json()["reason"] == "scope_missing"

    with strict.proxy.client(FORWARD_H1) as http:
        unseen = http.get(strict.users("acme"), headers={"Authorization": "Bearer at_never-seen-before"})
    assert unseen.json()["reason"] == "token_opaque"


@pytest.mark.parametrize("client", ["app.huge", "app.huge.chunked", "app.huge.gzip"])
def test_a_huge_token_answer_passes_unread(telling: Stage, client: str) -> None:
    """20 MiB from a token endpoint reach the client whole, at flat memory, marked as what was not read."""
    packed = "gzip" in client
    with telling.proxy.client(FORWARD_H1, headers=basic(client)) as http:
        # What the first request allocates is not what this is about.
        http.post("/oauth/token", data={"grant_type": "unheard-of"})
        telling.proxy.reset_peak()
        before = telling.proxy.memory()
        answer = http.post("/oauth/token", data={"grant_type": "client_credentials", "scope": SCOPE})
    assert len(answer.json()["padding"]) == HUGE
    assert telling.proxy.memory("VmHWM") - before <= 16 * MIB
    assert answer.headers["Orgfence"].startswith("undetermined; reason=body_unread; ")
    telling.proxy.wait_for_event(
        "inspection", lambda event: (event["reason"], event.get("step")) == ("body_unread", "token_response")
    )
    assert packed == (answer.headers.get("Content-Encoding") == "gzip")


def test_a_huge_token_request_passes_unread(telling: Stage) -> None:
    """20 MiB to a token endpoint, sized and unsized, reach the issuer at flat memory; their tokens are judged."""
    client = "app.uploads"
    fields = b"grant_type=client_credentials&scope=users:read&padding="
    with telling.proxy.client(FORWARD_H1, headers=basic(client)) as http:
        form_type = {"Content-Type": "application/x-www-form-urlencoded"}
        http.post("/oauth/token", content=fields, headers=form_type)
        telling.proxy.reset_peak()
        before = telling.proxy.memory()
        for content in (fields + bytes(HUGE).replace(b"\0", b"x"), _pieces(fields)):
            answer = http.post("/oauth/token", content=content, headers=form_type)
            assert (answer.status_code, answer.json()["scope"]) == (200, "users:read")
            assert answer.headers["Orgfence"].startswith("undetermined; reason=body_unread; ")
    assert telling.proxy.memory("VmHWM") - before <= 16 * MIB


def _pieces(first: bytes) -> Iterator[bytes]:
    yield first
    for _ in range(20):
        yield b"x" * MIB


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2], ids=str)
@pytest.mark.parametrize("client", ["app.huge", "app.huge.chunked"])
def test_a_huge_token_answer_is_replaced_where_the_policy_wants_it(strict: Stage, client: str, way: Way) -> None:
    """Under `block_responses` what cannot be read is no token for the client, and the connection goes on."""
    with strict.proxy.client(way, headers=basic(client)) as http:
        answer = http.post("/oauth/token", data={"grant_type": "client_credentials", "scope": SCOPE})
        assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/json")
        assert (answer.json()["error"], answer.json()["reason"]) == ("invalid_request", "body_unread")
        assert http.post("/oauth/token", data={"grant_type": "unheard-of"}).status_code == 400


@pytest.mark.parametrize("library", LIBRARIES, ids=["authlib", "requests-oauthlib"])
def test_an_unread_request_is_an_error_of_the_library(
    strict: Stage, library: type[WithAuthlib] | type[WithRequestsOAuthlib]
) -> None:
    """`body_unread` is undetermined and no fault of an exchange, and yet the client gets OAuth's own form of error."""
    app = library(strict, "app.unread", token={"access_token": "at", "refresh_token": "rt", "token_type": "Bearer"})
    expected: type[Exception] = OAuthError if library is WithAuthlib else OAuth2Error
    with pytest.raises(expected, match="The request is larger than `body_limit`"):
        app.refresh(padding="x" * 2 * MIB)
    assert strict.faults()["body_unread"]


def test_the_answers_of_a_token_endpoint_are_still_json(strict: Stage) -> None:
    """What the issuer itself refuses is forwarded as it came, and explained in the log."""
    with strict.proxy.client(FORWARD_H1, headers=basic("app")) as http:
        answer = http.post("/oauth/token", data={"grant_type": "authorization_code", "code": "of-nobody"})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert answer.headers["Orgfence"] == 'allow; outcome=400; rule="oauth/corp"'
    why = "The issuer has refused with `invalid_grant`. Where the code or refresh token comes from was not seen here."
    outcome = strict.proxy.wait_for_event("outcome", lambda event: event["advice"] == why)
    assert (outcome["outcome"], outcome["verdict"]) == (400, "allow")
    assert json.dumps(outcome).count("of-nobody") == 0
