"""An app, orgfence beside it, and an API elsewhere, in network namespaces: nobody there was told of a proxy.

`redirect.sh` is run in the app's namespace as an init container would run it. Names are resolved by a hosts file of
the namespace's own; orgfence runs as a user of its own that may do nothing.
"""

import os
import shlex
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self

from tests.proxy.guarding import announced
from tests.proxy.harness import DEADLINE, CertificateAuthority, ProxyProcess

ROOT = Path(__file__).parents[2]
REDIRECT = ROOT / "deploy" / "transparent" / "redirect.sh"

UID = 1337
PORT = 15001
ADMIN = "127.0.0.1:9464"

#: By name: the address of an API that the policy guards, by IPv4 and by IPv6, and of one that it does not.
HOSTS = {"api.test": "10.77.0.2", "api6.test": "fd77::2", "other.test": "10.77.0.3", "other6.test": "fd77::3"}
#: What the app's side has of the same two networks.
APP_ADDRESSES = ("10.77.0.1/24", "fd77::1/64")

_PROGRAMS = ("ip", "iptables", "ip6tables", "setpriv", "curl")
_WITHOUT_PRIVILEGES = (
    f"setpriv --reuid={UID} --regid={UID} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all"
)


def missing() -> str | None:
    """Return why there can be no such namespaces here; None where there can."""
    if os.geteuid() != 0:
        return "network namespaces and iptables need root"
    absent = [program for program in _PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (Debian's iproute2, iptables, util-linux and curl have them)"
    name = f"orgfence-try-{os.getpid()}"
    tried = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        return f"no network namespace can be made here: {tried.stderr.strip()}"
    try:
        for program in ("iptables", "ip6tables"):
            rule = [program, "-t", "nat", "-A", "OUTPUT", "-p", "tcp", "-m", "owner", "--uid-owner", "1", "-j"]
            command = ["ip", "netns", "exec", name, *rule, "REDIRECT", "--to-ports", "1"]
            tried = subprocess.run(command, capture_output=True, text=True, check=False)
            if tried.returncode != 0:
                return f"{program} cannot redirect here: {tried.stderr.strip()}"
        tried = subprocess.run(
            [
                "ip",
                "netns",
                "exec",
                name,
                "sh",
                "-c",
                f'{_as_orgfence()} "$@"',
                "sh",
                sys.executable,
                "-c",
                "import ssl",
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        if tried.returncode != 0:
            return f"another user cannot run {sys.executable}: {tried.stderr.strip()}"
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
    return None


class Seen(NamedTuple):
    """One request as the API got it."""

    #: The address that it came to.
    address: str
    scheme: str
    path: str
    headers: list[tuple[str, str]]


class Ended(NamedTuple):
    """A program of the app's that has ended."""

    exit_code: int
    stdout: str
    stderr: str


class Pod:
    """The two namespaces, a cable between them, and the API at its other end."""

    def __init__(self) -> None:
        self.app_namespace = f"orgfence-app-{os.getpid()}"
        self._api_namespace = f"orgfence-api-{os.getpid()}"
        self.seen: list[Seen] = []

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="orgfence-pod-")))
            self.folder.chmod(0o755)
            self._make_namespaces(stack)
            self._serve(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def run(self, *command: str, environment: Mapping[str, str] | None = None, check: bool = False) -> Ended:
        """Run a program of the app's to its end; of our environment it gets PATH alone."""
        ended = subprocess.run(
            ["ip", "netns", "exec", self.app_namespace, *command],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
            env={"PATH": os.environ["PATH"], **(environment or {})},
        )
        assert not check or ended.returncode == 0, f"{command}: {ended.stderr}"
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def redirect(self, *arguments: str) -> None:
        """Run the script of the init container."""
        environment = {"ORGFENCE_UID": str(UID), "ORGFENCE_PORT": str(PORT)}
        self.run("sh", str(REDIRECT), *arguments, environment=environment, check=True)

    def rules(self) -> str:
        """Return what iptables has in the app's namespace."""
        return self.run("iptables-save", check=True).stdout + self.run("ip6tables-save", check=True).stdout

    def in_app[T](self, make: Callable[[], T]) -> T:
        """Return what a function makes in the app's namespace, sockets above all."""
        return _in_namespace(self.app_namespace, make)

    def orgfence(self, policy: str) -> ProxyProcess:
        """Return an `orgfence run` that stands beside the app, as a user of its own."""
        policy_file = self.folder / "policy.yaml"
        policy_file.write_text(policy)

        def command(confdir: Path) -> Sequence[str]:
            os.chown(confdir, UID, UID)
            orgfence = [sys.executable, "-m", "orgfence", "run", "--set", f"confdir={confdir}"]
            script = f'{_as_orgfence()} "$@"'
            return ["ip", "netns", "exec", self.app_namespace, "sh", "-c", script, "sh", *orgfence]

        modes = [word for host in ("127.0.0.1", "::1") for word in ("--mode", f"transparent@{host}:{PORT}")]
        trusted = f"ssl_verify_upstream_trusted_ca={self.ca_file}"
        return ProxyProcess(
            [*modes, "--admin", ADMIN, "--policy", str(policy_file), "--set", trusted],
            command=command,
            ready=announced,
            environment={"HOME": str(self.folder)},
        )

    def metrics(self) -> dict[str, float]:
        """Return every sample by its name and labels."""
        text = self.run("curl", "-s", f"http://{ADMIN}/metrics", check=True).stdout
        lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in lines}

    def _make_namespaces(self, stack: ExitStack) -> None:
        hosts = Path("/etc/netns") / self.app_namespace
        stack.callback(shutil.rmtree, hosts, ignore_errors=True)
        hosts.mkdir(parents=True)
        (hosts / "hosts").write_text("".join(f"{address} {name}\n" for name, address in HOSTS.items()))
        for namespace in (self.app_namespace, self._api_namespace):
            _ip("netns", "add", namespace)
            stack.callback(_ip, "netns", "del", namespace)
            _ip("-n", namespace, "link", "set", "lo", "up")
        app_end = ("link", "add", "to-api", "netns", self.app_namespace, "type", "veth")
        _ip(*app_end, "peer", "name", "to-app", "netns", self._api_namespace)
        for address in APP_ADDRESSES:
            _ip("-n", self.app_namespace, "addr", "add", address, "dev", "to-api", *_no_wait(address))
        for address in HOSTS.values():
            length = "/64" if ":" in address else "/24"
            _ip("-n", self._api_namespace, "addr", "add", address + length, "dev", "to-app", *_no_wait(address))
        _ip("-n", self.app_namespace, "link", "set", "to-api", "up")
        _ip("-n", self._api_namespace, "link", "set", "to-app", "up")

    def _serve(self, stack: ExitStack) -> None:
        authority = CertificateAuthority(self.folder)
        self.ca_file = authority.file
        certificate, key = authority.issue([*HOSTS, *HOSTS.values()])
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        for port in (80, 443):
            listening = _in_namespace(self._api_namespace, lambda port=port: _listen(port))  # type: ignore[misc] # the loop's port
            if port == 443:
                listening = tls.wrap_socket(listening, server_side=True, do_handshake_on_connect=False)
            server = _Api(listening, "https" if port == 443 else "http", self.seen)
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), name=f"API on port {port}")
            thread.start()
            stack.callback(thread.join, DEADLINE)
            stack.callback(server.server_close)
            stack.callback(server.shutdown)


class _Api(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, listening: socket.socket, scheme: str, seen: list[Seen]) -> None:
        super().__init__(("", 0), _Answering, bind_and_activate=False)
        self.socket.close()
        self.socket = listening
        self.scheme = scheme
        self.seen = seen

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away."""


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Api

    def do_GET(self) -> None:
        address = self.connection.getsockname()[0].removeprefix("::ffff:")
        self.server.seen.append(Seen(address, self.server.scheme, self.path, self.headers.items()))
        body = b"the API's answer"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name for it
        """Write nothing."""


def _listen(port: int) -> socket.socket:
    return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)


def _in_namespace[T](name: str, make: Callable[[], T]) -> T:
    """Call a function on a thread that is in a namespace; the sockets that it makes stay in there."""
    made: list[T] = []

    def call() -> None:
        with Path("/run/netns", name).open() as namespace:
            os.setns(namespace.fileno(), os.CLONE_NEWNET)
        made.append(make())

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(DEADLINE)
    return made[0]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=DEADLINE)


def _no_wait(address: str) -> list[str]:
    # An IPv6 address cannot be used at once unless nobody looks whether another has it.
    return ["nodad"] if ":" in address else []


def _as_orgfence() -> str:
    """Return shell text that ends in a command's prefix: as orgfence's user, who can read what Python is made of.

    Where Python is in a folder of root's own, such a folder is shown to that process alone that holds nothing else.
    """
    linked = Path(sys.executable).readlink() if Path(sys.executable).is_symlink() else Path(sys.executable)
    executables = (Path(sys.executable), linked, Path(sys.executable).resolve())
    needed = {Path(sys.base_prefix), Path(sys.prefix), ROOT, *(each.parent.parent for each in executables)}
    hidden = {
        folder: sorted(paths) for folder in _closed(needed) if (paths := [p for p in needed if folder in p.parents])
    }
    lines = []
    for folder, paths in hidden.items():
        lines.append("stash=$(mktemp -d) && mount -t tmpfs -o mode=755 none $stash")
        for number, path in enumerate(paths):
            lines.append(f"mkdir $stash/{number} && mount --bind {shlex.quote(str(path))} $stash/{number}")
        lines.append(f"mount -t tmpfs -o mode=755 none {shlex.quote(str(folder))}")
        for number, path in enumerate(paths):
            name = shlex.quote(str(path))
            lines.append(f"mkdir -p {name} && mount --bind $stash/{number} {name}")
    return "\n".join(["set -e", *lines, f"exec {_WITHOUT_PRIVILEGES}"])


def _closed(needed: set[Path]) -> set[Path]:
    """Return the outermost folders above these that other users may not enter."""
    found = set()
    for path in needed:
        above = [folder for folder in reversed(path.parents) if not folder.stat().st_mode & 0o001]
        found.update(above[:1])
    return found
