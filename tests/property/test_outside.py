"""Values from the environment and from files are as good as if they stood in the policy."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.property.policies import chance, compiled
from tests.property.strategies import Case, cases
from tests.property.test_guard import judged

from orgfence.core.policy.load import PolicyText, load_policy
from orgfence.core.policy.outside import Outside


@given(cases(), st.data())
def test_where_a_value_stands_makes_no_difference(case: Case, data: st.DataObject) -> None:
    """Any single value may be `${NAME}`, in part or with a default, or `{file: PATH}`: what is decided is the same."""
    held: dict[str, str] = {}
    moved = [data.draw(elsewhere(file, held), label="file") for file in case.files]
    texts = [PolicyText(f"{number}.yaml", json.dumps(file).encode()) for number, file in enumerate(moved)]
    ruleset = load_policy(texts, Outside(held, lambda path, _: held[path])).ruleset
    assert judged(ruleset, case.request) == judged(compiled(*case.files), case.request)


# What may be a text or keys and values is the latter where it is a mapping, so no file may stand in place of one.
_TEXT_OR_KEYS = {"member", "active", "scopes", "other_party"}


@st.composite
def elsewhere(draw: st.DrawFn, tree: Any, held: dict[str, str], *, in_files: bool = True) -> Any:
    """Draw the same tree with some of its values kept elsewhere, and keep them there."""
    if isinstance(tree, dict):
        return {key: draw(elsewhere(value, held, in_files=key not in _TEXT_OR_KEYS)) for key, value in tree.items()}
    if isinstance(tree, list):
        return [draw(elsewhere(value, held, in_files=in_files)) for value in tree]
    if not draw(chance(4)):
        return tree
    name = f"VALUE_{len(held)}"
    text = tree if isinstance(tree, str) else json.dumps(tree)
    way = draw(st.sampled_from(["whole", "part", "default", *["file"] * in_files]))
    if way == "default" and not set("{}") & set(text):
        held[name] = ""
        return f"${{{name}:-{text}}}"
    cut = draw(st.integers(0, len(text) - 1)) if way == "part" else 0
    held[name] = text[cut:]
    return {"file": name} if way == "file" else f"{text[:cut]}${{{name}}}"
