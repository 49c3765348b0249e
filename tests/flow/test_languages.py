"""The installed program in another language: help, errors, the doctor, tables, the log, the worker's sentences."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bgzero_daemon
from bgzero_daemon.core.columns import columns
from tests.home import Home, photo

CHINESE = {"LANG": "zh_CN.UTF-8"}


def said(home: Home, *arguments: str | Path, **env: str) -> tuple[int, str]:
    """Run a command; return its exit status, and both streams."""
    done = home.bgzero(*arguments, stdin=b"", **env)
    return done.returncode, (done.stdout + done.stderr).decode()


def test_help_and_usage_are_in_the_users_language(home: Home) -> None:
    """argparse's own words too; lines end where the terminal does, by columns."""
    status, text = said(home, "--help", **CHINESE)
    assert status == 0
    assert text.startswith("用法：bgzero [-h]")
    assert all(word in text for word in ("选项:", "显示此帮助并退出", "对单张照片抠图"))
    assert not [word for word in ("usage", "options", "show ", "photo") if word in text]
    status, text = said(home, "model", "prepare", "--help", **CHINESE, COLUMNS="60")
    assert max(map(columns, text.splitlines())) <= 60, text
    status, text = said(home, "cut", **CHINESE)
    assert (status, text.splitlines()[-1]) == (2, "bgzero cut：错误：缺少以下参数：PHOTO")


def test_errors_and_hints_are_in_the_users_language(home: Home) -> None:
    """A command that finds no daemon; exit statuses are the same."""
    status, text = said(home, "status", **CHINESE)
    assert (status, text) == (3, "bgzero: 没有正在运行的 bgzero 守护进程。\n请启动一个：bgzero run\n")


def test_the_worker_speaks_the_same_language(home: Home) -> None:
    """What is wrong with a photo is said in the worker, behind its sandbox, from module-level words."""
    (home.inbox / "text.jpg").write_text("no photo at all\n")
    status, text = said(home, "cut", home.inbox / "text.jpg", **CHINESE)
    assert status == 4
    assert "这是 文本文件，不是照片。" in text


def test_the_log_and_what_is_kept_are_in_the_daemons_language(home: Home) -> None:
    """The log; the sentence that the ledger keeps is shown as it was written to a client of another language."""
    photo(home.inbox / "good.jpg")
    (home.inbox / "bad.jpg").write_bytes(b"")
    status, text = said(
        home,
        "run",
        "--once",
        "--inbox",
        home.inbox,
        "--outbox",
        home.outbox,
        **CHINESE,
        BGZERO_WATCH__MAX_WAIT_SECONDS="0",
    )
    assert status == 4
    assert "请把照片放入 " in text
    assert "抠图 1 张，失败 1 张，跳过 0 张。" in text
    assert "good.jpg: done, tiny on " in text, "lines about a job are the same in every language"
    (failure,) = (home.outbox / ".bgzero" / "failed").iterdir()
    assert "文件是空的。" in failure.read_text(encoding="utf-8")


def test_findings_and_tables_line_up_in_columns(home: Home) -> None:
    """`doctor` and `model list`: the last column begins where it does in the other rows."""
    status, text = said(home, "doctor", "--only", "clock", "--only", "configuration", **CHINESE)
    assert status == 0
    assert "正常    configuration: 没有配置文件，默认值没有问题。" in text
    assert text.endswith("没有发现问题。\n")
    _status, text = said(home, "model", "list", **CHINESE)
    head, *rows = text.split("\n\n")[0].splitlines()
    starts = {columns(head[: head.index("已安装")])}
    starts |= {columns(row) - columns(row.split()[-1]) for row in rows if not row.startswith(" ")}
    assert len(starts) == 1, text


def test_a_sentence_that_is_read_again_is_read_in_its_language(home: Home) -> None:
    """The doctor finds line, key and nearest key in what was said about the configuration, and makes a remedy of it."""
    file = home.root / "config" / "bgzero" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text("[model]\nnam = 'tiny'\n")
    status, text = said(home, "doctor", "--only", "configuration", **CHINESE)
    assert status == 1
    assert "model.nam: 未知的键。是不是想输入 name？" in text
    assert f"解决办法： sed -i '2s/nam/name/' {file}" in text


def test_a_client_puts_the_status_into_its_own_words(home: Home) -> None:
    """States and counts travel as such; only whole sentences are in the daemon's language."""
    with home.daemon():
        status, text = said(home, "status", **CHINESE)
    assert (status, text.splitlines()[0]) == (0, "监视中")
    assert "等待 0，处理中 0，" in text


def test_letters_that_a_terminal_lacks_stop_nothing(home: Home) -> None:
    """A setting may ask for a language whose letters the locale has not."""
    status, text = said(home, "model", "list", BGZERO_LANGUAGE="zh_CN", PYTHONIOENCODING="ascii")
    assert status == 0
    assert "\\u540d\\u79f0" in text


@pytest.mark.parametrize("env", [{"LANG": "tlh_KL.UTF-8"}, {"LANG": "C"}, {"BGZERO_LANGUAGE": "en", **CHINESE}, {}])
def test_english_is_spoken_to_everybody_else(home: Home, env: dict[str, str]) -> None:
    """A language that nobody has translated to, none, and English."""
    assert said(home, "status", **env)[1].startswith("bgzero: No bgzero daemon is running.")


class Copy:
    """A copy of the package, whose catalogues may be changed."""

    def __init__(self, home: Home, root: Path) -> None:
        package = Path(bgzero_daemon.__file__).parent
        shutil.copytree(package, root / "bgzero_daemon", ignore=shutil.ignore_patterns("__pycache__", "assets"))
        self.locale = root / "bgzero_daemon" / "locale"
        self._env = home.env | {"PYTHONPATH": str(root)}

    def said(self, *arguments: str, **env: str) -> str:
        """Run the copy and return what it said."""
        command = [sys.executable, "-P", "-m", "bgzero_daemon", *arguments]
        done = subprocess.run(command, env=self._env | env, capture_output=True, text=True)
        return done.stdout + done.stderr


@pytest.fixture
def copy(home: Home, tmp_path: Path) -> Copy:
    """A copy of the package that is run instead of the installed one."""
    return Copy(home, tmp_path / "copy")


def test_a_language_is_a_file(copy: Copy) -> None:
    """Nothing is compiled, listed or configured: the file is there, and it is spoken. What it lacks is English."""
    head = 'msgid ""\nmsgstr "Plural-Forms: nplurals=2; plural=n != 1;\\n"\n'
    entry = 'msgid "No bgzero daemon is running."\nmsgstr "Es läuft kein bgzero-Dienst."\n'
    (copy.locale / "de.po").write_text(f"{head}\n{entry}", encoding="utf-8")
    text = copy.said("status", LANG="de_AT.UTF-8")
    assert text == "bgzero: Es läuft kein bgzero-Dienst.\nStart one: bgzero run\n"


@pytest.mark.parametrize("content", [b"", b"\xff", b'msgid ""\nmsgstr "what?"\n', None])
def test_a_broken_catalogue_costs_the_translation_and_no_more(copy: Copy, content: bytes | None) -> None:
    """English, and a line for whoever asks with -v; a file that may not be read is the same."""
    file = copy.locale / "zh_CN.po"
    if content is None:
        file.unlink()
        file.mkdir()
    else:
        file.write_bytes(content)
    assert copy.said("status", **CHINESE) == "bgzero: No bgzero daemon is running.\nStart one: bgzero run\n"
    told = [line for line in copy.said("doctor", "--only", "clock", "-v", **CHINESE).splitlines() if str(file) in line]
    assert len(told) == 1
    assert " DEBUG " in told[0]
    assert os.fspath(file) in told[0]
