"""The running proxy: from the operator's settings to a listening master, and a clean end.

Whatever is wrong with the settings is found before anything listens, and said in one line.

What it takes for granted in mitmproxy stands in `relied_on`.
"""

from collections.abc import Callable, Sequence

from mitmproxy import contentviews
from mitmproxy.master import Master
from mitmproxy.options import Options

from orgfence.addresses import shown
from orgfence.errors import StartError
from orgfence.observe.admin import AdminServer, Readiness
from orgfence.observe.metrics import Metrics
from orgfence.policy_source.in_force import PolicyInForce
from orgfence.proxy.addon import STREAM_ABOVE, STREAM_ABOVE_WITH_VIEW, Orgfence
from orgfence.proxy.interception import silent_tunnels
from orgfence.proxy.interception.own_addresses import OwnAddresses
from orgfence.proxy.interception.scope import Scope
from orgfence.proxy.lean.lean_master import LeanMaster
from orgfence.proxy.lifetime.descriptors import raise_limit
from orgfence.proxy.lifetime.draining import DRAIN_SECONDS, Draining
from orgfence.proxy.lifetime.signals import on_signals
from orgfence.proxy.listening import Listening, cannot_listen, listening_of, proxyserver_of, readiness_of, why
from orgfence.proxy.options import NEEDED
from orgfence.proxy.relied_on.assumptions import refuse_other_mitmproxy
from orgfence.proxy.reporter import Reporter
from orgfence.proxy.settings import Settings, apply_settings
from orgfence.proxy.wire import mending, websockets
from orgfence.proxy.wire.websockets import KEPT_WITH_VIEW, ForgottenMessages


async def serve(
    settings: Settings,
    policy: PolicyInForce,
    metrics: Metrics,
    reporter: Reporter,
    announce: Callable[[Listening], None],
    *,
    drain: float = DRAIN_SECONDS,
) -> None:
    """Run until a signal says to end, and what is in flight then has got `drain` seconds.

    Raises `StartError` for what keeps the proxy from starting.
    """
    refuse_other_mitmproxy()
    raise_limit()
    own = OwnAddresses()
    stream_above = STREAM_ABOVE_WITH_VIEW if settings.web else STREAM_ABOVE
    guard = Orgfence(policy.ruleset, reporter, stream_above=stream_above, own=own, keeps_bodies=settings.web)
    metrics.show_held_bodies(lambda: guard.held.bytes)
    scope = Scope(lambda: guard.ruleset, reporter, own)
    guards: list[object] = [scope, guard]
    if settings.web:
        guards.append(ForgottenMessages(KEPT_WITH_VIEW))
        websockets.install_bounded()
    else:
        websockets.install()
    master = _make_master(settings, guards)
    apply_settings(settings, master)

    startup = _Startup(master, policy)
    master.addons.add(startup)
    mending.install(guard, master.addons)
    silent_tunnels.install(scope)
    admin = AdminServer(metrics, startup.readiness)
    try:
        admin_address = admin.listen(*settings.admin)
    except OSError as error:
        raise cannot_listen(settings.admin, error, "--admin") from None

    def is_up() -> None:
        own.follow(master, admin_address)
        announce(listening_of(master, admin_address))
        policy.watch(guard.use)

    startup.when_up = is_up
    draining = Draining(master, drain, startup.done)
    on_signals(end=draining.begin, stop=draining.stop)
    try:
        await master.run()
    except OSError as error:
        # mitmweb's own port is opened last.
        address = shown((master.options.web_host, master.options.web_port))
        raise StartError(
            f"mitmweb cannot listen on {address}: {why(error)}. Choose another port by `--set web_port=PORT`",
            exit_code=1,
        ) from None
    finally:
        policy.stop()
        await admin.close()
    if startup.fault is not None:
        raise startup.fault


class _Startup:
    """Stands last among the addons, and sees whether all that had to come up is up."""

    name = "orgfence_startup"

    def __init__(self, master: Master, policy: PolicyInForce) -> None:
        self.when_up: Callable[[], None] = lambda: None
        self.fault: StartError | None = None
        self._master = master
        self._policy = policy
        self._not_ready: tuple[str, ...] = ("the proxy is starting",)

    def running(self) -> None:
        """Announce the proxy, or end it if one of its addresses could not be had."""
        for server in proxyserver_of(self._master).servers:
            if server.last_exception is not None:
                options = self._master.options
                host = server.mode.listen_host(options.listen_host)
                port = server.mode.listen_port(options.listen_port)
                self.fault = cannot_listen((host, port or 0), server.last_exception, "--listen")
                self._master.shutdown()
                return
        self._not_ready = ()
        self.when_up()

    def done(self) -> None:
        """Stop being ready, so that no more traffic is sent here."""
        self._not_ready = ("the proxy is stopping",)

    def readiness(self) -> Readiness:
        """Return whether requests would be served and judged now."""
        return readiness_of(self._master, self._policy, self._not_ready)


def _make_master(settings: Settings, guards: Sequence[object]) -> Master:
    options = Options()
    # Before any addon is told of an option, since ours refuses what undoes it.
    options.update_known(**NEEDED)
    if not settings.web:
        return LeanMaster(options, guards)

    # mitmweb costs a third of a second to import, which nobody else should wait for.
    from mitmproxy.tools.web.master import WebMaster  # noqa: PLC0415

    from orgfence.proxy.content_view import OrgfenceContentview  # noqa: PLC0415

    master = WebMaster(options, with_termlog=False)
    master.addons.add(*guards)
    contentviews.add(OrgfenceContentview())
    # It ends the process at an error while starting and says only that there was one; we say which.
    errorcheck = master.addons.get("errorcheck")
    errorcheck.finish()
    master.addons.remove(errorcheck)
    return master
