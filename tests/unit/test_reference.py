"""The documentation that is made from the code, and the policies that are there to start from."""

from pathlib import Path

import pytest

from orgfence.core.catalogue import CATALOGUE
from orgfence.core.decision import Reason, verdict_of
from orgfence.core.policy.load import load_policy

CONFIG = Path(__file__).parents[2] / "config"


def test_the_reference_lists_every_reason_as_the_catalogue_has_it() -> None:
    """`config/README.md` holds the catalogue; when this fails, paste what it prints between the two marks."""
    rows = ["| reason | verdict | blocked as | meaning |", "|---|---|---|---|"]
    for reason in Reason:
        entry, verdict = CATALOGUE[reason], verdict_of(reason)
        status = str(entry.status) if verdict != "allow" else "–"
        rows.append(f"| `{reason}` | {verdict} | {status} | {entry.title}. {entry.explanation} |")
    expected = "\n" + "\n".join(rows) + "\n"

    found = (CONFIG / "README.md").read_text().partition("<!-- reasons -->")[2].partition("<!-- /reasons -->")[0]

    assert found == expected, expected


@pytest.mark.parametrize("path", sorted(CONFIG.glob("*.yaml")), ids=lambda path: path.name)
def test_each_policy_to_start_from_is_one(path: Path) -> None:
    """The policies under `config/` load without a fault, and guard something."""
    assert load_policy(path.read_bytes(), path.name).rules


def test_the_readmes_policy_is_one() -> None:
    """What the README says to write is a policy."""
    readme = (CONFIG.parent / "README.md").read_text()
    text = readme.partition("```yaml\n")[2].partition("```")[0]

    ruleset = load_policy(text.encode(), "README.md")

    assert [rule.id for rule in ruleset.rules] == ["org-in-path"]
