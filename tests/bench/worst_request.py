"""The request that takes the guard longest, found by search: what is known to be bad is changed and joined further.

`python -m tests.bench.worst_request SECONDS` goes on searching, so long for each policy, and keeps what it finds in
worst_requests.json. The part measures what is kept there, so that its figures can be had again.
"""

import base64
import gc
import json
import random
import sys
import time
import zlib
from pathlib import Path
from typing import NamedTuple

import structlog
from mitmproxy import http
from mitmproxy.connection import Server
from tests.bench.hook import _client, _guard
from tests.bench.parts import Run
from tests.bench.policies import ISSUER
from tests.bench.table import Row
from tests.guarding import load
from tests.tokens import jwt_of

from orgfence.proxy.addon import Orgfence

FILE = Path(__file__).parent / "worst_requests.json"
#: Milliseconds of processor time in one piece, for a head, and for each MiB of a held body.
HEAD, BODY = 25.0, 100.0
# What mitmproxy takes for one head.
_MAX_HEAD = 1024 * 1024
_KEPT = 4

_PATHS = 'paths: ["/q/**"]'
_CAPTURED = 'paths: ["/{org}/**", "/q/{org}/**", "/q/*/{org}/**"]'
#: By name: the rules' hosts and paths, where they read the org, what else they say, and how many there are.
_POLICIES = {
    "one rule, org in the path": ("api.example.com", _CAPTURED, "{path: org}", "", 1),
    "300 rules, org in the path": ("api.example.com", _CAPTURED, "{path: org}", "", 300),
    "300 rules, org in the host": ("'{org}.t.example.com', api.example.com", _PATHS, "{host: org}", "", 300),
    "300 rules, org in a header": ("api.example.com", _PATHS, "{header: X-Org, split: ','}", "", 300),
    "300 rules, org in the query": ("api.example.com", _PATHS, "{query: org}", "", 300),
    "300 rules, org in a cookie": ("api.example.com", _PATHS, "[{cookie: org}, {path: org}]", _CAPTURED, 300),
    "10,000 rules, a path each": ("api.example.com", 'paths: ["/q/%d/{org}/**"]', "{path: org}", "", 10_000),
    "300 rules, org in a body": ("api.example.com", _PATHS, "[{body: /org}, {body: '/orgs/*/id'}]", "", 300),
    "300 rules, org in a form": ("api.example.com", _PATHS, "[{form: org}, {form: tenant}]", "", 300),
}


class Candidate(NamedTuple):
    """One request."""

    policy: str
    target: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""


def rows(run: Run) -> list[Row]:
    """Return the worst request that is kept for each policy."""
    found: list[Row] = []
    for policy, kept in _corpus().items():
        guard = _guard_of(policy)
        milliseconds, worst = max((_cost(guard, each, 2 if run.quick else 7), each) for each in kept)
        budget = _budget(worst)
        size = sum(len(name) + len(value) for name, value in worst.fields)
        what = f"target {len(worst.target):,}, fields {size:,}, body {len(worst.body):,} bytes"
        target = f"≤ {budget:.0f} ms of processor time in one piece"
        found.append(
            Row(f"the worst request, {policy}", f"{milliseconds:.1f} ms ({what})", target, milliseconds <= budget)
        )
    return found


def _budget(candidate: Candidate) -> float:
    # The body's budget is for the limit: what is short may be coded, and hold as much.
    return BODY if candidate.body else HEAD


def _guard_of(name: str) -> Orgfence:
    hosts, paths, org, more, count = _POLICIES[name]
    lines = ["version: 1", "enforcement: block"]
    lines.append(f"issuers: {{corp: {{iss: {ISSUER}, claims: {{member: org_ids, scopes: scope}}}}}}")
    lines.append("rules:")
    for number in range(count):
        written = more or paths
        match = f"hosts: [{hosts}], {written % number if '%d' in written else written}"
        lines.append(f"  - {{id: r{number}, match: {{{match}}}, org: {org}}}")
    structlog.configure(
        processors=[structlog.processors.JSONRenderer()], logger_factory=structlog.ReturnLoggerFactory()
    )
    guard = _guard(load("\n".join(lines), name))
    # What stays is no garbage, and to look through it would be counted for some request.
    gc.collect()
    gc.freeze()
    return guard


def _cost(guard: Orgfence, candidate: Candidate, times: int) -> float:
    """Return the milliseconds of processor time that one request takes, the least of some."""
    return min(_once(guard, candidate) for _ in range(times)) * 1000


def _once(guard: Orgfence, candidate: Candidate) -> float:
    fields = http.Headers([(b"Host", b"api.example.com"), *candidate.fields])
    if candidate.body:
        fields = http.Headers([*fields.fields, (b"Content-Length", b"%d" % len(candidate.body))])
    flow = http.HTTPFlow(_client(), Server(address=("api.example.com", 443)), live=True)
    flow.request = http.Request(
        "api.example.com",
        443,
        b"POST" if candidate.body else b"GET",
        b"https",
        b"",
        candidate.target,
        b"HTTP/1.1",
        fields,
        candidate.body,
        None,
        0.0,
        0.0,
    )
    # A token is read for the first time, as a client can have it with each request.
    guard._known.tokens._entries.clear()
    started = time.process_time()
    guard.requestheaders(flow)
    head = time.process_time() - started
    started = time.process_time()
    guard.request(flow)
    return max(head, time.process_time() - started)


_GRANTED = jwt_of({"iss": ISSUER, "org_ids": ["acme"]})
_FAT = jwt_of({"iss": ISSUER, "org_ids": [f"o{number}" for number in range(1400)]})
_DEEP = jwt_of({"iss": ISSUER, "org_ids": ["acme"], "x": json.loads("[" * 200 + "]" * 200), "y": list(range(2000))})
_BEARERS = [(b"Authorization", b"Bearer " + token) for token in (_GRANTED, _FAT, _DEEP, b"x" * 16_000, b"a.b" * 5000)]
_NAMES = (
    b"X-Org Cookie Connection Proxy-Connection Host X-Forwarded-Host Forwarded X-Original-URL X-Rewrite-URL "
    b"X-HTTP-Method-Override Authorization Accept Origin traceparent X-Other"
).split()
# Bytes that servers differ about, and what separates and names things.
_SIGNS = [
    *rb"/ // \ . .. % %2 5 %25 %252f %2f %5C %2e ; %3b # ? %23 %3F %00 : u002f %u002f %c0%af %e0%a4%b9 %41".split(),
    *rb'a.t.example.com acme & = org= org[]= + , " \" org:= host= {"org": [] {} 1, a@ : 0 [ ] Bearer'.split(),
    *[b"\xc0\xaf", b"\xf0", b"\xc3\x9f.", b" ", b"\t", b"\0", b"\r\n ", b"%20", b'{"org":"a"},', b'{"id":1},'],
]


def _seeds(policy: str) -> list[Candidate]:
    """Return what is likely to be slow."""
    bearer = _BEARERS[0]
    found = [Candidate(policy, b"/q/1/acme/x?org=acme", (bearer, (b"X-Org", b"acme")))]
    found.append(Candidate(policy, b"/q/a%3bb/c%2fd/e\\f/..//x?" + b"&" * 30_000, (bearer,)))
    for sign in _SIGNS:
        found.append(Candidate(policy, b"/q/" + (sign * 8000)[:8000], (bearer,)))
        found.append(Candidate(policy, b"/q/?org=acme" + (sign * 20_000)[:20_000], (bearer,)))
    for name in _NAMES:
        found += [Candidate(policy, b"/q/x", (bearer, (name, (sign * 30_000)[:30_000]))) for sign in _SIGNS[:40:5]]
    found += [Candidate(policy, b"/q/;x", (each, (b"X-Org", b"acme"))) for each in _BEARERS]
    if "body" in policy or "form" in policy:
        kind = (b"Content-Type", b"application/json" if "body" in policy else b"application/x-www-form-urlencoded")
        bodies = [(sign * 1_000_000)[:1_000_000] for sign in _SIGNS]
        bodies += [
            b'{"orgs": [' + b'{"id": 1},' * 90_000 + b"0]}",
            b"org=a&" * 9_000,
            b'{"a":' * 100 + b"1" + b"}" * 100,
        ]
        bodies.append(b'{"org": [' + b'"acme",' * 9_000 + b'"acme"], "x": [' + b"1," * 400_000 + b"1]}")
        found = [Candidate(policy, b"/q/x", (bearer, kind), body) for body in bodies]
    return found


def _changed(one: Candidate, other: Candidate, chance: random.Random) -> Candidate:
    """Return a candidate with one part changed, or with a part of another."""
    part = chance.choice(["target", "fields", "body"] if one.body else ["target", "fields"])
    if part == "body":
        return one._replace(body=_edited(one.body, other.body, chance)[: 1024 * 1024] or b"x")
    if part == "target":
        target = b"/" + _edited(one.target, other.target, chance).lstrip(b"/").replace(b"\r\n", b"")
        return one._replace(target=target[: _MAX_HEAD // 2])
    fields = list(one.fields)
    act = chance.randrange(5)
    if act == 0 and len(fields) < 200:
        fields += [chance.choice(other.fields or fields)] * chance.choice([1, 1, 3, 16])
    elif act == 1 and len(fields) > 1:
        del fields[chance.randrange(len(fields))]
    elif act == 2:
        fields.append((chance.choice(_NAMES), chance.choice(_SIGNS)))
    elif act == 3:
        fields = [*[field for field in fields if field[0] != b"Authorization"], chance.choice(_BEARERS)]
    elif fields:
        index = chance.randrange(len(fields))
        name, value = fields[index]
        if name != b"Authorization":
            fields[index] = name, _edited(value, chance.choice(other.fields)[1], chance)[: _MAX_HEAD // 4]
    return one._replace(fields=tuple(fields[:400]))


def _edited(text: bytes, other: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(text) + 1)
    end = min(len(text), start + chance.choice([3, 30, 300, 5000]))
    act = chance.randrange(4)
    if act == 0:
        return text[:start] + chance.choice(_SIGNS) * chance.choice([1, 1, 2, 16, 500, 5000]) + text[start:]
    if act == 1:
        return text[:start] + text[end:]
    if act == 2:
        return text[:start] + text[start:end] * chance.choice([2, 9, 90]) + text[end:]
    return text[:start] + other[chance.randrange(len(other) + 1) :][:5000] + text[end:]


def search(seconds: float, only: str = "") -> None:
    """Look for worse requests, for each policy (or those of this name) for as long, and keep the worst."""
    chance = random.Random(time.time_ns())
    corpus = _corpus()
    for policy in (name for name in _POLICIES if only in name):
        guard = _guard_of(policy)
        known = [*corpus.get(policy, []), *_seeds(policy)]
        ranked = sorted(((_cost(guard, each, 1), number, each) for number, each in enumerate(known)), reverse=True)[:12]
        number, until = len(known), time.monotonic() + seconds
        while time.monotonic() < until:
            number += 1
            one = _changed(chance.choice(ranked)[2], chance.choice(ranked)[2], chance)
            cost = _cost(guard, one, 1)
            # What seems worse may only have been disturbed.
            if cost > ranked[-1][0] and (cost := _cost(guard, one, 3)) > ranked[-1][0]:
                ranked = sorted([*ranked[:-1], (cost, number, one)], reverse=True)
        ranked = sorted(((_cost(guard, each, 5), number, each) for _, number, each in ranked), reverse=True)
        corpus[policy] = [each for _, _, each in ranked[:_KEPT]]
        print(f"{policy}: {ranked[0][0]:.1f} ms after {number - len(known)} tries", flush=True)
        FILE.write_text(json.dumps([_written(each) for kept in corpus.values() for each in kept], indent=1) + "\n")


def _corpus() -> dict[str, list[Candidate]]:
    found: dict[str, list[Candidate]] = {}
    for each in json.loads(FILE.read_text()) if FILE.exists() else []:
        fields = tuple((name.encode(), _unpacked(value)) for name, value in each["fields"])
        one = Candidate(each["policy"], _unpacked(each["target"]), fields, _unpacked(each["body"]))
        found.setdefault(one.policy, []).append(one)
    return found


def _written(candidate: Candidate) -> dict[str, object]:
    fields = [[name.decode(), _packed(value)] for name, value in candidate.fields]
    target, body = _packed(candidate.target), _packed(candidate.body)
    return {"policy": candidate.policy, "target": target, "fields": fields, "body": body}


def _packed(data: bytes) -> str:
    """Return bytes as text, short where they repeat themselves."""
    return base64.b85encode(zlib.compress(data, 9)).decode()


def _unpacked(text: str) -> bytes:
    return zlib.decompress(base64.b85decode(text))


if __name__ == "__main__":
    search(float(sys.argv[1]), *sys.argv[2:])
