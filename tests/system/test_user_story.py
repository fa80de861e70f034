"""The story that orgfence is for, played by real processes and by OAuth libraries that are not ours.

A multi-org app signs in for its first org. It asks for a refresh token for a second one and gets a 403 at the token
endpoint, or a 200 whose token carries only the first org; every later call to the second org is a 403. The app's owner
sees a correct client id and secret and full admin rights, and has no idea why.
"""

import re
from html import unescape
from typing import Any

import pytest
from authlib.integrations.base_client.errors import OAuthError
from oauthlib.oauth2 import InvalidGrantError
from tests.oauth.apps import LIBRARIES, WithAuthlib, WithRequestsOAuthlib
from tests.oauth.stage import SCOPE, Servers, Stage, query_of, staged
from tests.oauth.tokens import ORGS, claims_of

type Library = type[WithAuthlib] | type[WithRequestsOAuthlib]

by_both_libraries = pytest.mark.parametrize("library", LIBRARIES, ids=["authlib", "requests-oauthlib"])


@pytest.fixture(autouse=True)
def _takes_fewer_scopes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that goes on when scopes have changed, as its owner has no idea; else requests-oauthlib raises."""
    monkeypatch.setenv("OAUTHLIB_RELAX_TOKEN_SCOPE", "1")


def last(stage: Stage, reason: str) -> dict[str, Any]:
    """Return the log line of a finding, and that of the latest where there are several."""
    stage.proxy.wait_for_event("inspection", lambda event: event["reason"] == reason)
    return next(event for event in reversed(stage.findings()) if event["reason"] == reason)


@pytest.fixture(scope="module")
def observing(oauth_servers: Servers) -> Any:
    """The proxy that only looks on."""
    with staged(oauth_servers, oauth_servers.policy("observe")) as stage:
        yield stage


@pytest.fixture(scope="module")
def blocking(oauth_servers: Servers) -> Any:
    """The proxy that stops what is wrong."""
    with staged(oauth_servers, oauth_servers.policy("block")) as stage:
        yield stage


@by_both_libraries
def test_observe_a_useless_token(observing: Stage, library: Library) -> None:
    """Where the issuer answers 200, each fault is reported at the exchange that made it, and the app sees no change."""
    stage, name = observing, f"{library.__name__}-useless"
    before = stage.exchanges()
    app = library(stage, name)
    token = app.fetch(stage.sign_in(app.authorize_url()))
    assert app.call(stage.users("acme")).status_code == 200
    found = last(stage, "authorize_org_missing")
    assert (found["rule"], found["step"], found["action"]) == ("oauth/corp", "authorize", "forwarded")
    assert found["advice"] == "Add `org_id` with the org that is meant. Add `multi_org=true`."

    stored = library(stage, name, scope=None, token=token)
    useless = stored.refresh(org_id=ORGS["globex"])
    claims = claims_of(useless["access_token"])
    assert claims is not None
    assert (claims["org_ids"], claims["scope"]) == ([ORGS["acme"]], "")
    asked = last(stage, "refresh_scope_missing")
    assert (asked["step"], asked["requested_orgs"]) == ("token_request", ["globex"])
    assert asked["faults"] == ["refresh_scope_missing", "grant_lacks_org"]
    assert asked["advice"] == (
        f"Send `scope={SCOPE}` with each refresh. Sign in once more, with `globex` in `org_id`: a refresh token is "
        "good for no org that its sign-in was not for."
    )
    issued = last(stage, "issued_org_missing")
    assert (issued["step"], issued["faults"]) == ("token_response", ["issued_org_missing", "issued_scope_reduced"])
    assert issued["advice"].startswith("Sign in again for `globex`, naming it by `org_id` in the authorize request.")

    refused = stored.call(stage.users("globex"))
    assert (refused.status_code, refused.json()["code"]) == (403, "not.authorized")
    assert "Orgfence" not in refused.headers
    explained = last(stage, "org_not_granted")
    assert (explained["requested_orgs"], explained["granted_orgs"]) == (["globex"], ["acme"])
    assert "It descends from an authorize request at" in explained["lineage"]
    assert "without `org_id`" in explained["lineage"]
    grown = {step: count - before.get(step, 0) for step, count in stage.exchanges().items()}
    assert grown == {
        ("authorize", "mismatch", "authorize_org_missing"): 1,
        ("token_request", "allow", "exchange_sound"): 1,
        ("token_response", "allow", "exchange_sound"): 1,
        ("token_request", "mismatch", "refresh_scope_missing"): 1,
        ("token_response", "mismatch", "issued_org_missing"): 1,
    }


@by_both_libraries
def test_observe_a_refused_refresh(observing: Stage, library: Library) -> None:
    """Where the issuer answers 403, the log says what it may have meant."""
    stage, name = observing, f"{library.__name__}.refuses"
    app = library(stage, name)
    app.fetch(stage.sign_in(app.authorize_url()))
    with pytest.raises(Exception, match=r"access_denied|403"):
        app.refresh(org_id=ORGS["globex"])
    refused = stage.proxy.wait_for_event("outcome", lambda event: event["reason"] == "grant_lacks_org")
    assert (refused["outcome"], refused["rule"]) == (403, "oauth/corp")
    assert refused["advice"].startswith("The issuer has refused with `access_denied`. The request is for `globex`; the")
    assert "the grant that it goes by is good for `acme`" in refused["advice"]
    assert "Sign in once more, with `globex` in `org_id`" in refused["advice"]


@by_both_libraries
def test_block_the_sign_in(blocking: Stage, library: Library) -> None:
    """The first fault stops the flow: the browser shows what is wrong, and the issuer never hears of it."""
    stage = blocking
    stage.servers.issuer.forget()
    counted = stage.faults().get("authorize_org_missing", 0)
    with stage.browser() as browser:
        page = browser.open(library(stage, f"{library.__name__}-stopped").authorize_url())
    assert stage.faults()["authorize_org_missing"] == counted + 1
    assert last(stage, "authorize_org_missing")["action"] == "blocked"
    assert (page.status_code, page.headers["Content-Type"]) == (400, "text/html; charset=utf-8")
    assert "The sign-in names no org" in page.text
    assert not stage.servers.issuer.received


@by_both_libraries
def test_block_the_refresh(blocking: Stage, library: Library) -> None:
    """A refresh for a second org is an error that the library raises, and costs nothing: the first org works on."""
    stage, name = blocking, f"{library.__name__}-refresh"
    app = library(stage, name)
    token = app.fetch(stage.sign_in(app.authorize_url(org_id=ORGS["acme"], multi_org="true")))
    stage.servers.issuer.forget()
    expected: type[Exception] = OAuthError if library is WithAuthlib else InvalidGrantError
    with pytest.raises(expected) as caught:
        library(stage, name, token=token).refresh(org_id=ORGS["globex"])
    assert caught.value.error == "invalid_grant"  # type: ignore[attr-defined]  # both have it
    said = str(caught.value.description)  # type: ignore[attr-defined]  # as above
    assert said.startswith("The request is for `globex`; the grant that it goes by is good for `acme`.")
    assert "Sign in once more, with `globex` in `org_id`" in said
    assert not stage.servers.issuer.received

    with pytest.raises(Exception, match="The refresh has no `scope`"):
        library(stage, name, scope=None, token=token).refresh()
    assert not stage.servers.issuer.received

    assert stage.exchanges()["token_request", "mismatch", "grant_lacks_org"]
    assert stage.exchanges()["token_request", "mismatch", "refresh_scope_missing"]

    living = library(stage, name, token=token)
    living.refresh()
    assert living.call(stage.users("acme")).status_code == 200
    assert living.call(stage.users("globex")).json()["reason"] == "org_not_granted"


@by_both_libraries
def test_the_advice_followed(blocking: Stage, library: Library) -> None:
    """The corrected URL of the page, opened: the second org works, and nothing is left to complain of."""
    stage = blocking
    app = library(stage, f"{library.__name__}-mended")
    with stage.browser() as browser:
        page = browser.open(app.authorize_url())
        links = [unescape(link) for link in re.findall(r'<a href="([^"]+)"', page.text)]
        assert [query_of(link)["org_id"] for link in links] == list(ORGS.values())
        before = stage.faults(), stage.proxy.metrics()['orgfence_requests_total{action="blocked"}']
        app.fetch(browser.sign_in(links[1]))
    assert app.call(stage.users("globex")).json() == {"org": "globex", "users": ["Ada", "Grace"]}
    app.refresh(org_id=ORGS["globex"])
    assert app.call(stage.users("globex")).status_code == 200
    assert (stage.faults(), stage.proxy.metrics()['orgfence_requests_total{action="blocked"}']) == before
