"""A view for mitmweb and the console: what was decided on a request, and what its token says.

Shown by itself for a request without a body, and by choice ("orgfence") for any other.
"""

import jwt
import yaml
from mitmproxy import http
from mitmproxy.contentviews import Contentview, Metadata, SyntaxHighlight

from orgfence.enforcement.redaction import redactor_of
from orgfence.proxy.applying import call_of


class OrgfenceContentview(Contentview):
    """The decision and the decoded token, as YAML. The token itself is not shown."""

    name = "orgfence"
    syntax_highlight: SyntaxHighlight = "yaml"

    def prettify(self, data: bytes, metadata: Metadata) -> str:
        """Return what there is to say of the message's flow."""
        if not isinstance(metadata.flow, http.HTTPFlow):
            raise TypeError("orgfence judges HTTP requests only")
        document = {
            "decision": metadata.flow.metadata.get("orgfence", "allow, or no rule matched"),
            "token (unverified)": redactor_of(call_of(metadata.flow), None).tree(_claims(metadata.flow.request)),
        }
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)

    def render_priority(self, data: bytes, metadata: Metadata) -> float:
        """Stand back wherever there is a body to look at."""
        flow = metadata.flow
        if data or not isinstance(flow, http.HTTPFlow) or metadata.http_message is not flow.request:
            return -1
        return 2 if "orgfence" in flow.metadata or "authorization" in flow.request.headers else -1


def _claims(request: http.Request) -> object:
    """Return header and payload of the request's JWT, or why there are none."""
    fields = request.headers.get_all("authorization")
    parts = fields[0].split() if len(fields) == 1 else []
    if len(parts) != 2:
        return "no single bearer token in `Authorization`"
    try:
        token = jwt.decode_complete(parts[1], options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError):
        return "not a readable JWT"
    return {"header": token["header"], "payload": token["payload"]}
