"""Texts in a terminal, where a Chinese character takes two columns."""

import re
import unicodedata

# A word of narrow characters, the blanks before it, or one wide character; what may not begin a line stays at its end.
_PIECE = r"(?s)\s+|(?:[^\s\u2e80-\u9fff\uac00-\ud7af\uff00-\uff60]+|.)[、。》」』！），：；？]*"


def columns(text: str) -> int:
    """Return how many columns a printable text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def padded(text: str, width: int) -> str:
    """Return a text with blanks behind it, so that it takes `width` columns at least."""
    return text + " " * (width - columns(text))


def wrapped(text: str, width: int) -> list[str]:
    """Return a text in lines of at most `width` columns, broken at blanks and around wide characters."""
    lines, line = [], ""
    for piece in re.findall(_PIECE, " ".join(text.split())):
        if line and columns(line + piece.rstrip()) > width:
            lines.append(line.rstrip())
            line = ""
        line += piece if line else piece.lstrip()
    return [*lines, line.rstrip()] if line.strip() else lines
