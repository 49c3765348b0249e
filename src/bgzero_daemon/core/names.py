"""Names that came from outside: how they are shown, carried and turned into output names.

A name is bytes to the kernel and a surrogate-escaped `str` inside Python. It may hold anything but
NUL and '/': newlines, terminal escapes, right-to-left overrides, bytes that are no UTF-8.

Every command starts with this module, so what only some of them need is imported where it is used.
"""

import os

NAME_MAX_BYTES = 255
SHOWN_COLUMNS = 240


def _is_hostile(char: str) -> bool:
    import unicodedata

    # Cc control, Cf format (bidi and zero width), Cs lone surrogate, Zl/Zp line and paragraph separator
    return unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, as os.fsdecode carries it
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def display(name: str | bytes | os.PathLike[str]) -> str:
    """Make an untrusted name fit for a log line, a terminal, a menu or JSON.

    Control, format and bidi characters and bytes that are no UTF-8 become visible escapes; what is
    longer than `SHOWN_COLUMNS` characters is cut in the middle: long enough for a path that a person has to
    type, short enough for a log. One line, always printable.
    """
    text = os.fsdecode(name)
    shown = display_line(text)
    if len(shown) > SHOWN_COLUMNS:
        half = (SHOWN_COLUMNS - 1) // 2
        shown = f"{shown[:half]}…{shown[-half:]}"
    return shown


def display_line(text: str) -> str:
    """Make untrusted text of any length fit for a log or a terminal: one line, always printable."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(char) if _is_hostile(char) else char for char in text)


def quoted(word: object) -> str:
    """Return a word as a shell reads it, printable whatever it holds ($'...' is read by bash, zsh and ksh)."""
    import shlex

    text = str(word)
    if not any(map(_is_hostile, text)):
        return shlex.quote(text)
    plain = (char if not _is_hostile(char) and char not in "\\'" else _in_octal(char) for char in text)
    return f"$'{''.join(plain)}'"


def _in_octal(char: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(char))


def to_wire(path: str | bytes | os.PathLike[str]) -> str:
    """Carry any path through text: percent-encoded bytes, '/' kept."""
    from urllib.parse import quote_from_bytes

    return quote_from_bytes(os.fsencode(path), safe="/")


def from_wire(text: str) -> str:
    """Undo `to_wire`."""
    from urllib.parse import unquote_to_bytes

    return os.fsdecode(unquote_to_bytes(text))


def cutout_names(source_name: str, suffix: str = ".png", *, stem: str = "") -> list[str]:
    """Return the output names of a photo in the order in which they are tried. `stem` is its name's own, if not given.

    `a.jpg` gives `a.png`, then `a.jpg.png`, then one with eight hex digits of the name's SHA-256. A
    name that would be longer than a file system takes is shortened and carries the digits too.
    """
    import hashlib

    raw = os.fsencode(source_name)
    digits = hashlib.sha256(raw).hexdigest()[:8]
    stem = stem or os.path.splitext(source_name)[0]
    wanted = [f"{stem}{suffix}", f"{source_name}{suffix}", f"{source_name}-{digits}{suffix}"]
    fitting = [_fit(name, f"-{digits}{suffix}") for name in wanted]
    return list(dict.fromkeys(fitting))


def spare_names(source_name: str, sha256: str, suffix: str = ".png") -> list[str]:
    """Return further output names for a photo whose others are taken, by its content's hash: cameras count anew."""
    return [_fit(f"{source_name}-{digits}{suffix}", f"-{digits}{suffix}") for digits in (sha256[:12], sha256)]


def arrival_names(source_name: str, sha256: str, stem: str = "") -> list[str]:
    """Return the names that a photo of this content may get in an inbox, in the order in which they are tried.

    `IMG_1.JPG` stays that, or becomes `IMG_1-c89c9bb3.JPG`, so that a second import gives the same name.
    With `stem` that stem is tried first.
    """
    own, suffix = os.path.splitext(source_name)
    wanted = [f"{stem}{suffix}"] if stem else []
    wanted += [source_name, f"{own}-{sha256[:8]}{suffix}", f"{own}-{sha256}{suffix}"]
    return list(dict.fromkeys(_fit(name, f"-{sha256[:8]}{suffix}") for name in wanted))


def _fit(name: str, ending: str) -> str:
    raw = os.fsencode(name)
    if len(raw) <= NAME_MAX_BYTES:
        return name
    kept = raw[: NAME_MAX_BYTES - len(ending)]
    while kept and (kept[-1] & 0xC0) == 0x80:  # never cut a UTF-8 character in two
        kept = kept[:-1]
    if kept and kept[-1] >= 0xC0:
        kept = kept[:-1]
    return os.fsdecode(kept) + ending
