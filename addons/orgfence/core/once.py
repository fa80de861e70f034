"""What many rules ask of one request, found out once."""

from collections.abc import Callable, Hashable


class Once:
    """The answers so far, for one request.

    Hundreds of rules may be for one path, and a client decides how long it takes to answer what they ask.
    """

    __slots__ = ("_answers",)

    def __init__(self) -> None:
        """Know none yet."""
        self._answers: dict[Hashable, object] = {}

    def __call__[Answer](self, question: Hashable, find: Callable[[], Answer]) -> Answer:
        """Return the answer to a question, which `find` finds out; the question says all that the answer depends on."""
        if question not in self._answers:
            self._answers[question] = find()
        answer: Answer = self._answers[question]  # type: ignore[assignment] # what `find` has returned
        return answer
