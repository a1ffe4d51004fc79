"""What is wrong with a setting, in an operator's words and not in those of a validating library."""

from pydantic_core import ErrorDetails

_WORDS = {
    "too_short": "must have at least {min_length} characters, e.g. from `openssl rand -hex 32`",
    "string_too_short": "must have at least {min_length} characters",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": (
        "must be 3 to 63 small letters, digits, dots, hyphens and underscores, with a letter or"
        " digit at either end"
    ),
}


def in_words(error: ErrorDetails) -> str:
    """What a setting must be; its value is not repeated."""
    words = _WORDS.get(error["type"])
    if words is None:
        return error["msg"].removeprefix("Value error, ")
    return words.format(**error.get("ctx", {}))
