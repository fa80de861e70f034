"""A browser app's view of a block: a real Chromium, whose CORS rules decide what the app may read."""

import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.proxy.guarding import GuardingProxy, token
from tests.proxy.harness import Upstream

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no `chromium` here")

# The app writes what it could learn of each call into the page, which Chromium prints when it is done.
_PAGE = """<!doctype html><pre id=seen></pre><script>
const calls = %s, seen = [];
(async () => {
  for (const [url, token] of calls) {
    try {
      const response = await fetch(url, {headers: {Authorization: "Bearer " + token}});
      seen.push({status: response.status, by: response.headers.get("proxy-status"), body: await response.json()});
    } catch (error) {
      seen.push({error: String(error)});
    }
  }
  document.getElementById("seen").textContent = JSON.stringify(seen);
  document.title = "done";
})();
</script>"""


class _Server(ThreadingHTTPServer):
    """Serves the app's page on `/`, and an API that allows every origin on all other paths."""

    page = b""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[tuple[str, str]] = []


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_OPTIONS(self) -> None:
        self._answer(b"", "text/plain")

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer(self.server.page, "text/html")
        else:
            self._answer(b'{"users": ["someone"]}', "application/json")

    def _answer(self, body: bytes, content_type: str) -> None:
        self.server.seen.append((self.command, self.path))
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Access-Control-Allow-Origin", "*")
        self.send_header("Access-Control-Allow-Headers", "authorization")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing: pytest's output is for what fails."""


@contextmanager
def _serving() -> Iterator[_Server]:
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_a_browser_app_can_read_why_it_was_blocked(tmp_path: Path) -> None:
    """The preflight passes, the right call passes, and of the wrong one the app sees the problem, not "CORS error"."""
    with _serving() as api, _serving() as app:
        right, wrong = (f"http://localhost:{api.server_port}/echo/block/{org}/users" for org in ("acme", "globex"))
        app.page = (_PAGE % json.dumps([(right, token("acme")), (wrong, token("acme"))])).encode()
        with Upstream() as upstream, GuardingProxy(upstream) as proxy:
            seen = _run_chromium(f"http://127.0.0.1:{app.server_port}/", proxy, tmp_path)

    assert seen[0] == {"status": 200, "by": None, "body": {"users": ["someone"]}}
    assert seen[1]["status"] == 403
    assert seen[1]["body"]["reason"] == "org_not_granted"
    assert "orgfence" in seen[1]["by"]
    assert [(method, path) for method, path in api.seen if path.endswith("/globex/users")] == [
        ("OPTIONS", "/echo/block/globex/users")
    ]


def _run_chromium(url: str, proxy: GuardingProxy, folder: Path) -> list[dict[str, Any]]:
    assert CHROMIUM is not None
    host, port = proxy.forward
    arguments = [
        *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *(f"--user-data-dir={folder}", f"--proxy-server=http://{host}:{port}", "--proxy-bypass-list=<-loopback>"),
        *("--virtual-time-budget=10000", "--dump-dom", url),
    ]
    page = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True).stdout
    text = page.partition('<pre id="seen">')[2].partition("</pre>")[0]
    assert text, page
    seen: list[dict[str, Any]] = json.loads(unescape(text))
    return seen
