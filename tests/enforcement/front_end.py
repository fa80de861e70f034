"""A front end that is no proxy: an ASGI application that judges each request, and denies or answers it itself.

`python -m tests.enforcement.front_end POLICY PORT`. `/imported/NAME` says whether this process has imported a module.
"""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config

from orgfence.core.decision import NeedBody
from orgfence.core.guard import inspect
from orgfence.core.known import Known
from orgfence.core.policy.load import PolicyText, load_policy
from orgfence.core.reason import Action
from orgfence.core.request import Authority, Request
from orgfence.core.tokens.cache import TokenCache
from orgfence.enforcement.annotation import HEADER, header_value
from orgfence.enforcement.call import Call
from orgfence.enforcement.denial import Denial, deny
from orgfence.enforcement.report import Report

RULESET = load_policy([PolicyText(sys.argv[1], Path(sys.argv[1]).read_bytes())]).ruleset
KNOWN = Known(TokenCache())


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer one request."""
    if scope["type"] != "http":
        return
    host, port = scope["server"]
    target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    asked = Authority(host.encode(), port)
    request = Request(scope["method"].encode(), b"http", (asked,), port, target, tuple(map(tuple, scope["headers"])))
    inspection = inspect(request, RULESET, KNOWN, time.time())
    if isinstance(inspection, NeedBody):
        request = request._replace(body=(await receive())["body"])
        inspection = inspect(request, RULESET, KNOWN, time.time())
    assert not isinstance(inspection, NeedBody)

    denial = Denial(200, (), str(scope["path"].rpartition("/")[2] in sys.modules).encode())
    if inspection.action in (Action.BLOCKED, Action.ANNOTATED):
        report = Report.of(Call(request, scope["client"][0], host, is_tls=False), inspection, RULESET)
        blocked = inspection.action is Action.BLOCKED
        denial = deny(report) if blocked else denial._replace(fields=((HEADER, header_value(report)),))
    await send({"type": "http.response.start", "status": denial.status, "headers": list(denial.fields)})
    await send({"type": "http.response.body", "body": denial.body})


if __name__ == "__main__":
    config = Config()
    config.bind = [f"127.0.0.1:{sys.argv[2]}"]
    asyncio.run(serve(application, config))  # type: ignore[arg-type] # Hypercorn's types of ASGI are stricter
