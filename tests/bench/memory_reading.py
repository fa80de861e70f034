"""What the proxy's memory does when an HTTP/2 client asks for much and stops reading.

Once its flow control stays shut, as that of a paused player; once it opens it wide and then never reads its socket.
"""

import socket
import ssl
import tempfile
import time
from pathlib import Path

import h2.config
import h2.connection
import h2.events
import h2.settings
import httpx
from tests.bench import contenders
from tests.bench.contenders import Orgfence
from tests.bench.curve import MIB, draw, sampling
from tests.bench.h2load import HOST
from tests.bench.parts import Run
from tests.bench.policies import SERVICE, token
from tests.bench.table import Row
from tests.bench.upstreams import taking

_ALLOWANCE = 32.0
# The widest that flow control can be opened.
_WIDEST = 2**31 - 1


def rows(run: Run) -> list[Row]:
    """Return the memory while the client does not read, and how much upstream could send."""
    size, seconds = (256 * MIB, 5.0) if run.quick else (1024 * MIB, 30.0)
    found, curves = [], []
    for what, window in (("flow control stays shut", None), ("the socket is not read", _WIDEST)):
        title = f"{size // MIB:,} MiB asked for, {what}"
        # A proxy each: what one has left behind would be the start of the other.
        with (
            tempfile.TemporaryDirectory() as name,
            taking() as (upstream, port),
            contenders.orgfence(upstream, Path(name)) as proxy,
        ):
            with sampling(what, proxy.process.pid) as curve:
                _ask_and_wait(proxy, size, window, seconds)
            taken = int(httpx.get(f"http://127.0.0.1:{port}/taken", trust_env=False).text) / MIB
        curves.append(curve)
        grown = curve.peak - curve.start
        measured = f"{curve.words()}; upstream could send {taken:.0f} MiB in {seconds:.0f} s"
        found.append(Row(title, measured, f"+ ≤ {_ALLOWANCE:.0f} MiB", grown <= _ALLOWANCE))
    picture = draw(curves, "An HTTP/2 client that stops reading", run.pictures / "memory-reading.png")
    return [*found[:-1], found[-1]._replace(picture=picture)]


def _ask_and_wait(proxy: Orgfence, size: int, window: int | None, seconds: float) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", proxy.process.port), 20) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as client,
    ):
        connection = h2.connection.H2Connection(h2.config.H2Configuration())
        connection.initiate_connection()
        if window is not None:
            connection.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
            connection.increment_flow_control_window(window - 65_535)
        request = [(":method", "GET"), (":scheme", "https"), (":authority", HOST)]
        request += [(":path", f"{SERVICE}/acme/download?bytes={size}"), ("authorization", f"Bearer {token()}")]
        connection.send_headers(1, request, end_stream=True)
        client.sendall(connection.data_to_send())
        _await_answer(client, connection)
        time.sleep(seconds)


def _await_answer(client: ssl.SSLSocket, connection: h2.connection.H2Connection) -> None:
    """Read until the answer has begun; raises if it is not a 200."""
    while True:
        data = client.recv(16_384)
        if not data:
            raise RuntimeError("the proxy closed the connection")
        for event in connection.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                status = dict(event.headers or ())[b":status"]
                if status != b"200":
                    raise RuntimeError(f"answered by {status.decode()}")
                return
        client.sendall(connection.data_to_send())
