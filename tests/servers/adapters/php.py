"""PHP: its own server on loopback, which takes queries, cookies and forms apart as every other way to run PHP does."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.servers.line_process import ANSWER_LIMIT, decoded
from tests.servers.server import Channel, MissingServer, Reads, Sent, Server

_LABELS = {
    Channel.QUERY: ("$_GET", "parse_str"),
    Channel.COOKIE: ("$_COOKIE",),
    Channel.FORM: ("$_POST",),
    Channel.JSON: ("json_decode",),
}
_PRINTABLE = bytes(range(0x21, 0x7F))


class _Php(Server):
    def __init__(self, php: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._address = free.getsockname()
        self._process = subprocess.Popen(
            [php, "-n", "-S", "%s:%d" % self._address, "names.php"],
            cwd=Path(__file__).parent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.name = "PHP"
        self.channels = frozenset(_LABELS)
        self.version = self._first_answer()["version"]

    def read(self, sent: Sent, name: str) -> Reads:
        if sent.channel not in self.channels:
            return {}
        headers, target, body = {"X-Name": name.encode()}, b"/", b""
        if sent.channel is Channel.QUERY:
            headers["X-Query"] = sent.data.hex().encode()
            # Its server takes no request line that holds other bytes.
            if not sent.data.translate(None, _PRINTABLE):
                target += b"?" + sent.data
        elif sent.channel is Channel.COOKIE:
            headers["Cookie"] = sent.data
        else:
            headers["Content-Type"], body = sent.content_type, sent.data
        answer = self._ask(target, headers, body)
        return decoded({label: answer[label] for label in _LABELS[sent.channel]})

    def _first_answer(self) -> Mapping[str, Any]:
        deadline = time.monotonic() + ANSWER_LIMIT
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                return self._ask(b"/", {}, b"")
            except ConnectionError:
                time.sleep(0.02)  # until it listens
        self.close()
        raise MissingServer("`php -S` does not listen")

    def _ask(self, target: bytes, headers: Mapping[str, bytes], body: bytes) -> Mapping[str, Any]:
        fields = {"Host": b"localhost", "Content-Length": b"%d" % len(body), **headers}
        head = b"".join(b"%b: %b\r\n" % (name.encode(), value) for name, value in fields.items())
        with socket.create_connection(self._address, ANSWER_LIMIT) as connection:
            connection.settimeout(ANSWER_LIMIT)
            connection.sendall(b"POST %b HTTP/1.1\r\n%b\r\n%b" % (target, head, body))
            answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        document: Mapping[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
        return document

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def start() -> Server:
    """Start the process."""
    php = shutil.which("php")
    if php is None:
        raise MissingServer("there is no `php` here")
    return _Php(php)
