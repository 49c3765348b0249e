"""What a proof is of: it holds as long as nothing of this has changed."""

import hashlib
import re

import onnxruntime

from bgzero_daemon import __version__
from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.engine.driver import cards_of, driver_of
from bgzero_daemon.engine.providers import Candidate

_ODD = re.compile(r"[^A-Za-z0-9_.+-]")


def key_of(card: ModelCard, loaded_sha256: str, candidate: Candidate, threads: int) -> str:
    """Return the key of a proof, whose words are:

    the card's hash and the provider, by which the service finds it; the hash of the bytes that were loaded, which may
    be others; what the card says of picture and mask; the CPU's threads; the versions of ONNX Runtime, of a plug-in
    (with the kinds of its devices), of this program, which sets providers up and judges them, and of the driver; the
    machine's cards.
    """
    tables = (card.input.model_dump_json() + card.output.model_dump_json()).encode()
    words = (
        card.sha256[:16], candidate.runtime_name, loaded_sha256[:16], hashlib.sha256(tables).hexdigest()[:8],
        f"t{threads}", onnxruntime.__version__, candidate.version or "-", __version__, driver_of(candidate.name),
        cards_of(candidate.name),
    )  # fmt: skip
    return " ".join(_ODD.sub("-", word)[:64] for word in words)
