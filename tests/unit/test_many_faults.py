"""A file with a fault in every line is not validated to its end: nobody is told of more than a hundred."""

import pytest
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from orgfence.core.policy import validate
from orgfence.core.policy.faults import MAX_FAULTS, PolicyError
from orgfence.core.policy.load import PolicyText, load_policy

HEAD = "version: 1\n"


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "rules:\n" + "- x\n" * 5000,
        HEAD + "orgs:\n" + "".join(f"  o{number}: x\n" for number in range(5000)),
        HEAD + "issuers:\n" + "".join(f"  i{number}: x\n" for number in range(5000)),
        HEAD + "rules:\n" + "- x\n" * 5000 + "orgs: {a: x}\n",
        HEAD + "".join(f"k{number}: x\n" for number in range(5000)),
    ],
    ids=["rules", "orgs", "issuers", "rules and an org", "unknown keys"],
)
def test_validation_stops_when_there_are_too_many_faults(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says that there may be more."""
    seen: list[int] = []
    errors_of = validate._errors_of

    def counted(error: ValidationError, *above: int | str) -> list[ErrorDetails]:
        seen.append(error.error_count())
        return errors_of(error, *above)

    monkeypatch.setattr(validate, "_errors_of", counted)
    with pytest.raises(PolicyError) as caught:
        load_policy([PolicyText("p", text.encode())])
    assert len(caught.value.faults) == MAX_FAULTS
    assert str(caught.value).endswith(f"There may be more: these are the first {MAX_FAULTS} faults that were found")
    assert sum(seen) <= 2 * MAX_FAULTS
