"""What all errors of this package that name a cause outside its code have in common."""


class PlainError(RuntimeError):
    """An error whose message says what went wrong and what to do; the command line shows that, and no traceback."""
