"""Joins characters that a provider has cut into two JSON escapes. Does no I/O."""

HIGH_HALVES = ("\ud800", "\udbff")


class HalfCharacters:
    """Keeps the first half of a character until the chunk with the second one comes."""

    def __init__(self) -> None:
        self._half = ""

    def join(self, text: str) -> str:
        """The text so far without halves; one at its end waits for the next call."""
        text = self._half + text
        self._half = ""
        if text and HIGH_HALVES[0] <= text[-1] <= HIGH_HALVES[1]:
            text, self._half = text[:-1], text[-1]
        return whole(text)


def whole(text: str) -> str:
    """Pairs of halves become characters; a half that stands alone becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
