"""Graphs that are prepared for the CPU: the same mask from less, or the published weights."""

import hashlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from bgzero_daemon.catalog import prepared, runtime, shelf
from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.engine import recipe
from bgzero_daemon.engine.contents import contents
from bgzero_daemon.engine.session import Engine
from bgzero_daemon.install import purge
from bgzero_daemon.service import crew
from bgzero_daemon.settings.schema import Config
from tests import tiny
from tests.fault.test_providers import lying, worker_of
from tests.home import Home, is_alive, photo, until

SIDE_PX = 320
COMMAND = ("model", "prepare", "half")


def half_network() -> bytes:
    """Bright pixels are the subject, in half precision, with a second output, as converters make it.

    They append their casts at the end, where ONNX wants whoever makes something before whoever takes it.
    """
    single = helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])
    weights = [
        numpy_helper.from_array(np.full((1, 3, 1, 1), factor, np.float16), name)
        for name, factor in (("w", 20.0 / 3.0), ("v", -1.0), ("u", 2.0))
    ]
    nodes = [
        helper.make_node("Constant", [], ["zero"], value=numpy_helper.from_array(np.zeros(1, np.float16))),
        helper.make_node("Conv", ["half", "w"], ["weighed"]),
        helper.make_node("Add", ["weighed", "zero"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["half d0"]),
        helper.make_node("Conv", ["half", "v"], ["other"]),
        helper.make_node("Sigmoid", ["other"], ["half d1"]),
        helper.make_node("Cast", ["half d0"], ["d0"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["half d1"], ["d1"], to=TensorProto.FLOAT),
        helper.make_node("Cast", ["input.1"], ["half"], to=TensorProto.FLOAT16),
    ]
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 1, SIDE_PX, SIDE_PX]) for name in ("d0", "d1")
    ]
    graph = helper.make_graph(nodes, "half", [single], outputs, weights)
    return bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9).SerializeToString()
    )


@pytest.fixture
def halved(home: Home) -> Home:
    """An account with the network of half precision."""
    content = half_network()
    (home.models / "half.onnx").write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    card = tiny.CARD.format(name="half", size=len(content), sha256=sha256, side=SIDE_PX, fit="stretch")
    (home.models / "half.toml").write_text(card)
    home.env |= {"BGZERO_MODEL__NAME": "half"}
    return home


def card_of(home: Home) -> ModelCard:
    return shelf.read_card(home.models / "half.toml")


def folder_in(home: Home) -> Path:
    """Return the one prepared graph's folder."""
    (folder,) = (home.root / "home" / ".cache" / "bgzero" / "prepared").iterdir()
    return folder


def cut(home: Home, *options: str) -> tuple[bytes, str]:
    """Cut a photo; return the cut-out and what was said."""
    source = home.root / "a.jpg"
    done = home.bgzero("cut", *options, source if source.exists() else photo(source), "-o", "-")
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.decode()


def is_half(model: ModelProto) -> bool:
    halves = {TensorProto.FLOAT16}
    casts = {attribute.i for node in model.graph.node for attribute in node.attribute if node.op_type == "Cast"}
    stored = {tensor.data_type for tensor in model.graph.initializer}
    return bool(halves & (casts | stored))


def test_prepared_graph_has_one_output_single_precision_and_the_same_mask(halved: Home, tmp_path: Path) -> None:
    """Nothing is left of what the card does not use; a worker takes it, and who asks is told."""
    advice = halved.bgzero("doctor", "--only", "models").stdout
    assert b"bgzero model prepare half" in advice
    published, said = cut(halved)
    assert "prepared" not in said
    done = halved.bgzero(*COMMAND)
    assert done.returncode == 0, done.stderr
    assert b"half is prepared for the CPU" in done.stdout
    folder = folder_in(halved)
    assert {path.name: path.stat().st_mode & 0o077 for path in (folder, folder.parent)} == {
        folder.name: 0,
        "prepared": 0,
    }
    graph = (folder / prepared.GRAPH).read_bytes()
    model = onnx.load_model_from_string(graph)
    assert [output.name for output in model.graph.output] == ["d0"]
    assert not is_half(model)
    assert len(model.graph.initializer) <= 2
    assert not contents(graph).is_half
    assert contents(half_network()).is_half

    card, tensor = card_of(halved), np.random.default_rng(0).uniform(-1, 1, (1, 3, SIDE_PX, SIDE_PX)).astype(np.float32)
    digits = hashlib.sha256(graph).hexdigest()
    published_mask, prepared_mask = (
        np.asarray(Engine(weights, card, asked="cpu", threads=1, prepared_sha256=asked).run(tensor), np.float32)
        for weights, asked in ((half_network(), ""), (graph, digits))
    )
    assert np.abs(published_mask - prepared_mask).mean() < 0.002
    with pytest.raises(ModelError, match=r"half.onnx \(prepared\) is not the one"):
        Engine(graph, card, asked="cpu", threads=1, prepared_sha256="0" * 64, allow_unverified=True)

    taken, said = cut(halved, "-v")
    assert "half is loaded as it was prepared for the CPU" in said
    assert abs(len(taken) - len(published)) < 1000
    assert b"for the CPU" in halved.bgzero("model", "info", "half").stdout
    assert b"bgzero model prepare half" not in halved.bgzero("doctor", "--only", "models").stdout


def damage_graph(folder: Path) -> None:
    content = bytearray((folder / prepared.GRAPH).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / prepared.GRAPH).write_bytes(content)


def say(folder: Path, **changes: object) -> None:
    manifest = folder / prepared.MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | changes))


def put(folder: Path, make: Callable[[Path], object]) -> None:
    graph = folder / prepared.GRAPH
    graph.rename(folder / "x")
    make(graph)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "its bytes are not those": damage_graph,
    "its manifest is for another version": lambda folder: say(folder, onnxruntime="1.0.0"),
    "its manifest cannot be read": lambda folder: (folder / prepared.MANIFEST).write_text("{"),
}
OTHERS: dict[str, Callable[[Path], object]] = {
    "another recipe": lambda folder: say(folder, recipe=prepared.RECIPE + 1),
    "other weights": lambda folder: say(folder, source_sha256="0" * 64),
    "another key": lambda folder: say(folder, more=1),
    "another size": lambda folder: say(folder, size_bytes=1),
    "another hash": lambda folder: say(folder, sha256="0" * 64),
    "no manifest": lambda folder: (folder / prepared.MANIFEST).unlink(),
    "no graph": lambda folder: (folder / prepared.GRAPH).unlink(),
    "a pipe": lambda folder: put(folder, os.mkfifo),
    "a link": lambda folder: put(folder, lambda graph: graph.symlink_to("x")),
    "open to others": lambda folder: folder.chmod(0o777),
}


def test_what_is_not_what_was_prepared_is_passed_over(halved: Home) -> None:
    """The published weights are used, with a sentence; cut-outs are those that they always made."""
    published, _said = cut(halved)
    for why, damage in DAMAGES.items():
        assert halved.bgzero(*COMMAND).returncode == 0
        damage(folder_in(halved))
        found, said = cut(halved)
        assert found == published
        assert "The prepared graph of half is passed over: " + why in said


def test_nothing_but_the_very_graph_is_opened(halved: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong with graph, manifest or folder; and no descriptor is left behind."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    card, graph = card_of(halved), b"a graph"
    assert prepared.open_graph(card) is None
    whole = prepared.Manifest(
        recipe=prepared.RECIPE, source_sha256=card.sha256, output="", sha256=hashlib.sha256(graph).hexdigest(),
        size_bytes=len(graph), onnxruntime=prepared.runtime_version(), onnx="1", program="1",
    )  # fmt: skip
    folder = prepared.store(card, graph, whole)
    opened = prepared.open_graph(card)
    assert opened
    assert os.read(opened.descriptor, 100) == graph
    os.close(opened.descriptor)
    before = len(os.listdir("/proc/self/fd"))
    for what, damage in (DAMAGES | OTHERS).items():
        prepared.store(card, graph, whole)
        damage(folder)
        with pytest.raises(prepared.NotPrepared):
            pytest.fail(f"{what}: {prepared.open_graph(card)}")
        prepared.remove(folder)
        (folder / "x").unlink(missing_ok=True)
    assert len(os.listdir("/proc/self/fd")) == before
    older = folder.with_name(f"{card.sha256}-{'0' * 16}")
    older.mkdir()
    prepared.store(card, graph, whole)
    assert not older.exists()


def test_without_the_extra_a_sentence_says_what_to_install(halved: Home) -> None:
    """As `pip install bgzero-daemon` leaves it."""
    shadow = halved.root / "shadow"
    shadow.mkdir()
    (shadow / "onnx.py").write_text("raise ModuleNotFoundError('no onnx', name='onnx')")
    done = halved.bgzero(*COMMAND, PYTHONPATH=str(shadow))
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "bgzero: Models are prepared with the package onnx, which is not installed.",
        "Install bgzero-daemon[prepare] where bgzero-daemon is, then try again.",
    ]


def test_without_a_name_every_model_that_the_configuration_names_is_prepared(halved: Home) -> None:
    """The default one, and those of folders; one that cannot be prepared does not keep the others from it."""
    tiny.install(halved.models, "third")
    halved.env |= {"BGZERO_MODEL__NAME": "gone"}
    file = halved.root / "config.toml"
    file.write_text("".join(
        f'[[folder]]\ninbox = "{halved.root / name}"\noutbox = "{halved.root}/out {name}"\nmodel = "{name}"\n'
        for name in ("half", "third")
    ))  # fmt: skip
    done = halved.bgzero("model", "prepare", "--config", file)
    assert done.returncode == 1
    assert b"There is no model gone" in done.stderr
    assert [line.split()[0] for line in done.stdout.decode().splitlines()] == ["half", "third"]
    folders = (halved.root / "home" / ".cache" / "bgzero" / "prepared").iterdir()
    made = {json.loads((folder / prepared.MANIFEST).read_text())["source_sha256"] for folder in folders}
    assert made == {shelf.read_card(halved.models / f"{name}.toml").sha256 for name in ("half", "third")}


def test_preparation_that_was_killed_is_told(halved: Home) -> None:
    """By the kernel, where memory is short: no success, and one sentence."""
    halved.env |= lying(
        halved, "import os, sys\nif 'bgzero_daemon.engine.prepare' in sys.orig_argv: os.kill(os.getpid(), 9)\n"
    )
    done = halved.bgzero("model", "prepare")
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == ["bgzero: half is not prepared: the process ended by signal 9."]


def kill(pid: int) -> None:
    """End a process, and wait until it has."""
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid), "it is gone")


def test_status_names_a_worker_that_runs_a_prepared_graph(halved: Home) -> None:
    """The next worker takes what was prepared meanwhile; programs and people are told."""
    with halved.daemon() as daemon:
        for name, is_prepared, shown in (("a", "False", False), ("b", "True", True)):
            photo(halved.inbox / f"{name}.jpg", seed=ord(name))
            daemon.wait_for(f"{name}.png")
            worker = worker_of(halved)
            assert (worker["provider"], worker["prepared"]) == ("CPUExecutionProvider", is_prepared)
            said = halved.bgzero("status").stdout.decode()
            assert ("half on CPUExecutionProvider (prepared), 1 photos" in said) is shown
            assert halved.bgzero(*COMMAND).returncode == 0
            kill(int(worker["pid"]))


def test_weights_that_are_not_the_cards_are_not_prepared(halved: Home) -> None:
    """What a card does not describe is no network of ours."""
    (halved.models / "half.onnx").write_bytes(half_network()[:-1] + b"x")
    done = halved.bgzero(*COMMAND)
    assert done.returncode == 1
    assert b"not the one its card describes" in done.stderr


def test_other_outputs_and_circles(tmp_path: Path) -> None:
    """The output that the card names is kept; a name that is none, and a graph without an end, are told."""
    model = onnx.load_model_from_string(recipe.prepare(half_network(), "d1", tmp_path))
    assert [output.name for output in model.graph.output] == ["d1"]
    with pytest.raises(ValueError, match="no output d7"):
        recipe.prepare(half_network(), "d7", tmp_path)
    circle = onnx.load_model_from_string(half_network())
    circle.graph.node[1].input[0] = "half d0"
    with pytest.raises(ValueError, match="circle"):
        recipe.prepare(circle.SerializeToString(), "", tmp_path)
    with pytest.raises(ValueError, match=r"."):
        recipe.prepare(b"no model", "", tmp_path)


def test_workplaces_of_the_killed_are_swept_up_later(tmp_path: Path) -> None:
    """Somebody may be at work in one that is fresh."""
    workplace = tmp_path / f"{prepared.WORKPLACE}abc"
    workplace.mkdir()
    (workplace / prepared.FOLDED).touch()
    now = workplace.stat().st_mtime
    prepared.sweep(tmp_path, now + 60)
    assert workplace.exists()
    prepared.sweep(tmp_path, now + 4000)
    assert not workplace.exists()


def test_only_what_ends_on_the_cpu_is_prepared_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for, or because nothing else is installed; and where the card's hash counts."""
    config = Config()
    monkeypatch.setattr(runtime, "versions", lambda: {"onnxruntime": "1.32.0"})
    assert runtime.runs_on_cpu("auto")
    assert crew._may_be_prepared(config)
    unverified = config.model_copy(update={"model": config.model.model_copy(update={"allow_unverified": True})})
    assert not crew._may_be_prepared(unverified)
    monkeypatch.setattr(runtime, "versions", lambda: {"onnxruntime-gpu": "1.32.0"})
    assert runtime.runs_on_cpu("cpu")
    assert not runtime.runs_on_cpu("auto")


def test_purge_takes_prepared_graphs_and_leaves_what_is_not_ours(
    halved: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name, as everywhere."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for kind in ("CACHE", "CONFIG", "STATE", "DATA"):
        monkeypatch.setenv(f"XDG_{kind}_HOME", str(tmp_path / "fresh" / kind))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    card, graph = card_of(halved), b"a graph"
    manifest = prepared.Manifest(
        recipe=1, source_sha256=card.sha256, output="", sha256=card.sha256, size_bytes=7, onnxruntime="", onnx="",
        program="",
    )  # fmt: skip
    folder = prepared.store(card, graph, manifest)
    (folder / "letter.txt").write_text("mine")
    workplace = folder.parent / f"{prepared.WORKPLACE}a_1b"
    workplace.mkdir()
    (workplace / prepared.FOLDED).touch()
    assert [kept.path.name for kept in purge.carry_out(purge.make_plan([]))] == ["letter.txt"]
    (folder / "letter.txt").unlink()
    assert purge.carry_out(purge.make_plan([])) == []
    assert not (tmp_path / "fresh" / "CACHE" / "bgzero").exists()
