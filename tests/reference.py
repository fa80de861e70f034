"""The parts of `config/` that are made from the code: the tables of `README.md`, and `policy.schema.json`.

`uv run python -m tests.reference` writes them anew; a test says when they are stale.
"""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import NoneType

from tests.guarding import load

from orgfence.core.catalogue import CATALOGUE
from orgfence.core.policy.examples import DEFAULT_PORT
from orgfence.core.policy.model import (
    ExampleEntry,
    ExceptEntry,
    MatchEntry,
    OrgEntry,
    OrgSourceEntry,
    PlaceEntry,
    PolicyFile,
    RuleEntry,
    TokenEntry,
)
from orgfence.core.policy.model_issuers import (
    ClaimsEntry,
    ErrorsEntry,
    IssuerEntry,
    LookupEntry,
    OAuthEntry,
    OtherPartyEntry,
    SelectorEntry,
)
from orgfence.core.policy.schema import policy_schema
from orgfence.core.policy.section import Section
from orgfence.core.reason import Reason, verdict_of

CONFIG = Path(__file__).parents[1] / "config"

#: What stands before the keys of each section of the language, in the order in which a reader meets them.
SECTIONS: dict[type[Section], str] = {
    PolicyFile: "",
    OrgEntry: "",
    IssuerEntry: "",
    ClaimsEntry: "claims.",
    SelectorEntry: "",
    OAuthEntry: "oauth.",
    OtherPartyEntry: "",
    ErrorsEntry: "errors.",
    LookupEntry: "lookup.",
    RuleEntry: "",
    MatchEntry: "match.",
    ExceptEntry: "",
    OrgSourceEntry: "",
    TokenEntry: "token.",
    PlaceEntry: "",
    ExampleEntry: "",
}

# `<!-- NAME -->`, what is made, `<!-- /NAME -->`.
_MARKED = re.compile(r"<!-- (?P<name>\w+) -->\n(?P<made>.*?)<!-- /(?P=name) -->\n", re.DOTALL)


def rendered(readme: str) -> str:
    """Return the reference with each table as it should be."""
    made = tables()
    return _MARKED.sub(lambda found: _marked(found["name"], made[found["name"]]), readme)


def marks(readme: str) -> list[str]:
    """Return which tables the reference has."""
    return [found["name"] for found in _MARKED.finditer(readme)]


def tables() -> dict[str, str]:
    """Return everything that belongs into the reference, by the name of its mark."""
    defaults = _defaults()
    made = {section.__name__: _keys_of(section, defaults.get(section, {})) for section in SECTIONS}
    return made | {"later": _not_built(), "reasons": _reasons()}


def schema() -> str:
    """Return what belongs into `policy.schema.json`."""
    return json.dumps(policy_schema(), indent=2, ensure_ascii=False) + "\n"


def _marked(name: str, made: str) -> str:
    return f"<!-- {name} -->\n{made}<!-- /{name} -->\n"


def _table(header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [header, ("---",) * len(header), *rows]
    return "".join("|" + "|".join(line) + "|\n" if line[0] == "---" else f"| {' | '.join(line)} |\n" for line in lines)


def _keys_of(section: type[Section], defaults: dict[str, str]) -> str:
    return _table(("key", "default", "meaning"), _rows(section, defaults))


def _rows(section: type[Section], defaults: dict[str, str]) -> Iterator[tuple[str, ...]]:
    for key, field in section.keys().items():
        assert field.description, f"`{key}` of {section.called} has no description"
        if field.is_required():
            default = "required"
        elif key in section.choice:
            default = "one of these"
        else:
            # What holds otherwise may be too much for a column.
            default = defaults.get(key, "" if "without it" in field.description.lower() else "none")
        yield f"`{SECTIONS[section]}{key}`", default, field.description.replace("|", "\\|")


def _defaults() -> dict[type[Section], dict[str, str]]:
    """Return what holds where a key is not written, as it comes out of a policy that says as little as possible."""
    ruleset = load("{version: 1, issuers: {corp: {}}, rules: [{id: rule, match: {hosts: [api.example.com]}}]}")
    rule, handling = ruleset.rules[0], ruleset.handling
    everything = {"paths": "every path", "methods": "every method", "listen": "every port"}
    assert (rule.methods, rule.listen, ruleset.routes[0].path.text) == (None, None, "/**")
    return {
        PolicyFile: {
            "enforcement": f"`{rule.enforcement.word}`",
            "undetermined": "the rule's enforcement",
            "unmatched": f"`{ruleset.unmatched.word}`",
            "disclose": "`all`" if handling.disclose_orgs else "`reason`",
            "annotate_request": _flag(handling.annotate_request),
            "log_repeat": f"`{handling.log_repeat:g}s`",
            "body_limit": f"`{handling.body_limit // 2**20}MiB`",
            "held_bodies_limit": f"`{handling.held_bodies_limit // 2**20}MiB`",
        },
        IssuerEntry: {"leeway": f"`{ruleset.issuers['corp'].leeway:g}s`"},
        OAuthEntry: {"refresh_needs_scope": "`false`"},
        MatchEntry: {**everything, "ignore_case": "`false`", "encoded_slash": f"{rule.encoded_slash} are judged"},
        OrgSourceEntry: {"strip": "`false`"},
        TokenEntry: {"unauthenticated": f"`{rule.unauthenticated.word}`"},
        RuleEntry: {"agree": _flag(rule.agree), "undetermined": "the file's", "enforcement": "the file's"},
        ExampleEntry: {"listen": f"the rule's first, or `{DEFAULT_PORT}`", "reason": "any of the verdict's"},
    }


def _flag(value: bool) -> str:
    return f"`{str(value).lower()}`"


# Where those stand of which some keys are not built.
_HOLDERS: dict[type[Section], str] = {IssuerEntry: "issuers.NAME", OrgSourceEntry: "org", ExampleEntry: "examples"}


def _not_built() -> str:
    later = [
        f"`{_HOLDERS[section]}.{name}`"
        for section in SECTIONS
        for name, field in section.model_fields.items()
        if field.annotation is NoneType
    ]
    return f"Of the language and not built yet: {', '.join(later)}.\n"


def _reasons() -> str:
    rows = []
    for reason in Reason:
        entry, verdict = CATALOGUE[reason], verdict_of(reason)
        status = str(entry.status) if verdict != "allow" else "–"
        rows.append((f"`{reason}`", str(verdict), status, f"{entry.title}. {entry.explanation}"))
    return _table(("reason", "verdict", "blocked as", "meaning"), rows)


def main() -> None:
    """Write them."""
    readme = CONFIG / "README.md"
    readme.write_text(rendered(readme.read_text()))
    (CONFIG / "policy.schema.json").write_text(schema())


if __name__ == "__main__":
    main()
