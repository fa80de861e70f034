"""Transparent mode in network namespaces: an app that knows of no proxy, and iptables as an init container sets it."""

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.proxy.guarding import ISS, bearer, json_line, wait_until
from tests.proxy.harness import DEADLINE, ProxyProcess
from tests.system.namespaces import HOSTS, PORT, UID, Ended, Pod, missing

POLICY = f"""
version: 1
issuers:
  corp: {{iss: {ISS}, claims: {{member: org_ids}}}}
rules:
  - id: block
    match: {{hosts: [api.test, api6.test, 10.77.0.2, "[fd77::2]"], paths: ["/block/{{org}}/**"]}}
    org: {{path: org}}
    enforcement: block
  - id: annotate
    match: {{hosts: [api.test, api6.test], paths: ["/annotate/{{org}}/**"]}}
    org: {{path: org}}
    enforcement: annotate
"""

GUARDED = ("api.test", "api6.test")
#: curl's exit codes.
REFUSED, NOTHING_CAME = 7, (35, 52, 56)


@pytest.fixture(scope="module")
def pod() -> Iterator[Pod]:
    """The namespaces, with the rules of the init container."""
    if why := missing():
        pytest.skip(why)
    with Pod() as pod:
        pod.redirect()
        yield pod


@pytest.fixture(scope="module")
def running(pod: Pod) -> Iterator[ProxyProcess]:
    """orgfence beside the app, for all tests that leave it alone."""
    with pod.orgfence(POLICY) as proxy:
        yield proxy


@pytest.fixture
def proxy(pod: Pod, running: ProxyProcess) -> ProxyProcess:
    """The same, of which upstream has seen nothing yet."""
    pod.seen.clear()
    return running


def curl(pod: Pod, proxy: ProxyProcess, url: str, *arguments: str, org: str = "acme") -> Ended:
    """Call a URL as an app does that trusts the proxy's CA: the answer with its head."""
    ca = proxy.confdir / "mitmproxy-ca-cert.pem"
    credential = f"Authorization: {bearer(org).decode()}"
    return pod.run("curl", "-s", "-i", "-m", str(DEADLINE), "--cacert", str(ca), "-H", credential, *arguments, url)


def status_of(answer: Ended) -> int:
    """Return the status of curl's answer."""
    assert answer.exit_code == 0, answer.stderr
    return int(answer.stdout.split()[1])


@pytest.mark.parametrize("http2", [False, True], ids=["h1", "h2 offered"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", GUARDED)
def test_curl_is_judged(pod: Pod, proxy: ProxyProcess, host: str, scheme: str, http2: bool) -> None:
    """By IPv4 and IPv6, plain and TLS: allowed as it is, blocked before upstream, annotated on both sides."""
    version = "--http2" if http2 and scheme == "https" else "--http1.1"
    allowed = curl(pod, proxy, f"{scheme}://{host}/block/acme/1", version)
    blocked = curl(pod, proxy, f"{scheme}://{host}/block/acme/2", version, org="globex")
    annotated = curl(pod, proxy, f"{scheme}://{host}/annotate/acme/3", version, org="globex")

    assert (status_of(allowed), status_of(blocked), status_of(annotated)) == (200, 403, 200)
    assert '"reason": "org_not_granted"' in blocked.stdout
    assert "orgfence: mismatch; reason=org_not_granted" in annotated.stdout.lower()
    assert [(it.address, it.scheme, it.path) for it in pod.seen] == [
        (HOSTS[host], scheme, "/block/acme/1"),
        (HOSTS[host], scheme, "/annotate/acme/3"),
    ]
    assert not [name for name, _ in pod.seen[0].headers if name.lower() == "orgfence"]
    assert [value for name, value in pod.seen[1].headers if name.lower() == "orgfence"]


PYTHON_APP = """
import sys, httpx
credential = {"Authorization": sys.argv[1]}
with httpx.Client(headers=credential, timeout=20) as client:
    for url in sys.argv[2:]:
        print(client.get(url).status_code)
"""


def test_a_python_app_needs_the_ca_and_nothing_else(pod: Pod, proxy: ProxyProcess) -> None:
    """One httpx client, with connections kept alive to both families, plain and TLS, is judged request by request."""
    urls = [
        f"{scheme}://{host}/block/{org}/x"
        for scheme in ("http", "https")
        for host in GUARDED
        for org in ("acme", "globex", "acme")
    ]
    trust = {"SSL_CERT_FILE": str(proxy.confdir / "mitmproxy-ca-cert.pem")}
    app = pod.run(sys.executable, "-c", PYTHON_APP, bearer("acme").decode(), *urls, environment=trust, check=True)
    assert app.stdout.split() == ["200", "403", "200"] * 4
    assert len(pod.seen) == 8


@pytest.mark.parametrize("named", ["other.test", "other6.test", "nowhere.invalid"])
@pytest.mark.parametrize("dialled", GUARDED)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_foreign_name_does_not_lead_past_a_guarded_address(
    pod: Pod, proxy: ProxyProcess, scheme: str, dialled: str, named: str
) -> None:
    """Host and SNI are the client's word: a rule that names the address is for all that goes there."""
    port = 443 if scheme == "https" else 80
    address = HOSTS[dialled]
    to = f"{named}:{port}:{f'[{address}]' if ':' in address else address}:{port}"
    answer = curl(pod, proxy, f"{scheme}://{named}/block/acme/x", "--connect-to", to, org="globex")
    assert status_of(answer) == 403
    assert pod.seen == []


@pytest.mark.parametrize("address", ["10.77.0.2", "[fd77::2]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_an_address_alone_is_judged(pod: Pod, proxy: ProxyProcess, scheme: str, address: str) -> None:
    """A client that names no host, neither in Host nor by SNI, is judged by the address that it dialled."""
    url = f"{scheme}://{address}/block/acme/x"
    assert status_of(curl(pod, proxy, url, org="globex")) == 403
    assert pod.seen == []
    assert status_of(curl(pod, proxy, url)) == 200


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_guarded_name_is_judged_wherever_it_is_dialled(pod: Pod, proxy: ProxyProcess, scheme: str) -> None:
    """The address may be any: that of a load balancer, a proxy, or one that was in DNS until a minute ago."""
    port = 443 if scheme == "https" else 80
    to = f"api.test:{port}:{HOSTS['other.test']}:{port}"
    answer = curl(pod, proxy, f"{scheme}://api.test/block/acme/x", "--connect-to", to, org="globex")
    assert status_of(answer) == 403
    assert pod.seen == []


@pytest.mark.parametrize("host", ["other.test", "other6.test"])
def test_what_no_rule_guards_passes_undecrypted(pod: Pod, proxy: ProxyProcess, host: str) -> None:
    """The client sees upstream's own certificate, and the connection is counted by why it passed."""
    why = 'orgfence_unguarded_connections_total{why="host_not_guarded"}'
    before = pod.metrics()[why]
    passed = curl(pod, proxy, f"https://{host}/block/acme/x", "--cacert", str(pod.ca_file), org="globex")
    plain = curl(pod, proxy, f"http://{host}/block/acme/x", org="globex")
    assert (status_of(passed), status_of(plain)) == (200, 200)
    assert pod.metrics()[why] == before + 1
    assert [it.address for it in pod.seen] == [HOSTS[host]] * 2


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_proxys_own_port_leads_nowhere(pod: Pod, proxy: ProxyProcess, host: str, scheme: str) -> None:
    """An app that dials it gets no answer of anybody's, it is counted as what it is, and nothing runs in circles."""
    counted = 'orgfence_decisions_total{enforcement="block",reason="own_address",rule="none",verdict="mismatch"}'
    before = pod.metrics()
    answer = curl(pod, proxy, f"{scheme}://{host}:{PORT}/block/acme/x", "-k")
    assert answer.exit_code in NOTHING_CAME or answer.stdout.split()[1] in ("403", "502"), answer
    after = pod.metrics()
    assert after[counted] == before.get(counted, 0) + 1
    # The client's connection alone: none of the proxy's own to itself.
    assert status_of(curl(pod, proxy, "http://api.test/block/acme/x")) == 200
    assert len(pod.seen) == 1


def test_it_may_do_nothing(proxy: ProxyProcess) -> None:
    """It runs as its own user, with no capability and no way to get one."""
    status = Path(f"/proc/{proxy.pid}/status").read_text().splitlines()
    fields = dict(line.split(":\t", 1) for line in status if ":\t" in line)
    assert set(fields["Uid"].split()) == {str(UID)}
    assert {int(fields[f"Cap{kind}"], 16) for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb")} == {0}
    assert fields["NoNewPrivs"] == "1"


@pytest.mark.parametrize("host", GUARDED)
def test_quic_is_refused_at_once(pod: Pod, proxy: ProxyProcess, host: str) -> None:
    """A datagram to port 443 gets an error, not silence, so that a client turns to TCP without waiting."""
    family = socket.AF_INET6 if ":" in HOSTS[host] else socket.AF_INET
    with pod.in_app(lambda: socket.socket(family, socket.SOCK_DGRAM)) as datagrams:
        datagrams.settimeout(DEADLINE)
        datagrams.connect((HOSTS[host], 443))
        with suppress(ConnectionRefusedError, PermissionError):
            datagrams.send(b"\xc0\x00\x00\x00\x01")
            datagrams.recv(1)
            pytest.fail("the datagram was answered")


def test_nothing_passes_while_the_script_runs_again(pod: Pod, proxy: ProxyProcess) -> None:
    """The rules do not leave meanwhile: what they have counted is still there afterwards."""
    assert status_of(curl(pod, proxy, "http://api.test/block/acme/x")) == 200
    before = _redirected(pod)
    pod.redirect()
    assert _redirected(pod) >= before > 0


def _redirected(pod: Pod) -> int:
    listed = pod.run("iptables", "-w", "-t", "nat", "-vxnL", "OUTPUT", check=True).stdout
    return next(int(line.split()[0]) for line in listed.splitlines() if "ORGFENCE" in line)


def test_the_script_may_run_twice_and_takes_all_away(pod: Pod) -> None:
    """An init container that is run again adds nothing; `remove` leaves nothing."""
    once = _without_counters(pod.rules())
    pod.redirect()
    assert _without_counters(pod.rules()) == once
    assert once.count("-j ORGFENCE") == 4
    pod.redirect("remove")
    assert "ORGFENCE" not in pod.rules()
    pod.redirect()
    assert _without_counters(pod.rules()) == once


def _without_counters(rules: str) -> str:
    lines = [line for line in rules.splitlines() if not line.startswith("#")]
    return "\n".join(line.partition(" [")[0] for line in lines)


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["api.test", "other6.test"])
def test_its_death_is_refusal(pod: Pod, running: ProxyProcess, host: str, scheme: str) -> None:
    """While no orgfence runs, what the app dials is refused at once, guarded or not; nothing goes by it."""
    running.signal(signal.SIGKILL)
    with suppress(ProcessLookupError):
        running.wait()
    pod.seen.clear()
    assert curl(pod, running, f"{scheme}://{host}/block/acme/x").exit_code == REFUSED
    assert pod.seen == []


def test_one_that_comes_back_goes_on(pod: Pod, running: ProxyProcess) -> None:
    """A new orgfence takes over with the rules as they stand; it ends well and says no error of its own."""
    wait_until(lambda: not running.running)
    with pod.orgfence(POLICY) as proxy:
        assert status_of(curl(pod, proxy, "https://api.test/block/acme/x")) == 200
    assert not [line for line in proxy.stderr if json_line(line).get("level") == "error"]
