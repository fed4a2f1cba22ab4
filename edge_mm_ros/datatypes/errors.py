"""The errors that cross rooms."""


class EdgeMmError(Exception):
    """Base of every error that this package raises on purpose.

    Its text names what happened, where, and what to do.
    """


class InvalidInput(EdgeMmError, ValueError):
    """A value from outside that cannot be used.

    Attributes:
        kind: short stable name of the fault (for example ``"truncated"``), by which repeats
            are counted and their log lines rate limited.
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
