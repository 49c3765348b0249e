"""Weights are what their card describes, bit by bit, and stand for themselves; or nothing runs."""

import hashlib
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from bgzero_daemon.catalog import shelf
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.engine.contents import Contents, NotOnnx, contents
from bgzero_daemon.engine.verify import verify
from tests import tiny
from tests.fault.test_worker import PROVOKE
from tests.home import Home, photo, until


def replaced(home: Home, model: bytes) -> Path:
    """Put another network behind the tiny card, whose hash and size fit."""
    weights = home.models / "tiny.onnx"
    weights.write_bytes(model)
    card = home.models / "tiny.toml"
    digits = hashlib.sha256(model).hexdigest()
    lines = [line for line in card.read_text().splitlines() if not line.startswith(("size_bytes", "sha256"))]
    card.write_text("\n".join([f"size_bytes = {len(model)}", f'sha256 = "{digits}"', *lines]))
    return weights


def refused(home: Home) -> str:
    """Try to cut a photo; return what is said."""
    done = home.bgzero("cut", photo(home.root / "a.jpg"), "-o", home.root / "a.png")
    assert done.returncode == 1
    assert not (home.root / "a.png").exists()
    return done.stderr.decode()


@pytest.mark.fault("F47")
def test_every_flipped_bit_of_the_weights_is_noticed(home: Home) -> None:
    """One bit in the middle of a number: the mask would be wrong, and nobody would see why."""
    weights = home.models / "tiny.onnx"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 0x10
    weights.write_bytes(content)
    assert "not the one its card describes (SHA-256" in refused(home)
    weights.write_bytes(content[:100])
    assert f"has 100 bytes; its card says {len(content)}" in refused(home)
    weights.write_bytes(bytes(len(content)))
    assert "not the one its card describes (SHA-256" in refused(home)


@pytest.mark.fault("F47")
def test_any_flipped_bit_is_noticed() -> None:
    """Two thousand of them, one at a time."""
    model = tiny.network()
    digits = hashlib.sha256(model).hexdigest()
    shipped = shelf.installed("u2netp").card
    card = shipped.model_copy(update={"size_bytes": len(model), "sha256": digits})
    verify(model, card)
    places = np.random.default_rng(0).integers(0, 8 * len(model), 2000)
    for place in places:
        content = bytearray(model)
        content[place // 8] ^= 1 << (place % 8)
        with pytest.raises(ModelError):
            verify(bytes(content), card)


@pytest.mark.fault("F48")
def test_weights_that_are_exchanged_all_the_time_are_the_right_ones_or_refused(home: Home) -> None:
    """Swapped by renaming while workers start: what was hashed is what is loaded."""
    weights = home.models / "tiny.onnx"
    good, other = weights.read_bytes(), tiny.network().replace(b"Sigmoid", b"Softsig")
    source = photo(home.root / "a.jpg")
    reference = home.bgzero("cut", source, "-o", "-").stdout
    is_over = False

    def swap() -> None:
        turn = 0
        while not is_over:
            turn += 1
            beside = home.models / "next"
            beside.write_bytes(good if turn % 2 else other)
            beside.replace(weights)
            time.sleep(0.001)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        outcomes = [home.bgzero("cut", source, "-o", "-") for _time in range(8)]
    finally:
        is_over = True
        thread.join()
    for done in outcomes:
        assert done.stdout in (b"", reference)
        assert bool(done.stdout) or b"not the one its card describes" in done.stderr


@pytest.mark.fault("F48")
def test_weights_that_are_exchanged_under_a_running_daemon_are_not_used(home: Home) -> None:
    """What is loaded are the bytes that were checked, whatever happens to the file; a new worker checks anew."""
    with home.daemon(**PROVOKE, BGZERO_WORKER__IDLE_SECONDS="0.5") as daemon:
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        weights = home.models / "tiny.onnx"
        good = weights.read_bytes()
        weights.write_bytes(tiny.network(tiny.SIDE_PX * 2))
        until(lambda: daemon.worker() is None, "it rests")
        photo(home.inbox / "b.jpg", seed=1)
        until(lambda: b"The weight file tiny.onnx is not" in home.bgzero("status").stdout, lambda: daemon.log)
        weights.write_bytes(good)
        daemon.wait_for("b.png")


def test_model_with_tensors_in_other_files_is_refused(home: Home) -> None:
    """It would read them from wherever it says."""
    model = onnx.load_model_from_string(tiny.network())
    (tensor,) = model.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret.txt")
    replaced(home, model.SerializeToString())
    assert "tiny.onnx refers to other files" in refused(home)


def test_model_that_holds_compiled_code_is_refused(home: Home) -> None:
    """No hash tells what code for a driver does; and it may name a file instead. Deep inside, too."""
    compiled = helper.make_node(
        "EPContext", ["logits"], ["z"], domain="com.microsoft", embed_mode=0, ep_cache_context="../../engine.bin"
    )
    model = onnx.load_model_from_string(tiny.network())
    inner = helper.make_graph([compiled], "inner", [], [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])])
    model.graph.node.append(helper.make_node("If", ["logits"], ["y"], then_branch=inner, else_branch=inner))
    replaced(home, model.SerializeToString())
    assert "tiny.onnx holds code that was compiled for one device" in refused(home)


def test_model_with_foreign_operators_is_refused(home: Home) -> None:
    """Also deep inside a branch."""
    model = onnx.load_model_from_string(tiny.network())
    inner = helper.make_graph(
        [helper.make_node("Evil", [], ["y"], domain="com.example")], "inner", [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
    )  # fmt: skip
    model.graph.node.append(helper.make_node("If", ["logits"], ["z"], then_branch=inner, else_branch=inner))
    replaced(home, model.SerializeToString())
    assert "operators that are not ONNX Runtime's own (com.example)" in refused(home)


def test_operators_that_are_only_listed_are_not_foreign(home: Home) -> None:
    """onnx.quantize lists what its own runtime knew, as in isnet-imgly-small; the network runs and is used."""
    model = onnx.load_model_from_string(tiny.network())
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    replaced(home, model.SerializeToString())
    done = home.bgzero("cut", photo(home.root / "a.jpg"), "-o", home.root / "a.png")
    assert done.returncode == 0, done.stderr


def test_runtimes_own_format_is_refused(home: Home) -> None:
    """It skips the checks that ONNX files go through."""
    replaced(home, b"\x20\0\0\0ORTM" + bytes(200))
    assert "ONNX Runtime's own format" in refused(home)


def test_unverified_weights_are_used_where_that_is_allowed_and_shown(home: Home) -> None:
    """A wrong hash, and somebody who says that it is fine."""
    card = home.models / "tiny.toml"
    digits = hashlib.sha256(tiny.network()).hexdigest()
    card.write_text(card.read_text().replace(digits, "0" * 64))
    with home.daemon(**PROVOKE, BGZERO_MODEL__ALLOW_UNVERIFIED="true") as daemon:
        photo(home.inbox / "a.jpg")
        daemon.wait_for("a.png")
        assert b"(unverified model)" in home.bgzero("status").stdout
        assert "is used all the same (model.allow_unverified)" in daemon.log


def test_shipped_weights_ask_for_nothing() -> None:
    """And neither does a function that a model brings along count as foreign."""
    assert contents(paths.shipped("models", "u2netp.onnx").read_bytes()) == Contents()
    opset = helper.make_opsetid("", 17)
    own = helper.make_function("mine", "Twice", ["x"], ["y"], [helper.make_node("Add", ["x", "x"], ["y"])], [opset])
    model = onnx.load_model_from_string(tiny.network())
    model.graph.node.append(helper.make_node("Twice", ["logits"], ["z"], domain="mine"))
    model.functions.append(own)
    found = contents(model.SerializeToString())
    assert found.domains - found.own <= {""}
    assert found.own == {"mine"}


def test_tensors_are_found_wherever_they_are() -> None:
    """In an attribute, in a sparse one, in a training graph."""
    outside = numpy_helper.from_array(np.ones(3, np.float32), "t")
    outside.ClearField("raw_data")
    outside.data_location = TensorProto.EXTERNAL
    model = onnx.load_model_from_string(tiny.network())
    assert not contents(model.SerializeToString()).has_external_data
    for change in ("attribute", "sparse", "training"):
        changed = onnx.ModelProto()
        changed.CopyFrom(model)
        if change == "attribute":
            changed.graph.node.append(helper.make_node("Constant", [], ["c"], value=outside))
        elif change == "sparse":
            changed.graph.sparse_initializer.add().values.CopyFrom(outside)
        else:
            changed.training_info.add().algorithm.initializer.append(outside)
        assert contents(changed.SerializeToString()).has_external_data, change


@given(st.binary(max_size=300))
def test_any_bytes_are_looked_through_or_refused(content: bytes) -> None:
    """Nothing else is raised, and it ends."""
    with suppress(NotOnnx):
        assert contents(content)
