"""orgfence inside stock mitmdump, mitmproxy or mitmweb, loaded by `-s`: for development.

The same guard, less what stock mitmproxy cannot do: a block is sent only when the request's body has come to its end,
and a script that stands before ours and raises keeps us from being asked at all.
"""

import io
import logging
from pathlib import Path

from mitmproxy import contentviews, ctx, exceptions
from mitmproxy.addonmanager import Loader

from orgfence.addresses import parse_address
from orgfence.core.policy.faults import PolicyError
from orgfence.core.ruleset import Ruleset
from orgfence.errors import StartError
from orgfence.observe.admin import AdminServer
from orgfence.observe.inspection_log import InspectionLog
from orgfence.observe.log import configure_logging
from orgfence.observe.metrics import Metrics
from orgfence.policy_files import read_policy, read_starter
from orgfence.proxy.addon import STREAM_ABOVE_WITH_VIEW, Orgfence
from orgfence.proxy.content_view import OrgfenceContentview
from orgfence.proxy.listening import cannot_listen, readiness_of
from orgfence.proxy.options import NEEDED
from orgfence.proxy.reporter import Reporter


class Script:
    """Loads the policy that the options name and puts the guard below itself."""

    name = "orgfence_script"

    def __init__(self) -> None:
        """Wait for mitmproxy's options."""
        self.addons: list[Orgfence] = []
        self._admin: AdminServer | None = None
        self._metrics = Metrics()
        self._ruleset: Ruleset | None = None
        self._log = InspectionLog(console=False)
        self._not_ready: tuple[str, ...] = ("the proxy is starting",)

    def load(self, loader: Loader) -> None:
        """Define our options, and set those of mitmproxy's that the guard needs."""
        loader.add_option("orgfence_policy", str, "", "The policy file; without one the starter observes.")
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
        if not updated & {"orgfence_policy", "orgfence_observe"}:
            return
        path = ctx.options.orgfence_policy
        try:
            ruleset = read_policy(Path(path).expanduser()) if path else read_starter()
        except (PolicyError, StartError) as error:
            raise exceptions.OptionsError(str(error)) from None
        if ctx.options.orgfence_observe:
            ruleset = ruleset.observing()
        self._ruleset = ruleset
        self._metrics.set_policy(ruleset.generation)
        self._metrics.set_observe_override(ctx.options.orgfence_observe)
        reporter = Reporter(self._metrics, self._log, ruleset)
        self.addons = [Orgfence(ruleset, reporter, stream_above=STREAM_ABOVE_WITH_VIEW)]
        self.addons[0].configure(updated)

    def running(self) -> None:
        """Start the admin server."""
        assert self._ruleset is not None
        ruleset = self._ruleset
        self._admin = AdminServer(self._metrics, lambda: readiness_of(ctx.master, ruleset, self._not_ready))
        address = parse_address(ctx.options.orgfence_admin)
        try:
            host, port = self._admin.listen(*address)
        except OSError as error:
            # An error while starting ends mitmdump; a guard without its counters would not be missed.
            logging.error("%s", cannot_listen(address, error, "--set orgfence_admin="))  # noqa: TRY400 - the cause is in it
            return
        self._not_ready = ()
        logging.info("orgfence: metrics at http://%s:%d/metrics, %d rules", host, port, len(ruleset.rules))

    async def done(self) -> None:
        """Stop the admin server, and write what the log still holds back."""
        self._log.close()
        if self._admin is not None:
            await self._admin.close()


class _EventLog(io.StringIO):
    """mitmproxy's event log as a stream: the console's screen is no place to write to."""

    def write(self, line: str) -> int:
        logging.getLogger("orgfence").info(line.rstrip())
        return len(line)
