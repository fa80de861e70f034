"""What `orgfence run` says once it is up: where it listens, by which policy, and how clients come to trust it."""

import sys
from dataclasses import dataclass

import structlog

from orgfence.addresses import shown
from orgfence.core.decision import Enforcement
from orgfence.core.ruleset import Ruleset
from orgfence.proxy.listening import Listening


@dataclass(frozen=True, slots=True)
class Announcement:
    """All of it, for a person or a log."""

    policy: str
    ruleset: Ruleset
    #: Whether everything is capped at observe by the command line.
    observe: bool
    listening: Listening

    def as_fields(self) -> dict[str, object]:
        """Return the fields of the log event `listening`."""
        listening = self.listening
        return {
            "proxy": [
                {"mode": mode, "addresses": [shown(address) for address in addresses]}
                for mode, addresses in listening.proxy
            ],
            "admin": shown(listening.admin),
            "policy": self.policy,
            "rules": len(self.ruleset.rules),
            "generation": self.ruleset.generation,
            "observe_override": self.observe,
            "ca": str(listening.ca) if listening.ca else None,
            **({"web": listening.web_url} if listening.web_url else {}),
        }

    def as_text(self) -> str:
        """Return what a person at a terminal reads."""
        listening, ruleset = self.listening, self.ruleset
        lines = [
            f"orgfence: {mode} proxy on {' and '.join(map(shown, addresses))}" for mode, addresses in listening.proxy
        ]
        count = len(ruleset.rules)
        lines.append(f"  policy   {self.policy}: {count} rule{'' if count == 1 else 's'}, {_enforcements(ruleset)}")
        if not count:
            lines.append(f"           {_NO_RULES}")
        if self.observe:
            lines.append("           --observe: nothing is enforced, whatever the policy says")
        if _guards_everything(ruleset):
            lines.append("           its hosts are `*`: every TLS connection is decrypted")
        lines.append(f"  metrics  http://{shown(listening.admin)}/metrics")
        if listening.web_url:
            lines.append(f"  mitmweb  {listening.web_url}")
        if listening.ca:
            lines.append(f"  trust    {listening.ca}")
            lines.append("           as in: curl --cacert FILE, SSL_CERT_FILE, REQUESTS_CA_BUNDLE, NODE_EXTRA_CA_CERTS")
        lines.append("  stop     Ctrl-C")
        return "\n".join(lines)


_NO_RULES = "it guards nothing: give it `rules`"


def announce(announcement: Announcement) -> None:
    """Tell a person at a terminal, or else write the event `listening`."""
    if sys.stderr.isatty():
        sys.stderr.write(announcement.as_text() + "\n")
    else:
        log = structlog.get_logger()
        log.info("listening", **announcement.as_fields())
        if not announcement.ruleset.rules:
            log.warning("policy_has_no_rules", advice=_NO_RULES)


def _enforcements(ruleset: Ruleset) -> str:
    counts = {
        enforcement: sum(rule.enforcement is enforcement for rule in ruleset.rules) for enforcement in Enforcement
    }
    return ", ".join(f"{count} {enforcement.word}" for enforcement, count in counts.items() if count) or "none"


def _guards_everything(ruleset: Ruleset) -> bool:
    return any(route.host.text == "*" for route in ruleset.routes)
