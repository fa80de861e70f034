"""A multi-org API, a program of its own: its answer to a wrong token explains as little as usual.

`/orgs/{org}/users`: GET wants the scope `users:read`, and POST `users:write`.
"""

from tests.oauth.serving import Answer, Request, document, serve
from tests.oauth.tokens import ORGS, claims_of


def answer(request: Request) -> Answer:
    """Judge the token."""
    _, _, org, _ = request.path.split("/")
    scope = "users:read" if request.method == "GET" else "users:write"
    claims = claims_of(request.headers.get("authorization", "").removeprefix("Bearer "))
    if claims is None:
        return document(401, {"code": "bad.credentials"}, www_authenticate='Bearer error="invalid_token"')
    if ORGS.get(org, org) not in claims["org_ids"] or scope not in claims["scope"].split(" "):
        return document(403, {"code": "not.authorized", "message": "You are not authorized to perform this action."})
    return document(200, {"org": org, "users": ["Ada", "Grace"]})


if __name__ == "__main__":
    serve(answer)
