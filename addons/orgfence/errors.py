"""What keeps orgfence from starting, apart from the policy's own faults."""


class StartError(Exception):
    """The operator's to mend: what, where, what to do, in one line without a traceback."""

    def __init__(self, message: str, *, exit_code: int = 2) -> None:
        """Take the line; exit code 2 is for usage and policy, 1 for the machine (a port in use, a full disk)."""
        super().__init__(message)
        self.exit_code = exit_code
