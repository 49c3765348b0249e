"""Whether weights are what their card describes, and nothing more than that."""

import hashlib

from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.texts import _
from bgzero_daemon.engine.contents import NotOnnx, contents

# Operators that are in every ONNX Runtime. Others come from libraries that would have to be loaded.
_DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})


def verify(weights: bytes, card: ModelCard) -> None:
    """Raise ModelError unless these are the very bytes that the card describes, whole in themselves."""
    hint = _("Copy the file again; it is damaged, incomplete or another version.")
    if card.size_bytes and len(weights) != card.size_bytes:
        raise ModelError(
            _("The weight file {file} has {have} bytes; its card says {want}.").format(
                file=card.file, have=len(weights), want=card.size_bytes
            ),
            hint=hint,
        )
    digits = hashlib.sha256(weights).hexdigest()
    if digits != card.sha256:
        raise ModelError(
            _("The weight file {file} is not the one its card describes (SHA-256 {have}…, expected {want}…).").format(
                file=card.file, have=digits[:12], want=card.sha256[:12]
            ),
            hint=hint,
        )
    try:
        found = contents(weights)
    except NotOnnx as error:
        raise ModelError(_("The weight file {file} cannot be used: {why}.").format(file=card.file, why=error)) from None
    if found.has_external_data:
        raise ModelError(
            _("The weight file {file} refers to other files.").format(file=card.file),
            hint=_("Save the model in one file."),
        )
    if found.is_compiled:
        raise ModelError(
            _(
                "The weight file {file} holds code that was compiled for one device, or the name of a file with it."
            ).format(file=card.file),
            hint=_("Save the model as plain ONNX."),
        )
    if foreign := found.domains - found.own - _DOMAINS:
        raise ModelError(
            _("The weight file {file} needs operators that are not ONNX Runtime's own ({names}).").format(
                file=card.file, names=", ".join(sorted(foreign))[:100]
            )
        )
