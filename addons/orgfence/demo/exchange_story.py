"""Why the app's token is for one org, and how it gets one for the other: refresh, sign-in, and the sign-in mended.

As in `story.py`, what is printed was seen to be so first.
"""

import re

import httpx

from orgfence.demo import app, expect
from orgfence.demo.issuer import ORGS
from orgfence.demo.page import Page, status_line, url_lines
from orgfence.demo.stage import Stage


async def tell_of_the_exchanges(stage: Stage, page: Page, refresh_token: str) -> str:
    """Play them, and return the token for the second org."""
    await _useless_refresh(stage, page, refresh_token)
    url = await _faulty_sign_in(stage, page)
    return await _mended_sign_in(stage, page, url)


async def _useless_refresh(stage: Stage, page: Page, refresh_token: str) -> None:
    form = {"grant_type": "refresh_token", "org_id": ORGS["globex"], "scope": app.SCOPE}
    response = await app.ask_for_token(stage.client, stage.servers, {**form, "refresh_token": refresh_token})
    mark = response.headers.get("Orgfence", "")
    expect(response.status_code == 200, f"the issuer answered {response.status_code} to a refresh for another org")
    expect(mark.startswith("mismatch; reason=issued_org_missing; "), f"the useless token came with `Orgfence: {mark}`")
    advice = str((await stage.proxy.logged("issued_org_missing"))["advice"])

    page.heading("4. The refresh: 200 OK, and a useless token")
    page.say("So the app asks for a token for globex:")
    page.sent(f"POST {app.token_url(stage.servers)}", *(f"{name}={value}" for name, value in form.items()))
    page.received(
        status_line(response), f"Orgfence: {mark}", '{"access_token": "(one more token for acme)", ...', style="yellow"
    )
    page.say(
        "Client id, secret and refresh token are right, so the issuer sends a token, and says nothing of its being "
        "for acme again: every call to globex would be another puzzling 403. orgfence has read the token as it came, "
        "marked the answer, and says in its log:"
    )
    page.quote([advice], "yellow")


async def _faulty_sign_in(stage: Stage, page: Page) -> str:
    """Return the URL that the advice has for the second org."""
    url = app.authorize_url(stage.servers)
    response = await stage.client.get(url)
    expect(response.status_code == 400, f"the sign-in without an org was answered {response.status_code}")
    problem = response.json()
    expect(problem["reason"] == "authorize_org_missing", f"the sign-in was stopped for `{problem['reason']}`")
    corrected = _corrected(problem["advice"], "globex")

    page.heading("5. The cause: a sign-in that names no org")
    page.say("The app signs in once more, by the same URL as ever:")
    _show_url(page, url)
    page.received(status_line(response), f"Content-Type: {response.headers['Content-Type']}", style="red")
    page.say("What it says, to a browser by a page with links:")
    page.quote([problem["detail"], "", *(line for step in problem["advice"] for line in url_lines(step))])
    return corrected


def _corrected(advice: list[str], org: str) -> str:
    found = re.search(rf"For `{org}` open (\S+)", "\n".join(advice))
    expect(found is not None, f"the advice has no URL for {org}: {advice}")
    assert found is not None
    return found[1]


async def _mended_sign_in(stage: Stage, page: Page, url: str) -> str:
    opened, issued = await app.sign_in(stage.client, stage.servers, url)
    token = str(issued["access_token"])
    response: httpx.Response = await app.call(stage.client, stage.servers, token, "/api/v2/organizations/globex/users")
    expect(response.status_code == 200, f"the token for globex was answered {response.status_code}")

    page.heading("6. Mended: the advice followed, the second org works")
    _show_url(page, url)
    page.received(status_line(opened), "Location: https://app.example/callback?code=(a code)&...", style="green")
    page.say("The code buys a token, and with that:")
    page.sent(f"GET {response.request.url}", "Authorization: Bearer (the token for globex)")
    page.received(status_line(response), response.text, style="green")
    return token


def _show_url(page: Page, url: str) -> None:
    page.sent(*url_lines(f"GET {url}"))
