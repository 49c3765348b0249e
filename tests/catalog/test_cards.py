"""The cards that ship, and what a card may and may not say."""

import re
import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from bgzero_daemon.catalog.card import Commercial, ModelCard
from bgzero_daemon.catalog.shelf import hash_file, read_card
from bgzero_daemon.core import paths
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.specs import PHOTO_MAXIMUM, Activation, Edge, Fit, InputSpec, OutputSpec

FOLDER = paths.shipped("models")
NAMES = sorted(file.stem for file in FOLDER.glob("*.toml"))
PROMISED = {
    "u2netp", "u2net", "u2net_human_seg", "silueta", "isnet-general-use", "isnet-anime", "isnet-imgly-medium",
    "isnet-imgly-small", "rmbg-1.4", "birefnet-general", "birefnet-general-lite", "birefnet-portrait",
}  # fmt: skip
CARD = """
title = "Tiny"
good_for = "tests"
file = "tiny.onnx"
sha256 = "{sha256}"
[licence]
name = "MIT"
commercial = "yes"
[origin]
homepage = "https://example.org"
published = "by the tests"
[input]
size_px = 320
scale = 255.0
mean = [0.5, 0.5, 0.5]
std = [1.0, 1.0, 1.0]
[output]
"""


def card_text(old: str = "", new: str = "", sha256: str = "ab" * 32) -> str:
    """Return a card that is right but for one place."""
    text = CARD.format(sha256=sha256)
    assert old in text
    return text.replace(old, new, 1) if old else text


def test_every_promised_model_has_a_card() -> None:
    """The list of the first release; more may come."""
    assert set(NAMES) >= PROMISED


@pytest.mark.parametrize("name", NAMES)
def test_shipped_card_is_valid_and_complete(name: str) -> None:
    """Hash, licence, origin, and an input whose three means and deviations make sense."""
    card = read_card(FOLDER / f"{name}.toml")
    assert re.fullmatch(r"[0-9a-f]{64}", card.sha256)
    assert len(set(card.sha256)) > 4, "a made-up hash"
    assert card.file.endswith(".onnx")
    assert card.origin.homepage.startswith("https://")
    assert card.source
    assert card.licence.name
    assert card.licence.commercial is not Commercial.UNCLEAR or card.licence.note
    assert card.good_for
    assert not card.good_for.endswith(".")
    assert not card.output.stretch or card.output.activation is Activation.PROBABILITIES
    assert card.input.size_px % 32 == 0


def test_no_two_cards_share_a_file_or_a_hash() -> None:
    """A weight file found by its hash has one card."""
    cards = [read_card(FOLDER / f"{name}.toml") for name in NAMES]
    assert len({card.sha256 for card in cards}) == len(cards)
    assert len({card.file for card in cards}) == len(cards)
    assert len({card.title for card in cards}) == len(cards)


def test_shipped_weights_are_what_their_card_says() -> None:
    """Size and SHA-256 of u2netp.onnx, as this project decided and as the card has them."""
    card, weights = read_card(FOLDER / "u2netp.toml"), FOLDER / "u2netp.onnx"
    assert card.sha256 == "309c8469258dda742793dce0ebea8e6dd393174f89934733ecc8b14c76f4ddd8"
    assert weights.stat().st_size == card.size_bytes == 4_574_861
    assert hash_file(weights) == card.sha256


def test_cards_become_the_values_that_their_authors_used() -> None:
    """U²-Net divides by the photo's maximum and ImageNet's numbers, IS-Net by 255, imgly by 256 around one half."""
    imagenet = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    specs = {name: read_card(FOLDER / f"{name}.toml").input.spec() for name in NAMES}
    assert specs["u2netp"] == InputSpec(320, PHOTO_MAXIMUM, *imagenet, Fit.STRETCH)
    assert specs["isnet-general-use"] == InputSpec(1024, 255.0, (0.5,) * 3, (1.0,) * 3, Fit.STRETCH)
    assert specs["isnet-imgly-medium"].scale * specs["isnet-imgly-medium"].std[0] == 256.0  # type: ignore[operator]
    assert specs["isnet-anime"].fit is Fit.LETTERBOX
    assert read_card(FOLDER / "u2netp.toml").output.spec() == OutputSpec()
    assert read_card(FOLDER / "birefnet-general.toml").output.spec().activation is Activation.LOGITS


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('"ab', '"XY', "sha256"),
        ('ab"', '"', "sha256"),
        ("size_px = 320", "size_px = 8", "input.size_px"),
        ("size_px = 320", 'size_px = "big"', "input.size_px"),
        ("scale = 255.0", "scale = 0", "input.scale"),
        ("scale = 255.0", 'scale = "maximum"', "input.scale"),
        ("mean = [0.5, 0.5, 0.5]", "mean = [0.5]", "input.mean"),
        ("std = [1.0, 1.0, 1.0]", "std = [1.0, 0.0, 1.0]", "input.std.1"),
        ('commercial = "yes"', 'commercial = "maybe"', "licence.commercial"),
        ('file = "tiny.onnx"', 'file = "../../etc/tiny.onnx"', "file"),
        ('file = "tiny.onnx"', 'file = "tiny.pth"', "file"),
        ('title = "Tiny"', 'titel = "Tiny"', "title"),
        ("[output]", '[output]\nactivation = "softmax"', "output.activation"),
        ("[output]", "[output]\nstrecth = true", "output.strecth"),
        ("[output]", '[output]\nedge = "sharp"', "output.edge"),
        ("[output]", "[output]\nreach = 0", "output.reach"),
        ("[output]", "", "output"),
    ],
)
def test_wrong_card_is_told_with_file_and_key(tmp_path: Path, old: str, new: str, key: str) -> None:
    """One sentence: which file, which key, what is wrong with it."""
    file = tmp_path / "mine.toml"
    file.write_text(card_text(old, new))
    with pytest.raises(ModelError) as mistake:
        read_card(file)
    assert f"{file}" in str(mistake.value)
    assert f"wrong at {key}" in str(mistake.value)
    assert "\n" not in str(mistake.value)


@pytest.mark.parametrize("content", [b"no toml at all", b"\xff\xfe", b"title = "])
def test_card_that_is_no_toml_is_told_with_its_file(tmp_path: Path, content: bytes) -> None:
    """The same for what cannot be parsed, and for what is not there."""
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(ModelError, match=r"mine\.toml cannot be read"):
        read_card(file)
    with pytest.raises(ModelError, match=r"none\.toml cannot be read"):
        read_card(tmp_path / "none.toml")


def test_card_says_what_becomes_of_edges() -> None:
    """Segmentation's edges are found anew, mattes are kept; the reach is the card's, or goes by the mask's size."""
    specs = {name: read_card(FOLDER / f"{name}.toml").output.spec() for name in NAMES}
    assert {name for name, spec in specs.items() if spec.edge is Edge.KEEP} == {"modnet"}
    assert [specs["u2netp"].reach_of(side) for side in (320, 512, 1024)] == [32, 32, 16]
    card = ModelCard.model_validate(tomllib.loads(card_text("[output]", "[output]\nreach = 24")))
    assert card.output.spec().reach_of(320) == 24


def test_card_is_frozen() -> None:
    """A card is data that nobody changes on the way."""
    card = ModelCard.model_validate(tomllib.loads(card_text()))
    with pytest.raises(ValidationError, match="frozen"):
        card.sha256 = "cd" * 32
    assert card.input.spec().fit is Fit.STRETCH
    assert card.size_bytes is None
