"""What an app meets whose only token is for one of its two orgs: stopped, marked, and told why; and all is counted.

Everything that is printed was seen to be so first: what is not as told ends the demo.
"""

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from orgfence.demo import app, expect
from orgfence.demo.exchange_story import tell_of_the_exchanges
from orgfence.demo.page import Page, status_line
from orgfence.demo.stage import Stage


async def tell(stage: Stage, page: Page) -> Mapping[str, str]:
    """Play it, print what happens, and return the tokens that the app has in the end, by their orgs."""
    _, issued = await app.sign_in(stage.direct, stage.servers, app.authorize_url(stage.servers))
    token = str(issued["access_token"])
    _open(stage, page)
    await _right_token(stage, page, token)
    await _wrong_token_stopped(stage, page, token)
    await _wrong_token_marked(stage, page, token)
    second = await tell_of_the_exchanges(stage, page, str(issued["refresh_token"]))
    await _all_counted(stage, page)
    return {"acme": token, "globex": second}


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
        "The app is for both orgs. It has signed in before there was a proxy, by a URL that names no org, and has a "
        "token for acme, and a refresh token. With this one token it sends three requests."
    )


async def _right_token(stage: Stage, page: Page, token: str) -> None:
    response = await app.call(stage.client, stage.servers, token, "/api/v2/organizations/acme/users")
    expect(response.status_code == 200, f"the right token was answered {response.status_code}")
    expect(len(stage.servers.received) == 1, "the API did not receive the request with the right token")
    expect(not stage.servers.received[0].annotations, "the request with the right token was marked")

    page.heading("1. Allow: the right token passes")
    _show_request(page, response)
    page.received(status_line(response), response.text, style="green")
    page.say("The request is about acme and so is the token. The API received it as it was sent.")


async def _wrong_token_stopped(stage: Stage, page: Page, token: str) -> None:
    before = len(stage.servers.received)
    response = await app.call(stage.client, stage.servers, token, "/api/v2/organizations/globex/users")
    expect(len(stage.servers.received) == before, "the request that was to be blocked reached the API")
    expect(response.status_code == 403, f"the wrong token was answered {response.status_code}, and not blocked")
    content_type = response.headers.get("Content-Type", "")
    expect(content_type == "application/problem+json", f"the block came as `{content_type}`")
    problem = response.json()
    found = problem["reason"], problem["requested_orgs"], problem["granted_orgs"]
    expect(found == ("org_not_granted", ["globex"], ["acme"]), f"the block has another reason: {found}")

    page.heading("2. Block: a wrong token is stopped, and told why")
    _show_request(page, response)
    fields = [f"{name}: {response.headers.get(name, '')}" for name in ("Content-Type", "Proxy-Status")]
    page.received(status_line(response), *fields, "", *response.text.splitlines(), style="red")
    page.say(f"The API never saw this request: it has received {before} so far, the one above.")


async def _wrong_token_marked(stage: Stage, page: Page, token: str) -> None:
    before = len(stage.servers.received)
    response = await app.call(stage.client, stage.servers, token, "/api/v2/reports/globex")
    expect(len(stage.servers.received) == before + 1, "the request that was to be marked did not reach the API")
    received = stage.servers.received[-1]
    marks = received.annotations
    expected = len(marks) == 1 and marks[0].startswith("mismatch; reason=org_not_granted; ")
    expect(expected, f"the API received these `Orgfence` headers: {marks}")
    expect(response.status_code == 403, f"the API answered {response.status_code} to a wrong token")
    same = tuple(response.headers.get_list("Orgfence")) == marks
    expect(same, "the API's answer came without the `Orgfence` header")

    page.heading("3. Annotate: a wrong token is marked, and passes")
    _show_request(page, response)
    page.say("What the API received, by its own record:")
    page.quote([f"{received.method} {received.path}", f"Orgfence: {marks[0]}"], "yellow")
    page.received(status_line(response), response.text, style="red")
    page.say(
        "This 403 is the API's own, and as puzzling as most. Its answer reaches the app with the same header, "
        "which explains it."
    )


async def _all_counted(stage: Stage, page: Page) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        exposition = (await client.get(stage.proxy.metrics_url)).text
    samples = [sample for family in text_string_to_metric_families(exposition) for sample in family.samples]
    requests = _counted(samples, "orgfence_requests_total")
    counts = {sample.labels["action"]: sample.value for sample in requests}
    expect(counts == {"forwarded": 5, "blocked": 2, "annotated": 1}, f"other requests were counted: {counts}")
    decisions = _rows(samples, "orgfence_decisions_total", ["rule", "verdict", "reason", "enforcement"])
    # What is said of the exchanges is counted among them, too.
    decisions = [row for row in decisions if not row[0].startswith("oauth/")]
    expect(sorted(decisions) == sorted(_DECISIONS), f"other decisions were counted: {decisions}")
    exchanges = _rows(samples, "orgfence_oauth_exchanges_total", ["step", "verdict", "reason"])
    expect(sorted(exchanges) == sorted(_EXCHANGES), f"other exchanges were counted: {exchanges}")

    page.heading("All of it is counted")
    page.facts({"metrics": stage.proxy.metrics_url})
    page.quote([f"{sample.name}{_labels(sample)} {sample.value}" for sample in requests])
    page.quote(["orgfence_decisions_total, by its labels:"])
    page.table([["rule", "verdict", "reason", "enforcement", "value"], *decisions])
    page.quote(["orgfence_oauth_exchanges_total, by its labels:"])
    page.table([["step", "verdict", "reason", "value"], *exchanges])


# Rows of labels, and the value behind them.
_DECISIONS = [
    ["users", "allow", "org_granted", "block", "2"],
    ["users", "mismatch", "org_not_granted", "block", "1"],
    ["reports", "mismatch", "org_not_granted", "annotate", "1"],
]
_EXCHANGES = [
    ["token_request", "allow", "exchange_sound", "2"],
    ["token_response", "mismatch", "issued_org_missing", "1"],
    ["authorize", "mismatch", "authorize_org_missing", "1"],
    ["authorize", "allow", "exchange_sound", "1"],
    ["token_response", "allow", "exchange_sound", "1"],
]


def _rows(samples: list[Sample], name: str, labels: list[str]) -> list[list[str]]:
    return [[*(sample.labels[label] for label in labels), f"{sample.value:g}"] for sample in _counted(samples, name)]


def _show_request(page: Page, response: httpx.Response) -> None:
    # The token itself is shown nowhere, here as in the log.
    page.sent(f"{response.request.method} {response.request.url}", "Authorization: Bearer (the token for acme)")


def _counted(samples: list[Sample], name: str) -> list[Sample]:
    """Return the samples that have counted anything."""
    return [sample for sample in samples if sample.name == name and sample.value]


def _labels(sample: Sample) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in sample.labels.items()) + "}"
