"""The one place where sentences meet their translation.

A language is a file, `locale/NAME.po`, which is read as it stands when a process starts; nothing has to be compiled.
Which one it is says the environment, before the first sentence is made: many are made as modules are imported.
"""

import contextlib
import os
import re
from collections.abc import Callable, Mapping

VARIABLE = "BGZERO_LANGUAGE"
FOLDER = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "locale")
# Whose readers read a catalogue of another name. Traditional Chinese is not among them: it has other words, too.
_READ_ALSO = {"zh": "zh_CN", "zh_HANS": "zh_CN", "zh_SG": "zh_CN", "zh_MY": "zh_CN"}
# Patterns are compiled where they are used: English needs none of them.
_NAME = r"([A-Za-z]{2,3})(?:[_-]([A-Za-z]{2,4}))?(?:[_-][A-Za-z]{2,4})?(?:[.@].*)?"
_PART = r'(?m)^(?:#,.*(fuzzy).*|(msg\w+)(?:\[(\d)\])? +((?:"[^\n]*"\s*)+))$'
_ESCAPES = {"n": "\n", "t": "\t"}


class Catalogue:
    """What a file holds: sentences by their English, and by their English singular the forms for a count.

    `choose` returns the number of the form for a count.
    """

    def __init__(
        self, sentences: Mapping[str, str], forms: Mapping[str, tuple[str, ...]], choose: Callable[[int], int]
    ) -> None:
        self.sentences, self.forms, self.choose = sentences, forms, choose


def read(file: str) -> Catalogue:
    """Read a catalogue. What is empty or marked as fuzzy is left out.

    Raises OSError, and ValueError for a broken one.
    """
    import gettext  # late: English needs none of it

    with open(file, encoding="utf-8") as stream:
        text = stream.read()
    sentences: dict[str, str] = {}
    forms: dict[str, tuple[str, ...]] = {}
    one, is_doubted, is_fuzzy = "", False, False
    for fuzzy, kind, number, quoted in re.findall(_PART, text):
        if fuzzy:  # a mark stands before the entry that it is about
            is_doubted = True
        elif kind == "msgid":
            one, is_fuzzy, is_doubted = _unquoted(quoted), is_doubted, False
        elif number and not is_fuzzy:
            forms[one] = (*forms.get(one, ()), _unquoted(quoted))
        elif kind == "msgstr" and not (is_fuzzy and one) and (value := _unquoted(quoted)):
            sentences[one] = value
    header = sentences.pop("", "")
    plural = re.search(r"^Plural-Forms:.*\bplural=([^;\n]+)", header, re.MULTILINE)
    if plural is None:
        raise ValueError("its first entry says nothing of plural forms")
    forms = {one: told for one, told in forms.items() if all(told)}
    sentences |= {one: told[0] for one, told in forms.items()}
    return Catalogue(sentences, forms, gettext.c2py(plural[1]))


def _unquoted(quoted: str) -> str:
    text = quoted.strip()[1:-1]
    if "\n" in text:
        text = "".join(line.strip()[1:-1] for line in quoted.strip().split("\n"))
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), text) if "\\" in text else text


def wanted(environ: Mapping[str, str]) -> list[str]:
    """Return the languages that are asked for, the dearest first, by gettext's rules; BGZERO_LANGUAGE goes before them.

    The first of LC_ALL, LC_MESSAGES and LANG that is set is the locale; where that is "C", nobody asks for a language.
    Otherwise LANGUAGE may name several, with colons.
    """
    if named := environ.get(VARIABLE):
        return named.split(":")
    locale = next((value for name in ("LC_ALL", "LC_MESSAGES", "LANG") if (value := environ.get(name))), "C")
    if locale.partition(".")[0].partition("@")[0] in ("C", "POSIX"):
        return []
    return (environ.get("LANGUAGE") or locale).split(":")


def find(environ: Mapping[str, str]) -> str:
    """Return the catalogue for what is asked for, "" for English."""
    for asked in wanted(environ):
        match = re.fullmatch(_NAME, asked)
        if match is None:
            continue
        language, place = match[1].lower(), (match[2] or "").upper()
        if language == "en":
            break
        full = f"{language}_{place}" if place else language
        for name in dict.fromkeys((full, _READ_ALSO.get(full, full), language)):
            file = os.path.join(FOLDER, f"{name}.po")
            if os.path.exists(file):
                return file
    return ""


_ENGLISH = Catalogue({}, {}, lambda _count: 0)


def _load(environ: Mapping[str, str]) -> tuple[Catalogue, str]:
    """Return the catalogue for what is asked for, and what was wrong with it: English is better than no program."""
    file = find(environ)
    try:
        return (read(file) if file else _ENGLISH), ""
    except (OSError, ValueError) as error:
        return _ENGLISH, f"{file}: {error}"


# What was wrong is said by `cli.main` with -v: nobody listens to a log yet.
_catalogue, trouble = _load(os.environ)


def is_english() -> bool:
    """Say whether sentences stay as they are written."""
    return _catalogue is _ENGLISH


def _(sentence: str) -> str:
    """Return `sentence` in the user's language, or as it is where no translation exists."""
    return _catalogue.sentences.get(sentence, sentence)


# The same for what is no literal, but stands in a data file of ours.
translated = _


def n_(one: str, many: str, count: int) -> str:
    """Return the form of a sentence that fits `count`, with `{count}` filled in."""
    forms = _catalogue.forms.get(one)
    form = forms[min(_catalogue.choose(count), len(forms) - 1)] if forms else one if count == 1 else many
    return form.format(count=count)


def pattern(sentence: str, inside: str = "(.+)") -> re.Pattern[str]:
    """Return an expression that finds a sentence, with a group for each {name} or %s in it."""
    return re.compile(re.sub(r"\\\{\w+\\\}|%s", lambda _match: inside, re.escape(sentence)))


def everywhere(sentence: str) -> list[str]:
    """Return a sentence in each language there is: for texts that another process wrote, in the language of its own."""
    found = [sentence]
    for name in sorted(os.listdir(FOLDER)):
        with contextlib.suppress(OSError, ValueError):
            if name.endswith(".po"):
                found.append(read(os.path.join(FOLDER, name)).sentences.get(sentence, sentence))
    return found
