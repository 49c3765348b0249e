"""Words of a unit file: how systemd quotes, escapes and splits them (systemd.syntax(7), systemd.service(5))."""

import os
import re
import unicodedata

_PLAIN = re.compile(r"[A-Za-z0-9_@+=:,./-]+")
_ESCAPES = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "s": 32, "t": 9, "v": 11}
_CODE = re.compile(r"x[0-9a-fA-F]{2}|[0-7]{3}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}")


def quote(word: str, *, dollar: str = "$") -> str:
    """Write any text as one word that systemd reads as this text, specifiers (%) included.

    `dollar` is "$$" for arguments of a command, where systemd looks for variables; not for the program itself and
    not for Environment=.
    """
    if _PLAIN.fullmatch(word):
        return word
    return f'"{"".join(_escape(char, dollar) for char in word)}"'


def _escape(char: str, dollar: str) -> str:
    if char in '\\"':
        return f"\\{char}"
    if char == "%":
        return "%%"
    if char == "$":
        return dollar
    # control characters, bytes that were no UTF-8, and what Python takes for line ends
    if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp"):
        return "".join(f"\\x{byte:02x}" for byte in os.fsencode(char))
    return char


def split(line: str) -> list[str]:
    """Split a line into its words, quotes and escapes undone; % and $ are left as they stand."""
    words: list[str] = []
    word, quoted, at, is_word = b"", "", 0, False
    while at < len(line):
        char = line[at]
        at += 1
        if char == "\\" and at < len(line):
            piece, at = _unescape(line, at)
            word, is_word = word + piece, True
        elif quoted:
            quoted, word = ("", word) if char == quoted else (quoted, word + os.fsencode(char))
        elif char in "\"'":
            quoted, is_word = char, True
        elif char.isspace():
            words += [os.fsdecode(word)] if is_word else []
            word, is_word = b"", False
        else:
            word, is_word = word + os.fsencode(char), True
    return [*words, os.fsdecode(word)] if is_word else words


def _unescape(line: str, at: int) -> tuple[bytes, int]:
    """Return what the escape whose backslash stands before `at` means, and where it ends."""
    if code := _CODE.match(line, at):
        digits = code.group().lstrip("xuU")
        if code.group()[0] in "uU":
            return chr(int(digits, 16)).encode("utf-8", "surrogatepass"), code.end()
        return bytes([int(digits, 16 if code.group()[0] == "x" else 8) & 255]), code.end()
    char = line[at]
    return bytes([_ESCAPES[char]]) if char in _ESCAPES else os.fsencode(char), at + 1
