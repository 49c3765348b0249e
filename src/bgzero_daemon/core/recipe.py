"""How a photo is to be cut: everything beside the photo and the model that decides the output's bytes."""

from dataclasses import dataclass
from enum import StrEnum


class Metadata(StrEnum):
    """Which of the photo's metadata the output keeps: see docs/metadata.md."""

    SAFE = "safe"
    KEEP = "keep"
    NONE = "none"

    @classmethod
    def _missing_(cls, value: object) -> "Metadata | None":
        """Know "safe" by the name that it had in earlier configurations."""
        return cls.SAFE if value == "no-location" else None


class Product(StrEnum):
    """What is written: the photo with transparency, or its matte alone as a grey picture."""

    CUTOUT = "cutout"
    MASK = "mask"


class Png(StrEnum):
    """How much time is given for fewer bytes. The pixels are the same in all."""

    FAST = "fast"
    BALANCED = "balanced"
    SMALL = "small"


class Depth(StrEnum):
    """Bits of a channel in the output: as many as the photo has, 8, or 16."""

    AUTO = "auto"
    EIGHT = "8"
    SIXTEEN = "16"


class Edges(StrEnum):
    """What is done for edges and colours: nothing, one look at the photo, or a second look at its mirror image, too."""

    OFF = "off"
    REFINE = "refine"
    BEST = "best"


class NoSubject(StrEnum):
    """What becomes of a photo in which nothing was found: an empty picture, or none."""

    PUBLISH = "publish"
    SKIP = "skip"


class OnCheck(StrEnum):
    """Where a cut-out goes that wants a look: to the others, or into a folder of its own."""

    PUBLISH = "publish"
    REVIEW = "review"


@dataclass(frozen=True, slots=True)
class Recipe:
    """The settings of one cut. `model` names a card, or is the path of a weight file.

    `no_subject` and `check` say what becomes of a doubtful result; they change none of its bytes. `second` is the model
    by which one that wants a look is cut once more, "" for none. `template` says where cut-outs go below the outbox
    (`core.template`), "" mirrors the inbox.
    """

    model: str
    metadata: Metadata = Metadata.SAFE
    product: Product = Product.CUTOUT
    png: Png = Png.BALANCED
    edges: Edges = Edges.REFINE
    depth: Depth = Depth.AUTO
    no_subject: NoSubject = NoSubject.SKIP
    check: OnCheck = OnCheck.PUBLISH
    second: str = ""
    template: str = ""
