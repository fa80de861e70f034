"""orgfence inside stock mitmdump, mitmproxy or mitmweb, loaded by `-s`: for development.

The same guard, less what stock mitmproxy cannot do. A block is sent only when the request's body has come to its end.
A body that a rule reads and that comes without a length is held whole, however long; only then is it found to be over
the limit. So is a token endpoint's answer, and a WebSocket message that does not end. What waits for upstream, and what
comes in small pieces, has no bounds but mitmproxy's own. And a script that stands before ours and raises, or one that
has every request streamed, keeps us from being asked in time.
"""

import io
import logging
from pathlib import Path

from mitmproxy import contentviews, ctx, exceptions
from mitmproxy.addonmanager import Loader

from orgfence.addresses import parse_address
from orgfence.core.policy.faults import PolicyError
from orgfence.errors import StartError
from orgfence.observe.admin import AdminServer, Readiness
from orgfence.observe.inspection_log import InspectionLog
from orgfence.observe.log import configure_logging
from orgfence.observe.metrics import Metrics
from orgfence.policy_source.files import open_policy
from orgfence.policy_source.in_force import PolicyInForce
from orgfence.proxy.addon import STREAM_ABOVE_WITH_VIEW, Orgfence
from orgfence.proxy.content_view import OrgfenceContentview
from orgfence.proxy.interception.own_addresses import OwnAddresses
from orgfence.proxy.interception.scope import Scope
from orgfence.proxy.listening import cannot_listen, readiness_of
from orgfence.proxy.options import NEEDED
from orgfence.proxy.reporter import Reporter
from orgfence.proxy.wire.websockets import KEPT_WITH_VIEW, ForgottenMessages


class Script:
    """Loads the policy that the options name and puts the guard below itself."""

    name = "orgfence_script"

    def __init__(self) -> None:
        """Wait for mitmproxy's options."""
        self._guard: Orgfence | None = None
        self.addons: list[object] = []
        self._admin: AdminServer | None = None
        self._metrics = Metrics()
        self._log = InspectionLog(console=False)
        self._policy: PolicyInForce | None = None
        self._own = OwnAddresses()
        #: What it was loaded by.
        self._named: tuple[str, bool] | None = None
        self._not_ready: tuple[str, ...] = ("the proxy is starting",)

    def load(self, loader: Loader) -> None:
        """Define our options, and set those of mitmproxy's that the guard needs."""
        loader.add_option("orgfence_policy", str, "", "A file, or a folder of them; without it the starter observes.")
        loader.add_option("orgfence_admin", str, "127.0.0.1:9464", "HOST:PORT of metrics and health.")
        loader.add_option("orgfence_observe", bool, False, "Enforce nothing, whatever the policy says.")
        ctx.options.update(**NEEDED)
        contentviews.add(OrgfenceContentview())
        configure_logging(_EventLog(), console=False, capture_foreign=False)

    def configure(self, updated: set[str]) -> None:
        """Load the policy; one that cannot be used ends mitmproxy, or leaves the one before in force."""
        if "orgfence_admin" in updated:
            try:
                parse_address(ctx.options.orgfence_admin)
            except ValueError as error:
                raise exceptions.OptionsError(f"orgfence_admin: {error}") from None
        named = ctx.options.orgfence_policy, ctx.options.orgfence_observe
        # mitmproxy asks again when it takes back what we have refused.
        if named == self._named:
            return
        path, observe = named
        try:
            file = Path(path).expanduser() if path else None
            # Once requests are served, none may wait for whoever writes to a pipe.
            loaded = open_policy(file, observe=observe, may_wait=self._policy is None)
        except (PolicyError, StartError) as error:
            raise exceptions.OptionsError(str(error)) from None
        self._named = named
        if self._policy is not None:
            self._policy.stop()
        self._policy = PolicyInForce(loaded, self._metrics, self._log)
        if self._guard is None:
            reporter = Reporter(self._metrics, self._log)
            guard = self._guard = Orgfence(loaded.ruleset, reporter, stream_above=STREAM_ABOVE_WITH_VIEW, own=self._own)
            scope = Scope(lambda: guard.ruleset, reporter, self._own)
            self.addons = [scope, guard, ForgottenMessages(KEPT_WITH_VIEW)]
            guard.configure(updated)
        else:
            self._guard.use(loaded.ruleset)
        if self._admin is not None:
            self._policy.watch(self._guard.use)

    def running(self) -> None:
        """Start the admin server."""
        assert self._policy is not None
        assert self._guard is not None
        self._admin = AdminServer(self._metrics, self._readiness)
        address = parse_address(ctx.options.orgfence_admin)
        try:
            host, port = self._admin.listen(*address)
        except OSError as error:
            # An error while starting ends mitmdump; a guard without its counters would not be missed.
            logging.error("%s", cannot_listen(address, error, "--set orgfence_admin="))  # noqa: TRY400 - the cause is in it
            return
        self._own.follow(ctx.master, (host, port))
        self._not_ready = ()
        self._policy.watch(self._guard.use)
        rules = len(self._policy.ruleset.rules)
        logging.info("orgfence: metrics at http://%s:%d/metrics, %d rules", host, port, rules)

    async def done(self) -> None:
        """Stop the admin server and the watch, and write what the log still holds back."""
        if self._policy is not None:
            self._policy.stop()
        self._log.close()
        if self._admin is not None:
            await self._admin.close()

    def _readiness(self) -> Readiness:
        assert self._policy is not None
        return readiness_of(ctx.master, self._policy, self._not_ready)


class _EventLog(io.StringIO):
    """mitmproxy's event log as a stream: the console's screen is no place to write to."""

    def write(self, line: str) -> int:
        logging.getLogger("orgfence").info(line.rstrip())
        return len(line)
