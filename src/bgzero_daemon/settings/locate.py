"""Where in a TOML text a key stands, so that an error can name its line.

tomllib reports no positions, so this reads the text once more, line by line. It knows tables, arrays
of tables, dotted and quoted keys. Inside a multi-line string or array it may take a line for a key:
the line it names is then off, never the verdict.
"""

import re

Loc = tuple[int | str, ...]

_ARRAY = re.compile(r"\s*\[\[\s*(.+?)\s*\]\]")
_TABLE = re.compile(r"\s*\[\s*([^\[].*?)\s*\]")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def _parts(dotted: str) -> Loc:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def line_of(text: str, loc: Loc) -> int | None:
    """Return the 1-based line of the deepest part of `loc` that stands in `text`, or None.

    `loc` is pydantic's: names, and numbers for the entries of an array of tables.
    """
    table: Loc = ()
    entries: dict[Loc, int] = {}
    best: tuple[int, int] = (0, 0)
    for number, line in enumerate(text.splitlines(), 1):
        if match := _ARRAY.match(line):
            name = _parts(match[1])
            entries[name] = entries.get(name, -1) + 1
            here: Loc = (*name, entries[name])
            table = here
        elif match := _TABLE.match(line):
            here = table = _parts(match[1])
        elif match := _KEY.match(line):
            here = (*table, *_parts(match[1]))
        else:
            continue
        shared = min(len(here), len(loc))
        if here[:shared] == loc[:shared] and shared == len(here) and shared > best[0]:
            best = (shared, number)
    return best[1] or None


def table_at(tree: object, loc: Loc) -> dict[str, object]:
    """Return the table that `loc` leads to. Raises LookupError where there is none."""
    for part in loc:
        if isinstance(tree, dict):
            tree = tree[str(part)]
        elif isinstance(tree, list) and isinstance(part, int):
            tree = tree[part]
        else:
            raise LookupError(loc)  # noqa: TRY004 - one error for "not there"
    if isinstance(tree, dict):
        return tree
    raise LookupError(loc)
