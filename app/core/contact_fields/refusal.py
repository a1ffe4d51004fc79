"""Why a value is not taken."""


class ValueRefused(ValueError):
    """A value that cannot be what it is meant to be.

    `code` is stable, for programs that say it in the visitor's language; the message completes
    "The value …" and never repeats it.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail
