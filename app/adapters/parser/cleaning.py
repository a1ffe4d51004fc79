"""What every text loses before it is kept, whatever file it came from."""

import re
import unicodedata

# NUL and lone surrogates would be refused by the database; other controls and non-characters mean
# nothing in a text. Tag characters, zero-width and direction marks are invisible and serve to hide
# instructions to models; a soft hyphen only keeps a word from being found. The joiners U+200C and
# U+200D stay: emoji and several scripts are spelled with them.
_UNWANTED = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ufdd0-\ufdef\ufe00-\ufe0e\ufeff\ufff9-\uffff\ud800-\udfff\U000e0000-\U000e0fff]"
)
_LINE_END = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")


def cleaned(text: str) -> str:
    """The text in NFC, with LF line ends and nothing that cannot be seen or kept."""
    return unicodedata.normalize("NFC", _UNWANTED.sub("", _LINE_END.sub("\n", text)))
