"""What to do after the stories: with the reader's own API, and with a demo that is left running."""

import os
import shlex
from collections.abc import Mapping
from importlib import resources

from orgfence.demo.app import authorize_url
from orgfence.demo.page import Page
from orgfence.demo.stage import Stage


def show_next_steps(page: Page) -> None:
    """Print the way from here to the reader's own API."""
    page.heading("Now with your own API")
    page.say("Save this as policy.yaml, with your own issuer, claim, host and path:")
    page.verbatim(resources.files("orgfence.demo").joinpath("your-api.yaml").read_text(encoding="utf-8"))
    page.say("Run the proxy, and send a request through it:")
    page.verbatim(
        f"{_orgfence()} run --policy policy.yaml\n\n"
        "curl -i --proxy http://127.0.0.1:8080 \\\n"
        "     --cacert ~/.mitmproxy/mitmproxy-ca-cert.pem \\\n"
        '     -H "Authorization: Bearer $TOKEN" https://api.example.com/orgs/acme'
    )
    page.say("Counters: http://127.0.0.1:9464/metrics")


def show_keep_hint(page: Page) -> None:
    """Print how to have the demo stay."""
    page.say(f"To play with the demo itself: {_orgfence()} demo --keep")


def show_playground(stage: Stage, page: Page, tokens: Mapping[str, str]) -> None:
    """Print commands for another terminal, and put the tokens where they find them: in files, not on the screen."""
    for org, org_token in tokens.items():
        (stage.folder / f"{org}.header").write_text(f"Authorization: Bearer {org_token}\n", encoding="ascii")

    page.heading("The demo keeps running: in another terminal")
    for comment, org, path in (
        ("allowed", "acme", "/api/v2/organizations/acme/users"),
        ("blocked", "acme", "/api/v2/organizations/globex/users"),
        ("marked", "acme", "/api/v2/reports/globex"),
        ("allowed, with the other org's token", "globex", "/api/v2/reports/globex"),
    ):
        page.verbatim(f"# {comment}\n{_curl(stage, org, path)}")
    page.verbatim(
        f"# stopped, with the URLs that are right\n{_curl_at(stage, shlex.quote(authorize_url(stage.servers)))}"
    )
    page.verbatim(f"# counted\ncurl --noproxy '*' {stage.proxy.metrics_url}")
    page.say(
        "Ctrl-C ends the demo and removes all of it. The proxy's log so far, and as it goes on; it tells the same "
        "finding once a minute:"
    )


def _curl(stage: Stage, org: str, path: str) -> str:
    header = shlex.quote(f"@{stage.folder / org}.header")
    return _curl_at(stage, f"-H {header} \\\n     {stage.servers.api_url}{path}")


def _curl_at(stage: Stage, what: str) -> str:
    return (
        # An empty --noproxy: many an environment says that `localhost` is reached without one.
        f"curl -i --proxy {stage.proxy.url} --noproxy '' \\\n"
        f"     --cacert {shlex.quote(str(stage.trusted))} \\\n"
        f"     {what}"
    )


def _orgfence() -> str:
    """Return the command as it was found; `uv run` says so in its children's environment."""
    return "uv run orgfence" if "UV_RUN_RECURSION_DEPTH" in os.environ else "orgfence"
