"""Texts out of a stranger's file: without what is no text, and no longer than anybody reads."""

import re

# Control characters of both sets, halves of pairs, and what XML 1.0 (section 2.2) has no place for. Joiners and odd
# spaces stay: scripts and names need them.
_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def prose(text: str, most: int) -> str:
    """Return a text of many lines, at most so many characters."""
    return _NO_TEXT.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()[:most].rstrip()


def line(text: str, most: int) -> str:
    """Return a text of one line, at most so many characters."""
    return prose(re.sub("[\r\n\t]+", " ", text), most)
