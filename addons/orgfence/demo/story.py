"""The three stories: the right token, a wrong one stopped, a wrong one marked; and that all of it was counted.

Everything that is printed was seen to be so first: what is not as told ends the demo.
"""

from typing import NamedTuple

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from orgfence.demo import DemoError
from orgfence.demo.page import Page
from orgfence.demo.stage import Stage


async def tell(stage: Stage, page: Page) -> str:
    """Send the three requests, print what becomes of them, and return the token that they carry."""
    token = await fetch_token(stage, "acme")
    _open(stage, page)
    await _right_token(stage, page, token)
    await _wrong_token_stopped(stage, page, token)
    await _wrong_token_marked(stage, page, token)
    await _all_counted(stage, page)
    return token


async def fetch_token(stage: Stage, org: str) -> str:
    """Get a token for an org from the issuer, through the proxy."""
    form = {"grant_type": "client_credentials", "org_id": org, "scope": "organization:read"}
    response = await stage.client.post(f"{stage.servers.issuer_url}/oauth/token", data=form)
    _expect(response.status_code == 200, f"the issuer gave no token for {org}: it answered {response.status_code}")
    token = response.json()["access_token"]
    assert isinstance(token, str)
    return token


def _open(stage: Stage, page: Page) -> None:
    page.heading("orgfence demo: real HTTPS through the real proxy, on this machine alone")
    page.facts(
        {
            "issuer": stage.servers.issuer_url,
            "API": f"{stage.servers.api_url}, which serves the orgs acme and globex",
            "proxy": f"{stage.proxy.url}, `orgfence run` with a CA of its own",
            "policy": str(stage.policy),
        }
    )
    page.say(
        "The app has fetched a token for the org acme from the issuer, through the proxy. No rule guards the "
        "issuer, so that connection passed undecrypted. With this one token it sends three requests."
    )


async def _right_token(stage: Stage, page: Page, token: str) -> None:
    response = await _send(stage, token, "/api/v2/organizations/acme/users")
    _expect(response.status_code == 200, f"the right token was answered {response.status_code}")
    _expect(len(stage.servers.received) == 1, "the API did not receive the request with the right token")
    _expect(not stage.servers.received[0].annotations, "the request with the right token was marked")

    page.heading("1. Allow: the right token passes")
    _show_request(page, response)
    page.received(_status_line(response), response.text, style="green")
    page.say("The request is about acme and so is the token. The API received it as it was sent.")


async def _wrong_token_stopped(stage: Stage, page: Page, token: str) -> None:
    before = len(stage.servers.received)
    response = await _send(stage, token, "/api/v2/organizations/globex/users")
    _expect(len(stage.servers.received) == before, "the request that was to be blocked reached the API")
    _expect(response.status_code == 403, f"the wrong token was answered {response.status_code}, and not blocked")
    content_type = response.headers.get("Content-Type", "")
    _expect(content_type == "application/problem+json", f"the block came as `{content_type}`")
    problem = response.json()
    found = problem["reason"], problem["requested_orgs"], problem["granted_orgs"]
    _expect(found == ("org_not_granted", ["globex"], ["acme"]), f"the block has another reason: {found}")

    page.heading("2. Block: a wrong token is stopped, and told why")
    _show_request(page, response)
    fields = [f"{name}: {response.headers.get(name, '')}" for name in ("Content-Type", "Proxy-Status")]
    page.received(_status_line(response), *fields, "", *response.text.splitlines(), style="red")
    page.say(f"The API never saw this request: it has received {before} so far, the one above.")


async def _wrong_token_marked(stage: Stage, page: Page, token: str) -> None:
    before = len(stage.servers.received)
    response = await _send(stage, token, "/api/v2/reports/globex")
    _expect(len(stage.servers.received) == before + 1, "the request that was to be marked did not reach the API")
    received = stage.servers.received[-1]
    marks = received.annotations
    expected = len(marks) == 1 and marks[0].startswith("mismatch; reason=org_not_granted; ")
    _expect(expected, f"the API received these `Orgfence` headers: {marks}")
    _expect(response.status_code == 403, f"the API answered {response.status_code} to a wrong token")
    same = tuple(response.headers.get_list("Orgfence")) == marks
    _expect(same, "the API's answer came without the `Orgfence` header")

    page.heading("3. Annotate: a wrong token is marked, and passes")
    _show_request(page, response)
    page.say("What the API received, by its own record:")
    page.quote([f"{received.method} {received.path}", f"Orgfence: {marks[0]}"], "yellow")
    page.received(_status_line(response), response.text, style="red")
    page.say(
        "This 403 is the API's own, and as puzzling as most. Its answer reaches the app with the same header, "
        "which explains it."
    )


async def _all_counted(stage: Stage, page: Page) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        exposition = (await client.get(stage.proxy.metrics_url)).text
    samples = [sample for family in text_string_to_metric_families(exposition) for sample in family.samples]
    requests = _counted(samples, "orgfence_requests_total")
    decisions = _counted(samples, "orgfence_decisions_total")
    unguarded = _counted(samples, "orgfence_unguarded_connections_total")
    counts = {sample.labels["action"]: sample.value for sample in requests}
    _expect(counts == {"forwarded": 1, "blocked": 1, "annotated": 1}, f"other requests were counted: {counts}")
    rows = [_Counted(**sample.labels, value=f"{sample.value:g}") for sample in decisions]
    _expect(sorted(rows) == sorted(_DECISIONS), f"other decisions were counted: {rows}")
    _expect(bool(unguarded), "the issuer's connection was decrypted")

    page.heading("All three are counted")
    page.facts({"metrics": stage.proxy.metrics_url})
    shown = [*requests, *unguarded]
    page.quote([f"{sample.name}{_labels(sample)} {sample.value}" for sample in shown])
    page.quote(["orgfence_decisions_total, by its labels:"])
    page.table([_Counted._fields, *rows])


class _Counted(NamedTuple):
    """A sample of `orgfence_decisions_total`: its labels and its value."""

    rule: str
    verdict: str
    reason: str
    enforcement: str
    value: str


_DECISIONS = [
    _Counted("users", "allow", "org_granted", "block", "1"),
    _Counted("users", "mismatch", "org_not_granted", "block", "1"),
    _Counted("reports", "mismatch", "org_not_granted", "annotate", "1"),
]


async def _send(stage: Stage, token: str, path: str) -> httpx.Response:
    return await stage.client.get(stage.servers.api_url + path, headers={"Authorization": f"Bearer {token}"})


def _show_request(page: Page, response: httpx.Response) -> None:
    # The token itself is shown nowhere, here as in the log.
    page.sent(f"{response.request.method} {response.request.url}", "Authorization: Bearer (the token for acme)")


def _status_line(response: httpx.Response) -> str:
    return f"{response.http_version} {response.status_code} {response.reason_phrase}"


def _counted(samples: list[Sample], name: str) -> list[Sample]:
    """Return the samples that have counted anything."""
    return [sample for sample in samples if sample.name == name and sample.value]


def _labels(sample: Sample) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in sample.labels.items()) + "}"


def _expect(so: bool, otherwise: str) -> None:
    if not so:
        raise DemoError(otherwise)
