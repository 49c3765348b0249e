"""The configuration changes while the daemon runs."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests import tiny
from tests.fault.oracle import Oracle, pixel_data, tag_of
from tests.fault.space import inside, need_namespace
from tests.home import PROGRAM, Daemon, Home, photo, until


class Configured:
    """An account with a configuration file."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.file = home.root / "config" / "bgzero" / "config.toml"
        self.file.parent.mkdir(parents=True)
        for name in ("BGZERO_MODEL__NAME", "BGZERO_WATCH__SETTLE_SECONDS"):
            del home.env[name]
        self.text = (
            f'[model]\nname = "tiny"\n[watch]\nsettle_seconds = 0.1\n[[folder]]\ninbox = "{home.inbox}"\n'
            f'outbox = "{home.outbox}"\n'
        )
        self.file.write_text(self.text)

    def replace(self, text: str) -> None:
        """Write it as most editors do: another file, renamed into its place."""
        half = self.file.with_name(".config.toml.swp")
        half.write_text(text)
        half.replace(self.file)

    def status(self) -> dict[str, object]:
        """Ask the daemon."""
        return Oracle(self.home).status()

    @contextmanager
    def daemon(self) -> Iterator[Daemon]:
        """`bgzero run`, watching when the block begins."""
        with self.home.started("run") as daemon:
            until(lambda: "Drop photos" in daemon.log, lambda: daemon.log)
            yield daemon


@pytest.fixture
def configured(home: Home) -> Configured:
    """An account with a configuration file."""
    return Configured(home)


def arrives(home: Home, daemon: Daemon, name: str, seed: int, inbox: Path | None = None) -> None:
    """Drop a photo and wait for its cut-out."""
    photo((inbox or home.inbox) / f"{name}.jpg", seed=seed)
    until((home.outbox / f"{name}.png").exists, lambda: daemon.log)


MISTAKES = [
    "[watch\n", "[watch]\nsetle_seconds = 1\n", "[watch]\nsettle_seconds = -1\n", "[watch]\nsettle_seconds = 'x'\n",
    "[watch]\nsettle_seconds = nan\n", "[watch]\nsettle_seconds = 1e9\n", "[watch]\nsettle_seconds =\n",
    "settle_seconds = 1\n", "[wach]\n", "[model]\nname = 3\n", "[model]\nname = ''\n", "[model]\nname = 'nothing'\n",
    "[model]\nprovider = 'gpu'\n", "[model]\nname = u2net\n", "[worker]\nlanes = 1.5\n", "[worker]\nlanes = true\n",
    "[worker]\nworkers = 17\n", "[worker]\norder = 'any'\n", "[worker]\nsandbox = 'on'\n", "[limits]\nmegapixels = 0\n",
    "[limits]\nmegapixels = '12'x\n", "[output]\nmetadata = 'all'\n", "[output]\nkeep_free = -1\n",
    "[log]\nlevel = 'loud'\n", "version = 99\n", "version = 'two'\n", "version = 0\n", "model = 3\n", "folder = 3\n",
    "[[folder]]\ninbox = '/nowhere'\n", "[[folder]]\ninbox = '/nowhere'\noutbox = '/nowhere-else'\n",
    "[[folder]]\ninbox = 'relative'\noutbox = '/tmp'\n", "[[folder]]\ninbox = '~nobody-here/x'\noutbox = '/tmp'\n",
    "[[folder]]\ninbox = '/tmp'\noutbox = '/tmp'\n", "[folder]\ninbox = '/tmp'\n", "[model]\n[model]\n", "= 3\n",
    "\x00", "[watch]\nsettle_seconds = 2026-01-01\n", '"""',
]  # fmt: skip


@pytest.mark.fault("F49")
def test_broken_configuration_leaves_the_last_good_one_in_force(configured: Configured) -> None:
    """Forty of them: each is told with its place, nothing stops, photos are cut; a good one ends the matter.

    Two are noticed by themselves, five are asked about by command, the others through the socket: that is quicker.
    """
    assert len(MISTAKES) == 40
    home = configured.home
    ask = Oracle(home).ask
    with configured.daemon() as daemon:
        for number, mistake in enumerate(MISTAKES):
            configured.replace(mistake)
            done = home.bgzero("reload") if number % 8 == 0 else None
            is_noticed = number % 20 == 4
            if not done and not is_noticed:
                assert not ask("reload")["ok"], mistake
            until(lambda: configured.status()["config_error"], lambda: daemon.log)
            error = str(configured.status()["config_error"])
            assert len(error) > 20, mistake
            assert "Traceback" not in error
            if done:
                assert (done.returncode, done.stdout) == (1, b"")
                assert done.stderr.startswith(b"bgzero: ")
            if number % 10 == 0:
                arrives(home, daemon, str(number), number)
            configured.replace(configured.text)
            if not is_noticed:
                assert ask("reload")["ok"], mistake
            until(lambda: not configured.status()["config_error"], lambda: daemon.log)
        assert "Traceback" not in daemon.log
        assert b"not taken over" not in home.bgzero("status").stdout
        assert daemon.log.count("is not taken over") >= 35


def test_mistake_is_told_with_file_line_key_and_the_nearest_key(configured: Configured) -> None:
    """In the status, in the log and to whoever asked; the service's state says that something is amiss."""
    with configured.daemon() as daemon:
        configured.replace(configured.text + "[worker]\nlane = 3\n")
        said = f"{configured.file}:9: worker.lane: unknown key. Did you mean lanes?"
        until(lambda: said in daemon.log, lambda: daemon.log)
        for command in ("status", "reload"):
            done = configured.home.bgzero(command)
            assert said in (done.stdout + done.stderr).decode(), command
        assert configured.home.bgzero("status", "--check").returncode == 1
        assert "the last good one holds" in str(configured.status()["why"])
        assert daemon.log.count(said) == 1, "once is enough"


def test_change_is_noticed_however_an_editor_writes(configured: Configured) -> None:
    """In place, by another file in its place, where the file is a link; the same bytes again are no change."""
    home = configured.home
    with configured.daemon() as daemon:
        configured.file.write_text(configured.text + "[log]\nlevel = 'debug'\n")
        until(lambda: "Taken over: log.level." in daemon.log, lambda: daemon.log)
        arrives(home, daemon, "a", 1)
        assert "DEBUG" in daemon.log
        configured.replace(configured.text)
        until(lambda: daemon.log.count("Taken over: log.level.") == 2, lambda: daemon.log)
    elsewhere = home.root / "dotfiles" / "mine.toml"
    elsewhere.parent.mkdir()
    elsewhere.write_text(configured.text)
    configured.file.unlink()
    configured.file.symlink_to(elsewhere)
    with configured.daemon() as daemon:
        half = elsewhere.with_name("half")
        half.write_text(configured.text.replace("0.1", "0.2"))
        half.replace(elsewhere)
        until(lambda: "Taken over: watch.settle_seconds" in daemon.log, lambda: daemon.log)
        os.utime(elsewhere)
        elsewhere.write_text(elsewhere.read_text())
        time.sleep(1)
        assert daemon.log.count("Taken over") == 1


def test_file_that_was_not_there_at_the_start_is_noticed(home: Home) -> None:
    """Not even its folder was: `config set` makes both, and a running daemon takes it over as it says."""
    with home.daemon() as daemon:
        done = home.bgzero("config", "set", "log.level", "debug")
        assert b"takes it over by itself" in done.stderr
        until(lambda: "Taken over: log.level." in daemon.log, lambda: daemon.log)
    account = home.root / "home" / "Pictures"
    home.outbox = account / "Cutouts"
    (home.root / "config" / "bgzero" / "config.toml").unlink()
    with home.started("run") as daemon:
        until(lambda: "Drop photos" in daemon.log, lambda: daemon.log)
        home.bgzero("config", "set", "watch.poll_seconds", "7")
        until(lambda: "Taken over: watch.poll_seconds." in daemon.log, lambda: daemon.log)


def test_signal_and_command_reload(configured: Configured) -> None:
    """Also where the file system tells of no changes. The command says what changed, and what needs a restart."""
    home = configured.home
    with configured.daemon() as daemon:
        assert home.bgzero("reload").stdout == b"Nothing has changed.\n"
        text = configured.text.replace("tiny", "other")
        configured.file.write_text(text)
        until(lambda: "There is no model other" in str(configured.status()["config_error"]), lambda: daemon.log)
        tiny.install(home.models, "other")
        daemon.process.send_signal(signal.SIGHUP)
        until(lambda: "Taken over: model.name." in daemon.log, lambda: daemon.log)
        configured.file.write_text(text + "[log]\nformat = 'json'\nlevel = 'debug'\n")
        until(lambda: configured.status()["needs_restart"] == ["log.format"], lambda: daemon.log)
        assert b"at the next start: log.format" in home.bgzero("status").stdout
        assert b"at the next start: log.format" in home.bgzero("reload").stdout
        arrives(home, daemon, "a", 1)
        configured.file.write_text(text)
        until(lambda: configured.status()["needs_restart"] == [], lambda: daemon.log)


def test_storm_of_signals_neither_holds_nor_ends_it(configured: Configured) -> None:
    """They come at every moment of the main thread's, also while it holds what others wake it by."""
    with configured.daemon() as daemon:
        for _time in range(3000):
            daemon.process.send_signal(signal.SIGHUP)
            time.sleep(0.0001)
        arrives(configured.home, daemon, "a", 1)
        assert daemon.stop() == 0


def test_terminal_that_is_closed_ends_what_was_started_in_it(configured: Configured) -> None:
    """There SIGHUP is no wish for another configuration."""
    leader, follower = os.openpty()
    with subprocess.Popen([*PROGRAM, "run"], env=configured.home.env, stdin=follower, stderr=follower) as process:
        os.close(follower)
        said = b""
        while b"Drop photos" not in said:
            said += os.read(leader, 4096)
        process.send_signal(signal.SIGHUP)
        assert process.wait(30) == 0
    os.close(leader)


def test_model_of_the_configuration_changes_while_photos_are_cut(configured: Configured) -> None:
    """As by command; one that fails its test is not taken over, and the configuration's mistake is told."""
    home = configured.home
    for name in ("other", "broken"):
        tiny.install(home.models, name)
    (home.models / "broken.onnx").write_bytes(b"no network")
    with configured.daemon() as daemon:
        arrives(home, daemon, "a", 1)
        configured.replace(configured.text.replace("tiny", "broken"))
        until(lambda: "broken.onnx" in str(configured.status()["config_error"]), lambda: daemon.log)
        arrives(home, daemon, "b", 2)
        configured.replace(configured.text.replace("tiny", "other"))
        until(lambda: "Taken over: model.name." in daemon.log, lambda: daemon.log)
        assert configured.status()["config_error"] == ""
        arrives(home, daemon, "c", 3)
    assert [tag_of(home.outbox / f"{name}.png")["model"] for name in "abc"] == ["tiny", "tiny", "other"]


@pytest.mark.parametrize("of_folder", [False, True])
def test_png_changes_for_the_next_photo_and_cuts_nothing_again(configured: Configured, *, of_folder: bool) -> None:
    """Of [output] or of the folder, without another worker; `bgzero redo` then writes an earlier cut-out so, too."""
    home = configured.home

    def text(png: str) -> str:
        return configured.text + ("" if of_folder else "[output]\n") + f'png = "{png}"\n'

    configured.file.write_text(text("fast"))
    key = "folder.0.png" if of_folder else "output.png"
    with configured.daemon() as daemon:
        photo(home.inbox / "a.png", (300, 200), 1)
        daemon.wait_for("a.png")
        before, worker = (home.outbox / "a.png").read_bytes(), daemon.worker()
        configured.replace(text("small"))
        until(lambda: f"Taken over: {key}." in daemon.log, lambda: daemon.log)
        photo(home.inbox / "b.png", (300, 200), 1)
        daemon.wait_for("b.png")
        a, b = home.outbox / "a.png", home.outbox / "b.png"
        assert pixel_data(b) != pixel_data(a)
        with Image.open(a) as one, Image.open(b) as two:
            assert (np.asarray(one) == np.asarray(two)).all()
        assert daemon.worker() == worker, "workers need not start anew for it"
    configured.replace(text("balanced"))
    assert home.bgzero("run", "--once").returncode == 0
    assert a.read_bytes() == before, "what was cut stays as it is"
    configured.replace(text("small"))
    with configured.daemon() as daemon:
        assert home.bgzero("redo", home.inbox / "a.png").returncode == 0
        until(lambda: pixel_data(a) == pixel_data(b), lambda: daemon.log)


def test_folders_come_and_go_while_photos_are_cut(configured: Configured) -> None:
    """What was in work is finished, what waits goes on, nothing is cut twice; what came in between is found."""
    home = configured.home
    second = home.root / "second"
    second.mkdir()
    more = f'[[folder]]\ninbox = "{second}"\noutbox = "{home.outbox}"\n'
    with configured.daemon() as daemon:
        for number in range(12):
            photo(home.inbox / f"{number}.png", (500, 400), number)
        photo(second / "s.jpg", seed=40)
        until(home.visible, lambda: daemon.log)
        pid = daemon.worker()
        assert pid
        os.kill(pid, signal.SIGSTOP)
        until(lambda: configured.status()["running"] or len(home.visible()) == 12, lambda: daemon.log)
        configured.replace(configured.text + more)
        time.sleep(1.5)
        is_at_work = bool(configured.status()["running"])
        assert len(Oracle(home).status()["folders"]) == (1 if is_at_work else 2), "photos in work are finished first"
        os.kill(pid, signal.SIGCONT)
        until(lambda: len(home.visible()) == 13, lambda: daemon.log)
        until(lambda: daemon.log.count(": done") == 13, lambda: daemon.log)
        (worker,) = Oracle(home).status()["workers"]
        assert worker["photos"] == 13, "none was given up in the middle"
        assert len(Oracle(home).status()["folders"]) == 2
        configured.replace(configured.text)
        until(lambda: len(Oracle(home).status()["folders"]) == 1, lambda: daemon.log)
        photo(second / "late.jpg", seed=41)
        arrives(home, daemon, "last", 42)
        until(lambda: Oracle(home).status()["done"] == 13, "done are the 13 of this inbox")
        assert "late.png" not in home.visible()
        configured.replace(configured.text + more)
        until(lambda: "late.png" in home.visible(), lambda: daemon.log)
        until(lambda: configured.status()["done"] == 15, lambda: daemon.log)
        assert daemon.log.count(": done") == 15
    assert "15 cut" in daemon.log


def test_folder_of_another_daemon_is_not_taken_over(configured: Configured) -> None:
    """The former configuration holds, whole: its inbox is watched, its lock is held."""
    home = configured.home
    tiny.install(home.models, "other")
    second, out = home.root / "second", home.root / "out-2"
    second.mkdir()
    out.mkdir()
    others = home.root / "others.toml"
    others.write_text(configured.text.replace(str(home.inbox), str(second)).replace(str(home.outbox), str(out)))
    with configured.daemon() as daemon, home.started("run", BGZERO_CONFIG=str(others)) as other:
        until(lambda: f"Drop photos into {second}" in other.log, lambda: other.log)
        free = home.root / "free"
        free.mkdir()
        more = "".join(f'[[folder]]\ninbox = "{inbox}"\noutbox = "{out}"\n' for inbox in (free, second))
        configured.replace(configured.text.replace("tiny", "other") + more)
        until(lambda: "already watches" in str(configured.status()["config_error"]), lambda: daemon.log)
        until(lambda: not configured.status()["workers"], "the worker that was tried out is sent away")
        arrives(home, daemon, "a", 1)
        configured.replace(configured.text)
        until(lambda: not configured.status()["config_error"], lambda: daemon.log)
        assert home.bgzero("run").returncode == 75
        thirds = home.root / "thirds.toml"  # a file of its own: the other daemon takes over what changes in its
        thirds.write_text(others.read_text().replace(str(second), str(free)))
        assert home.bgzero("run", "--once", BGZERO_CONFIG=str(thirds)).returncode == 0, "what was taken was let go"
    with home.started("run", BGZERO_CONFIG=str(others)) as other:
        until(lambda: f"Drop photos into {second}" in other.log, "its lock was let go")


def test_file_that_names_no_folder_any_more_changes_nothing(configured: Configured) -> None:
    """Emptied by mistake, or by an editor for a moment: nobody's photos are looked for elsewhere."""
    home = configured.home
    with configured.daemon() as daemon:
        configured.replace("")
        until(lambda: "names no folder any more" in str(configured.status()["config_error"]), lambda: daemon.log)
        arrives(home, daemon, "a", 1)
    assert not (home.root / "home" / "Pictures").exists()


def test_file_that_is_gone_changes_nothing(configured: Configured) -> None:
    """Defaults in its place would be other folders."""
    home = configured.home
    with configured.daemon() as daemon:
        configured.file.unlink()
        done = home.bgzero("reload")
        assert done.returncode == 1
        assert b"is gone" in done.stderr
        arrives(home, daemon, "a", 1)
        configured.replace(configured.text)
        until(lambda: not configured.status()["config_error"], lambda: daemon.log)


def test_pause_outlasts_a_reload(configured: Configured) -> None:
    """Whatever changes, nothing is begun."""
    home = configured.home
    tiny.install(home.models, "other")
    with configured.daemon() as daemon:
        home.bgzero("pause")
        photo(home.inbox / "a.jpg")
        until(lambda: configured.status()["waiting"] == 1, lambda: daemon.log)
        configured.replace(configured.text.replace("tiny", "other").replace("0.1", "0.2"))
        until(lambda: "Taken over: model.name, watch.settle_seconds" in daemon.log, lambda: daemon.log)
        until(lambda: configured.status()["waiting"] == 1, lambda: daemon.log)
        time.sleep(0.5)
        assert home.visible() == []
        home.bgzero("resume")
        until(lambda: home.visible() == ["a.png"], lambda: daemon.log)


def test_configuration_of_an_older_version_works_and_is_brought_forward_by_command(configured: Configured) -> None:
    """Comments and order stay, a copy is kept; what was changed is told; of a newer version nothing is touched."""
    home = configured.home
    old = configured.text + "[worker]\n# not too many\nmegapixels = 33  # at once\nlanes = 1\n"
    configured.file.write_text(old)
    with configured.daemon() as daemon:
        assert "`bgzero config migrate`" in daemon.log
        assert b"worker.megapixels_in_work = 33.0  # file:10\n" in home.bgzero("config", "show", "--origin").stdout
        done = home.bgzero("config", "migrate")
        assert done.returncode == 0, done.stderr
        text = configured.file.read_text()
        assert "# not too many\nmegapixels_in_work = 33  # at once\nlanes = 1\n" in text
        assert "version = 2" in text
        assert configured.file.with_name("config.toml.version-1").read_text() == old
        assert b"is of this version" in home.bgzero("config", "migrate").stdout
        assert b"Nothing has changed" in home.bgzero("reload").stdout
        newer = "version = 3\n" + configured.text
        configured.file.write_text(newer)
        for command in ("reload", "config migrate", "config check", "run --once"):
            done = home.bgzero(*command.split())
            assert done.returncode in (1, 78), command
            assert b"written for a newer version" in done.stderr
        assert configured.file.read_text() == newer


def test_inbox_that_is_gone_for_now_keeps_no_change_from_the_others(configured: Configured) -> None:
    """Unplugged: what changes elsewhere is taken over, photos of others are cut, and it is watched when it is back."""
    home = configured.home
    second = home.root / "second"
    second.mkdir()
    more = configured.text + f'[[folder]]\ninbox = "{second}"\noutbox = "{home.outbox}"\n'
    configured.file.write_text(more)
    with configured.daemon() as daemon:
        arrives(home, daemon, "a", 1, second)
        second.rename(home.root / "unplugged")
        until(lambda: configured.status()["state"] == "trouble", lambda: daemon.log)
        assert str(second) in str(configured.status()["why"])
        configured.replace(more.replace("0.1", "0.2"))
        until(lambda: "Taken over: watch.settle_seconds." in daemon.log, lambda: daemon.log)
        arrives(home, daemon, "b", 2)
        (home.root / "unplugged").rename(second)
        arrives(home, daemon, "c", 3, second)
        until(lambda: daemon.log.count(": done") >= 3, lambda: daemon.log)  # a cut-out is there before the line is
        assert daemon.log.count(": done") == 3
        assert home.bgzero("run").returncode == 75, "its lock was kept"


def test_what_is_asked_for_at_once_is_done_one_after_another(configured: Configured) -> None:
    """A file that changes, a model, a provider, a typing mistake: each gets its answer, none takes another's place."""
    home = configured.home
    tiny.install(home.models, "other")
    with configured.daemon() as daemon:
        configured.file.write_text(configured.text.replace("0.1", "0.2"))
        asked = [
            subprocess.Popen([*PROGRAM, *words.split()], env=home.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for words in ("reload", "model use other", "provider cpu", "model use nothing", "reload")
        ]
        codes = [process.wait(60) for process in asked]
        for process in asked:
            process.communicate()
        assert codes[::2] == [0, 0, 0]
        assert codes[3] == 1
        status = configured.status()
        assert (status["config_error"], status["switching_to"]) == ("", "")
        assert status["provider"]["asked"] == "cpu"  # type: ignore[index]
        until(lambda: "watch.settle_seconds" in daemon.log, lambda: daemon.log)
        arrives(home, daemon, "a", 1)
        # the mistake may have come while `other` still waited for its turn, and is then the later word of its kind
        assert (tag_of(home.outbox / "a.png")["model"] == "other") == (codes[1] == 0)


def test_mistake_is_told_until_it_is_mended_whatever_else_is_asked_for(configured: Configured) -> None:
    """Another model is no better configuration."""
    home = configured.home
    tiny.install(home.models, "other")
    with configured.daemon() as daemon:
        configured.replace(configured.text + "[wach]\n")
        until(lambda: configured.status()["config_error"], lambda: daemon.log)
        assert home.bgzero("model", "use", "other").returncode == 0
        assert "wach" in str(configured.status()["config_error"])
        assert home.bgzero("status", "--check").returncode == 1


def test_choice_that_the_configuration_has_overruled_does_not_come_back(configured: Configured) -> None:
    """Over tiny other was chosen; the file said third, and then tiny again: that is what it means."""
    home = configured.home
    for name in ("other", "third"):
        tiny.install(home.models, name)
    with configured.daemon() as daemon:
        home.bgzero("model", "use", "other")
        for name in ("third", "tiny"):
            configured.replace(configured.text.replace("tiny", name))
            until(lambda: configured.status()["model"]["value"] == name, lambda: daemon.log)  # type: ignore[index]  # noqa: B023
        assert configured.status()["model"] == {"value": "tiny", "origin": "file:2"}


def test_ledger_that_cannot_be_written_keeps_no_command_from_its_answer(configured: Configured) -> None:
    """The disk of the state is full: it is told as trouble, the daemon is steered, stopped, and nothing is lost."""
    home = configured.home
    need_namespace()
    state = home.root / "state"
    state.mkdir()
    command = f"mount -t tmpfs -o size=600k tmpfs {state} && exec {PROGRAM[0]} run"
    with home.started_by(["unshare", "-Urm", "sh", "-c", command]) as daemon:
        until(lambda: "Drop photos" in daemon.log, lambda: daemon.log)
        inside(daemon.process.pid, f"dd if=/dev/zero of={state}/fill bs=4k 2>/dev/null || true")
        for number in range(3):
            photo(home.inbox / f"{number}.jpg", seed=number)
        until(lambda: "ledger" in str(configured.status().get("trouble")), lambda: daemon.log)
        assert configured.status()["state"] == "trouble"
        began = time.monotonic()
        assert home.bgzero("pause").returncode == 0
        assert home.bgzero("stop").returncode == 0
        assert time.monotonic() - began < 30
        assert daemon.process.wait(10) == 0
    assert len(list(home.inbox.iterdir())) == 3
