"""The sentences of the program, and the catalogues that hold their translations: `make texts` brings these up to date.

Standard library only: the sentences are literals in calls of one name, so `ast` finds them all, and the program's own
reader is the one whose understanding of a file counts.
"""

import ast
import re
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bgzero_daemon.core import texts

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "bgzero_daemon"
CARDS = ROOT / "models"
FILES = sorted(Path(texts.FOLDER).glob("*.po"))
CALLS = ("_", "n_")
HEADER = """msgid ""
msgstr ""
"Content-Type: text/plain; charset=UTF-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"
"""

_FIELD = re.compile(r"\{\w+(?:![rsa])?(?::[^{}]*)?\}")
_PERCENT = re.compile(r"%(?:\(\w+\))?[-#0+]*\d*(?:\.\d+)?[sdrfix]")
_KEPT = (
    re.compile(r"`[^`]+`"),  # a command
    re.compile(r"(?<![\w-])--[a-z][a-z-]*"),
    re.compile(r"https?://[\w:/@.-]*[\w/]", re.ASCII),
    re.compile(r"\b[A-Z]+(?:_[A-Z]+)+\b"),  # a variable
    re.compile(r"\b[a-z_]+\.[a-z_]+\b"),  # a key, or a file
)


@dataclass(slots=True)
class Sentence:
    """A sentence of the program, its plural ("" for most), and the files that say it."""

    one: str
    many: str = ""
    files: list[str] = field(default_factory=list)


def sentences() -> dict[str, Sentence]:
    """Return every sentence of the program by its English, in the order of the files."""
    found: dict[str, Sentence] = {}
    for file in sorted(SOURCES.rglob("*.py")):
        for call in sorted(calls(file), key=lambda call: (call.lineno, call.col_offset)):
            said = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
            if said and all(isinstance(text, str) for text in said):
                _note(found, file.relative_to(SOURCES), *map(str, said[:2]))
    for file in sorted(CARDS.glob("*.toml")):
        card = tomllib.loads(file.read_text(encoding="utf-8"))
        for text in (card["good_for"], card["licence"]["note"]):
            if text:
                _note(found, file.relative_to(ROOT), text)
    return found


def _note(found: dict[str, Sentence], file: Path, one: str, many: str = "") -> None:
    sentence = found.setdefault(one, Sentence(one))
    sentence.many = sentence.many or many
    if str(file) not in sentence.files:
        sentence.files.append(str(file))


def calls(file: Path) -> Iterator[ast.Call]:
    """Yield each call of `_` and `n_`."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and name_of(node) in CALLS:
            yield node


def name_of(call: ast.Call) -> str:
    """Return the plain name that is called, "" where it is none."""
    return call.func.id if isinstance(call.func, ast.Name) else ""


def updated(text: str, catalogue: texts.Catalogue, wanted: dict[str, Sentence]) -> str:
    """Return a catalogue's text with the sentences that are wanted: new ones empty, others as they are, old ones gone.

    What stands before the first entry, the header and translators' comments are kept.
    """
    blocks = [block for block in re.split(r"\n{2,}", text.strip("\n")) if block]
    has_header = any(re.search(r'^msgid ""\nmsgstr ""', block, re.MULTILINE) for block in blocks[:2])
    head = blocks[0] if has_header else HEADER.strip("\n")
    comments = {_msgid(block): _comments(block) for block in blocks[has_header:]}
    fuzzy = {_msgid(block) for block in blocks[has_header:] if re.search(r"^#,.*fuzzy", block, re.MULTILINE)}
    entries = []
    for one, sentence in wanted.items():
        lines = [*comments.get(one, []), f"#: {' '.join(sentence.files)}"]
        flags = ["fuzzy"] * (one in fuzzy) + ["python-brace-format"] * bool(_FIELD.search(one))
        flags += ["python-format"] * bool(_PERCENT.search(one))
        lines += [f"#, {', '.join(flags)}"] * bool(flags)
        lines += [f"msgid {_quoted(one)}"]
        if sentence.many:
            forms = catalogue.forms.get(one) or ("",) * count_of_forms(text or HEADER)
            lines += [f"msgid_plural {_quoted(sentence.many)}"]
            lines += [f"msgstr[{number}] {_quoted(form)}" for number, form in enumerate(forms)]
        else:
            lines += [f"msgstr {_quoted(catalogue.sentences.get(one, ''))}"]
        entries.append("\n".join(lines))
    return "\n\n".join([head, *entries]) + "\n"


def _msgid(block: str) -> str:
    match = re.search(r'^msgid ((?:"[^\n]*"\n?)+)', block, re.MULTILINE)
    return texts._unquoted(match[1]) if match else ""


def _comments(block: str) -> list[str]:
    return [line for line in block.split("\n") if line == "#" or line.startswith("# ")]


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t")
    if "\n" not in text.rstrip("\n"):
        return '"' + escaped.replace("\n", "\\n") + '"'
    return '""\n' + "\n".join(f'"{line}"' for line in escaped.replace("\n", "\\n\n").split("\n") if line)


def count_of_forms(text: str) -> int:
    """Return how many forms a plural has in a catalogue."""
    match = re.search(r"nplurals=(\d)", text)
    return int(match[1]) if match else 1


def faults(text: str, catalogue: texts.Catalogue, wanted: dict[str, Sentence]) -> Iterator[str]:
    """Yield what is wrong with a catalogue, a line for each."""
    for one in [*catalogue.sentences, *catalogue.forms]:
        if one not in wanted:
            yield f"stale, nothing says it any more: {one!r}"
    for one, sentence in wanted.items():
        forms = catalogue.forms.get(one, ()) if sentence.many else (catalogue.sentences.get(one, ""),)
        if not all(forms) or not forms:
            yield f"not translated: {one!r} ({', '.join(sentence.files)})"
        elif sentence.many and len(forms) != count_of_forms(text):
            yield f"has {len(forms)} plural forms: {one!r}"
        else:
            yield from (f"{why}: {one!r}: {form!r}" for form in forms for why in unlike(one, form))


def unlike(one: str, form: str) -> Iterator[str]:
    """Say what a translation does not keep of its original."""
    if set(_FIELD.findall(one)) != set(_FIELD.findall(form)):
        yield "other {placeholders}"
    if _PERCENT.findall(one) != _PERCENT.findall(form):  # in their order: they are filled in by it
        yield "other %-placeholders"
    for kept in _KEPT:
        if Counter(kept.findall(one)) != Counter(kept.findall(form)):
            yield f"not kept: {kept.findall(one)}"
    if [one[:1].isspace(), one[-1:] == "\n"] != [form[:1].isspace(), form[-1:] == "\n"]:
        yield "other blanks at its ends"
    # `bgzero report` finds names by the edges of words, and Chinese has no others
    stuck = re.compile(rf"[^\W_](?:{_FIELD.pattern}|{_PERCENT.pattern})|(?:{_FIELD.pattern}|{_PERCENT.pattern})[^\W_]")
    if stuck.search(form) and not stuck.search(one):
        yield "a placeholder sticks to a word"
    if one == form and re.search(r"\b[a-z]{4,}\b", _FIELD.sub("", one)):
        yield "left as it is"


def main() -> int:
    """Bring every catalogue up to date, and say what is left to do."""
    wanted = sentences()
    for file in FILES:
        text = file.read_text(encoding="utf-8")
        catalogue = texts.read(str(file)) if text.strip() else texts.Catalogue({}, {}, lambda _count: 0)
        file.write_text(updated(text, catalogue, wanted), encoding="utf-8")
        left = list(faults(file.read_text(encoding="utf-8"), texts.read(str(file)), wanted))
        sys.stdout.writelines(f"{file.name}: {line}\n" for line in left)
    return 0


if __name__ == "__main__":
    sys.exit(main())
