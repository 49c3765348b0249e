"""Sentences in other languages: which one is chosen, what a catalogue may hold, and that ours is whole."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bgzero_daemon.cli import loglines
from bgzero_daemon.cli.veil import Veil
from bgzero_daemon.core import texts
from bgzero_daemon.core.columns import columns, padded, wrapped
from tests import catalogue

CHINESE = str(Path(texts.FOLDER, "zh_CN.po"))
WANTED = catalogue.sentences()


@pytest.mark.parametrize(
    ("environ", "is_chinese"),
    [
        ({}, False),
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_CN.GB18030"}, True),
        ({"LANG": "zh_SG.UTF-8"}, True),
        ({"LANG": "zh_Hans_CN.UTF-8"}, True),
        ({"LANG": "zh_TW.UTF-8"}, False),
        ({"LANG": "zh_TW.UTF-8", "LANGUAGE": "zh_TW:zh_CN"}, True),
        ({"LANG": "zh_Hant_TW.UTF-8"}, False),
        ({"LANG": "xx_YY.UTF-8"}, False),
        ({"LANG": "../../locale/zh_CN"}, False),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "zh_CN.UTF-8"}, True),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "en_GB.UTF-8"}, False),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": ""}, True),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "zh_CN:en"}, True),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en:zh_CN"}, False),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C", "LANGUAGE": "zh_CN"}, False),
        ({"LANG": "C.UTF-8", "LANGUAGE": "zh_CN"}, False),
        ({"LANG": "POSIX", "BGZERO_LANGUAGE": "zh"}, True),
        ({"LANG": "zh_CN.UTF-8", "BGZERO_LANGUAGE": "en"}, False),
        ({"BGZERO_LANGUAGE": "zh-cn"}, True),
        ({"BGZERO_LANGUAGE": "klingon"}, False),
    ],
)
def test_the_language_is_chosen_as_gettext_does(environ: dict[str, str], is_chinese: bool) -> None:
    """LC_ALL, LC_MESSAGES, LANG; C means none; LANGUAGE is a list; BGZERO_LANGUAGE comes before them all."""
    assert texts.find(environ) == (CHINESE if is_chinese else "")


@pytest.mark.parametrize("file", catalogue.FILES, ids=lambda file: file.stem)
def test_a_catalogue_is_whole_and_up_to_date(file: Path) -> None:
    """Each sentence is translated, none is stale, and what has to be kept is kept."""
    text = file.read_text(encoding="utf-8")
    read = texts.read(str(file))
    assert list(catalogue.faults(text, read, WANTED)) == []
    assert catalogue.updated(text, read, WANTED) == text, "make texts"


@pytest.mark.parametrize(
    ("one", "form"),
    [
        ("{file} is gone.", "{name} 不见了。"),
        ("{seconds:.1f} s", "{seconds} 秒"),
        ("%s is %d.", "%d 是 %s。"),
        ("Type `bgzero run`.", "输入 `bgzero 运行`。"),
        ("Give --all.", "使用 -all。"),
        ("See https://a.example/b.", "见 https://a.example/c。"),
        ("Set SSL_CERT_FILE.", "请设置证书。"),
        ("Raise worker.memory_limit.", "请调高内存上限。"),
        ("\nSpeed", "速度"),
        ("usage: \n", "用法："),
        ("Made {path}.", "已创建{path}。"),
        ("Nothing is wrong.", "Nothing is wrong."),
    ],
)
def test_a_translation_that_lost_something_is_found(one: str, form: str) -> None:
    """Placeholders, commands, options, addresses, variables, keys, blanks, and room around names."""
    assert list(catalogue.unlike(one, form))


def test_missing_and_stale_entries_and_forms_are_found(tmp_path: Path) -> None:
    """An update takes what is gone out, puts what is new in, empty, and keeps translators' comments."""
    wanted = {
        "Kept.": catalogue.Sentence("Kept.", files=["a.py"]),
        "New.": catalogue.Sentence("New.", files=["a.py"]),
        "{count} dog": catalogue.Sentence("{count} dog", "{count} dogs", ["b.py"]),
    }
    entries = '# a word\nmsgid "Kept."\nmsgstr "Bleibt."\n\nmsgid "Gone."\nmsgstr "Weg."\n'
    file = tmp_path / "de.po"
    file.write_text(f"{catalogue.HEADER}\n{entries}")
    found = list(catalogue.faults(file.read_text(), texts.read(str(file)), wanted))
    assert [line.partition(":")[0] for line in found] == [
        "stale, nothing says it any more", "not translated", "not translated",
    ]  # fmt: skip
    file.write_text(catalogue.updated(file.read_text(), texts.read(str(file)), wanted))
    assert "Gone." not in file.read_text()
    assert '# a word\n#: a.py\nmsgid "Kept."\nmsgstr "Bleibt."' in file.read_text()
    file.write_text(file.read_text().replace('msgstr[1] ""', 'msgstr[1] "{count} Hunde"'))
    assert "not translated: '{count} dog' (b.py)" in catalogue.faults(file.read_text(), texts.read(str(file)), wanted)


def test_a_catalogue_is_read_as_gettext_reads_it(tmp_path: Path) -> None:
    """Broken lines, escapes, doubted, empty and obsolete entries, and forms by the header's rule."""
    file = tmp_path / "pl.po"
    file.write_text(
        '# by hand\n#, fuzzy\nmsgid ""\nmsgstr ""\n"Plural-Forms: nplurals=3; plural=(n==1 ? 0 : n<5 ? 1 : 2);\\n"\n\n'
        'msgid "a \\"b\\"\\n"\nmsgstr ""\n"first\\t"\n"second \\\\n\\n"\n\n'
        '#, fuzzy\nmsgid "doubted"\nmsgstr "?"\n\n#, c-format\nmsgid "sure"\nmsgstr "!"\n\n'
        'msgid "empty"\nmsgstr ""\n\n#~ msgid "old"\n#~ msgstr "?"\n\n'
        'msgid "one"\nmsgid_plural "many"\nmsgstr[0] "x"\nmsgstr[1] "y"\nmsgstr[2] "z"\n'
    )
    read = texts.read(str(file))
    assert read.sentences == {'a "b"\n': "first\tsecond \\n\n", "sure": "!", "one": "x"}
    assert [read.forms["one"][read.choose(count)] for count in (1, 3, 7)] == ["x", "y", "z"]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'msgid ""\nmsgstr "Plural-Forms: plural=os.abort();\\n"\n'])
def test_a_broken_catalogue_is_told_apart(tmp_path: Path, content: bytes) -> None:
    """Nothing, no text, and a rule that is none: each is an error, of which the caller makes English."""
    file = tmp_path / "zz.po"
    file.write_bytes(content)
    with pytest.raises(ValueError, match=r"."):
        texts.read(str(file))


def test_sentences_are_whole_literals() -> None:
    """What is looked up is a literal, and none is put together from halves: other languages have another order."""
    wrong = []
    for file, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (name := catalogue.name_of(node)) in catalogue.CALLS:
                is_wrong = not all(isinstance(text, ast.Constant) for text in node.args[: 2 if name == "n_" else 1])
            elif isinstance(node, ast.BinOp):
                is_wrong = isinstance(node.op, ast.Add) and (_says(node.left) or _says(node.right))
            elif isinstance(node, ast.JoinedStr):
                around = "".join(str(part.value) for part in node.values if isinstance(part, ast.Constant))
                is_wrong = _says(node) and bool(re.search(r"[A-Za-z]", around))
            else:
                continue
            wrong += [f"{file}:{node.lineno}"] * is_wrong
    assert wrong == []


def test_errors_hints_and_help_are_looked_up() -> None:
    """What is raised as an error of ours, hinted or helped with goes through `_`."""
    errors = (catalogue.SOURCES / "core" / "errors.py").read_text()
    ours = set(re.findall(r"^class (\w+)\(", errors, re.MULTILINE))
    plain = []
    for file, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                shown = [keyword.value for keyword in node.keywords if keyword.arg in ("hint", "help")]
                shown += node.args[:1] if catalogue.name_of(node) in ours else []
                plain += [f"{file}:{text.lineno}" for text in shown if _is_plain(text)]
    assert plain == []


def test_warnings_are_looked_up() -> None:
    """What a log says for a person; the lines about a job's outcome are the same in every language."""
    told = ["%s %s: given up for now. %s", "job %s: %.200r in %s, line %d", "worker %d: %s"]
    plain = []
    for file, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("log.warning", "log.error") and node.args:
                said = node.args[0].value if isinstance(node.args[0], ast.Constant) else ""
                is_plain = re.search(r"[a-z]{2}", re.sub(r"%\S+", "", str(said))) and said not in told
                plain += [f"{file}:{node.lineno}"] * bool(is_plain)
    assert plain == ["service/replies.py:26"], "with a traceback, for whoever mends it"


def _trees() -> Iterator[tuple[Path, ast.AST]]:
    for file in sorted(catalogue.SOURCES.rglob("*.py")):
        yield file.relative_to(catalogue.SOURCES), ast.parse(file.read_text(encoding="utf-8"))


def _says(node: ast.AST) -> bool:
    """Whether a sentence is looked up in an expression that gives a text, not a list."""
    return not isinstance(node, ast.List) and any(
        isinstance(inner, ast.Call) and catalogue.name_of(inner) in catalogue.CALLS for inner in ast.walk(node)
    )


def _is_plain(node: ast.expr) -> bool:
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.Constant) and " " in str(part.value).strip() for part in node.values)
    return isinstance(node, ast.Constant) and " " in str(node.value)


@pytest.mark.parametrize("language", ["en", *(file.stem for file in catalogue.FILES)])
def test_a_report_finds_names_in_a_log_of_any_language(language: str) -> None:
    """`bgzero report` runs in one language, and the daemon wrote its log in another."""

    def said(sentence: str) -> str:
        assert sentence in WANTED, "the daemon says something else by now"
        return read.sentences[sentence] if read else sentence

    read = None if language == "en" else texts.read(str(Path(texts.FOLDER, f"{language}.po")))
    names = [f"private {letter} name" for letter in "abcdefgh"]
    messages = [said(loglines._ROOTS) % ("/photos/in", "/photos/out")]
    for sentence, count in loglines._NAMED.items():
        rest = ["why"] * (sentence.count("%s") - count)
        messages.append(said(sentence) % (*(names.pop() for _each in range(count)), *rest))
    assert names == []
    messages.append("/photos/in/private by folder")
    entries = loglines.read([f"12:00:00 INFO    {message}" for message in messages])
    veil = Veil()
    loglines.learn(entries, veil)
    assert not [line for line in loglines.cover(entries, veil) if "private" in line]


def test_wide_characters_take_two_columns() -> None:
    """Tables line up by columns, and help breaks where the terminal ends."""
    assert [columns(text) for text in ("abc", "照片", "e\u0301", "a，b")] == [3, 4, 1, 4]
    assert padded("照片", 6) == "照片  "
    text = "请把照片放入 Inbox，抠图结果会出现在 Cutouts。这里还有一句话。"
    lines = wrapped(text, 16)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(columns(line) <= 18 for line in lines), "closing marks may hang"
    assert not [line for line in lines if line[0] in "，。"]
    assert wrapped("", 10) == []
