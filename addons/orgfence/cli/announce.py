"""What `orgfence run` says once it is up: where it listens, by which policy, and how clients come to trust it."""

import sys
from dataclasses import dataclass

import structlog

from orgfence.addresses import shown
from orgfence.core.reason import Enforcement
from orgfence.core.ruleset import Ruleset
from orgfence.policy_source.files import LoadedPolicy
from orgfence.proxy.listening import Listening


@dataclass(frozen=True, slots=True)
class Announcement:
    """All of it, for a person or a log."""

    policy: LoadedPolicy
    listening: Listening

    def as_fields(self) -> dict[str, object]:
        """Return the fields of the log event `listening`."""
        listening, policy = self.listening, self.policy
        return {
            "proxy": [
                {"mode": mode, "addresses": [shown(address) for address in addresses]}
                for mode, addresses in listening.proxy
            ],
            "admin": shown(listening.admin),
            "policy": policy.name,
            **({} if policy.folder_of is None else {"policy_files": policy.folder_of}),
            "rules": len(policy.ruleset.rules),
            **({"exchanges_with": sorted(policy.ruleset.answer_rules)} if policy.ruleset.answer_rules else {}),
            "generation": policy.ruleset.generation,
            "observe_override": policy.observe,
            "ca": str(listening.ca) if listening.ca else None,
            **({"web": listening.web_url} if listening.web_url else {}),
        }

    def as_text(self) -> str:
        """Return what a person at a terminal reads."""
        listening, policy = self.listening, self.policy
        ruleset = policy.ruleset
        lines = [
            f"orgfence: {mode} proxy on {' and '.join(map(shown, addresses))}" for mode, addresses in listening.proxy
        ]
        files = "" if policy.folder_of is None else f" ({_counted(policy.folder_of, 'file')})"
        rules = _counted(len(ruleset.rules), "rule")
        lines.append(f"  policy   {policy.name}{files}: {rules}, {_enforcements(ruleset)}")
        if ruleset.answer_rules:
            lines.append(f"           and the OAuth exchanges with {', '.join(sorted(ruleset.answer_rules))}")
        if not ruleset.routes:
            lines.append(f"           {_NO_RULES}")
        if policy.observe:
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
        if not announcement.policy.ruleset.routes:
            log.warning("policy_has_no_rules", advice=_NO_RULES)


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _enforcements(ruleset: Ruleset) -> str:
    counts = {
        enforcement: sum(rule.enforcement is enforcement for rule in ruleset.rules) for enforcement in Enforcement
    }
    return ", ".join(f"{count} {enforcement.word}" for enforcement, count in counts.items() if count) or "none"


def _guards_everything(ruleset: Ruleset) -> bool:
    return any(route.host.text == "*" for route in ruleset.routes)
