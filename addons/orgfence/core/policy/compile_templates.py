"""From the templates that a policy names to those that are right."""

from collections.abc import Callable, Iterable

from orgfence.core.policy.faults import Faults
from orgfence.core.policy.strict_yaml import Scalar
from orgfence.core.policy.wording import refusal


def parsed[T](parse: Callable[[str], T], texts: Iterable[Scalar], faults: Faults) -> list[T]:
    """Return the templates, but for those with a fault."""
    templates = []
    for text in texts:
        try:
            templates.append(parse(str(text)))
        except ValueError as error:
            faults.add(text.place, refusal(text, error))
    return templates
