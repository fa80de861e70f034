"""No secret of a client's or of upstream's is in anything that orgfence writes, however broken its message."""

import socketserver
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import quote

import httpx
import pytest
from tests.proxy.guarding import (
    FORWARD_H1,
    FORWARD_H2,
    FORWARD_PLAIN,
    ISS,
    POLICY,
    REVERSE_H2,
    REVERSE_PLAIN,
    GuardingProxy,
    Way,
)
from tests.proxy.harness import Address, RawClient, Upstream, signed_token

WAYS = (FORWARD_PLAIN, FORWARD_H1, FORWARD_H2, REVERSE_PLAIN, REVERSE_H2)
RULES = ("block", "annotate", "observe", "strict", "places", "nothing")


class Secrets:
    """Makes secrets, each of its own, and knows them all."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def text(self) -> bytes:
        """Return one of which nothing but its place says that it is one."""
        # Shorter than what a log would hide for its length alone.
        self.made.append(f"s3cret{len(self.made):05d}value")
        return self.made[-1].encode()

    def token(self, *orgs: str) -> bytes:
        """Return a JWT; its signature, its payload and what is in it are secrets."""
        inner = self.text().decode()
        made = signed_token(iss=ISS, org_ids=list(orgs), jti=inner, sub=f"{inner}@example.com", scope="write")
        self.made += made.split(".")[1:]
        return made.encode()

    def basic(self) -> bytes:
        """Return user and password as Basic sends them."""
        encoded = b64encode(b"user:" + self.text())
        self.made.append(encoded.decode())
        return encoded


def fields_with(secrets: Secrets) -> Iterator[list[tuple[bytes, bytes]]]:
    """Give lists of header fields, with a secret in each place where clients put one."""
    right, wrong = secrets.token("acme"), secrets.token("globex")
    everywhere = [
        (b"cookie", b"sid=%s; theme=dark; token=%s" % (secrets.text(), secrets.token("acme"))),
        (b"x-api-token", secrets.text()),
        (b"x-api-key", secrets.text()),
        (b"proxy-authorization", b"Basic " + secrets.basic()),
        (b"orgfence", secrets.text()),
        (b"traceparent", secrets.text()),
        (b"referer", b"https://app.example.com/?code=" + secrets.text()),
        (b"user-agent", b"app/" + secrets.text()),
        (b"x-reply", b"Set-Cookie: session=" + secrets.text()),
        (b"x-reply", b"X-Correlation-Id: " + secrets.token("acme")),
        (b"x-reply", b"Location: https://app.example.com/?access_token=" + secrets.text()),
    ]
    for authorization in (
        b"Bearer " + right,
        b"Bearer " + wrong,
        b"Bearer " + secrets.text(),
        b"Bearer " + secrets.text() + b"." + secrets.text() + b"." + secrets.text(),
        b"Bearer " + right[:-5] + b"=" + secrets.text(),
        b"Bearer " + wrong + b" " + secrets.text(),
        b"Bearer " + secrets.text() * 2000,
        b"Bearer \xff\xfe" + secrets.text(),
        b"Basic " + secrets.basic(),
        b"Digest username=u, response=" + secrets.text(),
        secrets.text(),
    ):
        yield [(b"authorization", authorization), *everywhere]
    yield [(b"authorization", b"Bearer " + right), (b"authorization", b"Bearer " + secrets.text()), *everywhere]
    yield everywhere


def paths_with(secrets: Secrets, rule: str) -> Iterator[bytes]:
    """Give paths with secrets in query, fragment, matrix parameters and segments."""
    base = b"/status/%s/globex/403" % rule.encode()
    yield base + b"?access_token=%s&q=1&client_secret=%s" % (secrets.token("globex"), secrets.text())
    yield base + b"#access_token=" + secrets.text()
    yield b"/api/%s/acme;sid=%s/../globex" % (rule.encode(), secrets.text())
    yield b"/api/%s/%s/x" % (rule.encode(), secrets.token("acme"))
    yield b"/api/%s/globex/%s" % (rule.encode(), secrets.text())
    yield b"/api/%s/globex/%s" % (rule.encode(), quote("/../" + secrets.text().decode(), safe="").encode())
    yield b"/api/%s/acme?api_key=%s" % (rule.encode(), secrets.text()) + b"%2f" * 3000


def malformed_with(secrets: Secrets, way: Way, proxy: GuardingProxy) -> Iterator[bytes]:
    """Give what is no proper HTTP/1 request, each a reason for a parser to quote it."""
    good = proxy.head(way, b"POST", b"/api/block/globex/x", (b"authorization", b"Bearer " + secrets.token("acme")))
    line, _, rest = good.partition(b"\r\n")
    yield b"GET /x?access_token=" + secrets.text() + b"\r\n\r\n"
    yield b"GET http://user:%s@localhost:port/ HTTP/1.1\r\n\r\n" % secrets.text()
    yield b"GET http://[%s/ HTTP/1.1\r\nHost: x\r\n\r\n" % secrets.text()
    yield b"CONNECT user:%s@localhost HTTP/1.1\r\n\r\n" % secrets.text()
    yield b"CONNECT localhost:%s HTTP/1.1\r\n\r\n" % secrets.text()
    yield b"%s GET / HTTP/1.1\r\n\r\n" % secrets.text()
    yield b"GET / HTTP/%s\r\n\r\n" % secrets.text()
    yield b"Authorization: Bearer %s\r\n\r\n" % secrets.text()
    yield line + b"\r\nAuthorization Bearer %s\r\n" % secrets.text() + rest
    yield line + b"\r\nBearer %s\r\n" % secrets.text() + rest
    yield line + b"\r\n Authorization: %s\r\n" % secrets.text() + rest
    yield line + b"\r\nX-(%s): 1\r\n" % secrets.text() + rest
    yield line + b"\r\nX-Token : %s\r\n" % secrets.text() + rest
    yield line + b"\r\nX-Token: \x00%s\r\n" % secrets.text() + rest
    yield line + b"\r\nContent-Length: %s\r\n" % secrets.text() + rest
    yield line + b"\r\nContent-Length: 5\r\nContent-Length: %s\r\n" % secrets.text() + rest
    yield line + b"\r\nTransfer-Encoding: %s\r\n" % secrets.text() + rest
    yield line + b"\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n" + rest + secrets.text()
    allowed = good.replace(b"globex", b"acme")
    line, _, rest = allowed.partition(b"\r\n")
    yield line + b"\r\nTransfer-Encoding: chunked\r\n" + rest + b"%s\r\nbody\r\n" % secrets.text()
    yield (
        line + b"\r\nTransfer-Encoding: chunked\r\n" + rest + b"5;ext=%s\r\nhello%s" % (secrets.text(), secrets.text())
    )
    yield line + b"\r\nContent-Length: 500\r\n" + rest + b"password=" + secrets.text()
    yield b"\x16\x03\x01\x00\x20" + secrets.text()
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + secrets.text()
    yield b"\x00\x01" + secrets.text() + b"\r\n\r\n"


#: What upstream may answer instead of HTTP.
BROKEN_ANSWERS = (
    b"HTTP/1.1 %s OK\r\n\r\n",
    b"%s\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nSet-Cookie %s\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: %s\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%s\r\n",
    b"HTTP/1.1 200 OK\r\nSet-Cookie: %s\r\nContent-Length: 500\r\n\r\ncut",
    b"HTTP/1.1 403 %s\r\nContent-Length: 0\r\nX-Request-Id: token=%s\r\n\r\n",
)


@contextmanager
def broken_upstream(secrets: Secrets) -> Iterator[Address]:
    """Listen, and answer each connection by the next of the broken answers."""
    answers = iter([answer.replace(b"%s", secrets.text()) for answer in BROKEN_ANSWERS])

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self.request.recv(65536)
                self.request.sendall(next(answers, b""))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield "127.0.0.1", server.server_address[1]
        server.shutdown()
        thread.join()


def test_no_secret_is_written(shared_upstream: Upstream) -> None:
    """Log, metrics, readiness, and what the proxy itself answers, after all of this."""
    secrets = Secrets()
    with GuardingProxy(shared_upstream, POLICY) as proxy:
        shown = _send_proper_requests(proxy, secrets) + _send_malformed_requests(proxy, secrets)
        _abort_requests(proxy, secrets)
        with broken_upstream(secrets) as (_, port):
            for _ in BROKEN_ANSWERS:
                shown += _exchange(
                    proxy.forward,
                    b"GET http://localhost:%d/api/block/acme/x?token=%s HTTP/1.1\r\nHost: localhost\r\n"
                    b"Authorization: Bearer %s\r\n\r\n" % (port, secrets.text(), secrets.token("acme")),
                )
        # Nobody listens there any more.
        shown += _exchange(
            proxy.forward, b"GET http://u:%s@127.0.0.1:%d/ HTTP/1.1\r\nHost: x\r\n\r\n" % (secrets.text(), port)
        )
        with httpx.Client(base_url="http://%s:%d" % proxy.admin, trust_env=False) as admin:
            for path in ("/metrics", "/readyz", "/healthz", f"/?token={secrets.text().decode()}"):
                shown += admin.get(path, headers={"Authorization": f"Bearer {secrets.text().decode()}"}).text
        # Alive, and it has logged a thing or two.
        answer = proxy.call(FORWARD_H1, b"/api/block/acme/x", (b"authorization", b"Bearer " + secrets.token("acme")))
        assert answer.status == 200
        proxy.wait_for_event("inspection")
        proxy.stop()
        shown += proxy.output

    assert len(set(secrets.made)) == len(secrets.made) > 500
    leaked = [secret for secret in secrets.made if secret in shown]
    assert not leaked, [line[:500] for line in shown.splitlines() if any(secret in line for secret in leaked)][:5]
    assert "Traceback" not in shown


def _send_proper_requests(proxy: GuardingProxy, secrets: Secrets) -> str:
    """Send each kind of field and path each way; return what the proxy itself has answered."""
    answered: list[bytes] = []
    for way in WAYS:
        for rule in RULES:
            for number, path in enumerate(paths_with(secrets, rule)):
                # Not each with each: every field goes by every rule and every path by every way.
                for fields in list(fields_with(secrets))[number::7]:
                    with suppress(ConnectionError, AssertionError):
                        answer = proxy.call(way, path, *fields)
                        told = [
                            value for name, value in answer.headers if name.lower() in (b"orgfence", b"proxy-status")
                        ]
                        answered += told
    return b"\n".join(answered).decode("latin-1")


def _send_malformed_requests(proxy: GuardingProxy, secrets: Secrets) -> str:
    answered = ""
    for way in (FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN):
        for data in malformed_with(secrets, way, proxy):
            with proxy.raw(way) as client:
                answered += _finish(client, data)
    return answered


def _abort_requests(proxy: GuardingProxy, secrets: Secrets) -> None:
    """Go away in the midst of a head, a body, a stream and a handshake."""
    token = (b"authorization", b"Bearer " + secrets.token("acme"))
    for path in (b"/echo/block/acme/x", b"/echo/block/globex/x", b"/echo/annotate/globex/x"):
        for way in (FORWARD_PLAIN, FORWARD_H1, REVERSE_PLAIN):
            head = proxy.head(way, b"POST", path, token, (b"content-length", b"10000"), (b"cookie", secrets.text()))
            for data in (head[:-10], head, head + b"password=" + secrets.text()):
                with proxy.raw(way) as client:
                    client.send(data)
        with proxy.http2() as stream:
            stream_id = stream.request(proxy.pseudo(FORWARD_H2, b"POST", path, token), end=False)
            stream.send_data(stream_id, secrets.text())
            stream.reset(stream_id)
        with proxy.http2() as stream:
            stream_id = stream.request(proxy.pseudo(FORWARD_H2, b"POST", path, token), end=False)
            stream.send_data(stream_id, secrets.text())


def _exchange(address: Address, data: bytes) -> str:
    with RawClient(address) as client:
        return _finish(client, data)


def _finish(client: RawClient, data: bytes) -> str:
    """Send this, and go when the other side has closed, or waits for more; return a page of ours."""
    client.socket.settimeout(0.2)
    answer = b""
    with suppress(OSError):
        client.send(data)
        while piece := client.socket.recv(65536):
            answer += piece
    is_ours = b"\r\nServer: mitmproxy" in answer or b"\r\nProxy-Status: orgfence" in answer
    return answer.decode("latin-1") if is_ours else ""


@pytest.mark.parametrize("way", [FORWARD_H1, FORWARD_H2], ids=str)
def test_a_problem_document_quotes_no_token(proxy: GuardingProxy, way: Way) -> None:
    """The answer to a block tells of orgs, never of the credential that it was read from."""
    secrets = Secrets()
    for fields in fields_with(secrets):
        answer = proxy.call(way, b"/api/strict/initech/x", *fields)
        assert answer.status in (400, 403)
        shown = answer.body.decode() + str(answer.headers)
        assert not [secret for secret in secrets.made if secret in shown]
