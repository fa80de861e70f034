"""What the proxy's memory does with 150 bodies that stall just below the size that rules read."""

import socket
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
from tests.bench import contenders
from tests.bench.contenders import Orgfence
from tests.bench.curve import MIB, draw, sampling
from tests.bench.h2load import HOST
from tests.bench.parts import Run
from tests.bench.policies import ISSUER, token
from tests.bench.table import Row
from tests.bench.upstreams import taking

_BODY = MIB - 1024
#: Held are 64 MiB at most, by default. A buffer is up to an eighth larger than what it holds, and each connection has
#: its layers and what was read of its socket.
_BUDGET, _ALLOWANCE, _LEFT = 64.0, 128.0, 32.0
_POLICY = f"""
version: 1
enforcement: block
issuers: {{corp: {{iss: {ISSUER}, claims: {{member: org_ids}}}}}}
rules: [{{id: body, match: {{hosts: [{HOST}]}}, org: {{body: /org}}}}]
"""


def rows(run: Run) -> list[Row]:
    """Return the memory while they stall, and what is left of it when their clients have gone."""
    count = 100 if run.quick else 150
    with (
        tempfile.TemporaryDirectory() as name,
        taking() as (upstream, _),
        contenders.orgfence(upstream, Path(name), policy=_POLICY.encode()) as proxy,
    ):
        with sampling("resident memory", proxy.process.pid) as curve:
            with ExitStack() as stack:
                for _ in range(count):
                    stack.enter_context(_stalled(proxy))
                time.sleep(2)
                held = _held(proxy) / MIB
            time.sleep(2)
        left = _held(proxy)
        picture = draw([curve], f"{count} bodies that stall", run.pictures / "memory-held.png")
    grown, stays = curve.peak - curve.start, curve.end - curve.start
    measured = f"{curve.words()}; the gauge shows {held:.1f} MiB, and {left} bytes when their clients have gone"
    met = held <= _BUDGET and not left and grown <= _ALLOWANCE and stays <= _LEFT
    target = f"gauge ≤ {_BUDGET:.0f} MiB, + ≤ {_ALLOWANCE:.0f} MiB, + ≤ {_LEFT:.0f} MiB afterwards"
    return [Row(f"{count} bodies that stall just below `body_limit`", measured, target, met, picture)]


def _stalled(proxy: Orgfence) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", proxy.process.port), 60)
    head = f"POST /x HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {token()}\r\nContent-Length: {_BODY}\r\n\r\n"
    client.sendall(head.encode() + bytes(_BODY - 1))
    return client


def _held(proxy: Orgfence) -> int:
    text = httpx.get(f"http://127.0.0.1:{proxy.admin}/metrics", trust_env=False).text
    name = "orgfence_held_body_bytes "
    return round(sum(float(line.removeprefix(name)) for line in text.splitlines() if line.startswith(name)))
