"""Why an expression has no value."""


class ExpressionRefused(Exception):
    """The expression has no value; `code` is stable, the message is for whoever wrote it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def unreadable(detail: str) -> ExpressionRefused:
    """What was written is no expression."""
    return ExpressionRefused("invalid_expression", detail)


def out_of_range(detail: str = "The result is too large or too small.") -> ExpressionRefused:
    """A value on the way is beyond what is calculated with."""
    return ExpressionRefused("out_of_range", detail)
