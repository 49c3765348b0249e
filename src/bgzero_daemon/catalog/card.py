"""A model as data: everything the program has to know of a weight file, in one small TOML file."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bgzero_daemon.core.specs import PHOTO_MAXIMUM, Activation, Edge, Fit, InputSpec, OutputSpec

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Commercial(StrEnum):
    """Whether the licence of the weights allows commercial use of the results."""

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"


class Frozen(BaseModel):
    """A part of a card: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Licence(Frozen):
    """The licence of the weights (not of the code that trained them)."""

    name: str
    commercial: Commercial
    note: str = ""


class Origin(Frozen):
    """Who made the weights, and where the very file with this hash was published."""

    homepage: str
    published: str


class Source(Frozen):
    """One place to fetch the weights from: a whole file or, with `key`, an entry in a manifest of chunks.

    Chunks are IMG.LY's form: `url` is a JSON file that tells of each entry in which files beside it, named by their
    SHA-256, its parts lie (`catalog.chunks`).
    """

    url: str = Field(pattern=r"^https://[^/@\s]+/\S+$")
    key: str = ""


class Quality(Frozen):
    """Errors of cut-outs of this project's composites with known truth, in thousandths; lower is better.

    As `benchmarks/quality.py` measures them: `mae` of alpha over the whole photo, `edge` of alpha near the contour,
    `grad` of its sharpness, `color` of the cut-out over white, black and green near the contour.
    """

    mae: NotNegative
    edge: NotNegative
    grad: NotNegative
    color: NotNegative


class Input(Frozen):
    """See `core.specs.InputSpec`."""

    size_px: int = Field(ge=16, le=8192)
    scale: Positive | Literal["photo-maximum"]
    mean: tuple[Finite, Finite, Finite]
    std: tuple[Positive, Positive, Positive]
    fit: Fit = Fit.STRETCH
    layout: Literal["nchw"] = "nchw"

    def spec(self) -> InputSpec:
        """Return the plain value that the worker carries."""
        scale = PHOTO_MAXIMUM if isinstance(self.scale, str) else self.scale
        return InputSpec(self.size_px, scale, self.mean, self.std, self.fit)


class Output(Frozen):
    """See `core.specs.OutputSpec`."""

    output: str = ""
    activation: Activation = Activation.PROBABILITIES
    stretch: bool = False
    edge: Edge = Edge.REFINE
    reach: Annotated[float, Field(ge=1, le=512)] | None = None

    def spec(self) -> OutputSpec:
        """Return the plain value that the worker carries."""
        return OutputSpec(self.output, self.activation, self.stretch, self.edge, self.reach)


class ModelCard(Frozen):
    """One weight file and how to use it. The card's name is its file's name without ".toml".

    `size_bytes` is None where no exact size was ever published; the hash decides in any case. `peak_mb` is
    the resident memory in MB of a whole worker while it cuts a small photo on a CPU, as measured for
    this project; None: never measured here. `told_peak_mb` is what others have published where it was not.
    `seconds` is the wall time in s of one run of the network on the two cores of that machine, None likewise;
    deadlines are reckoned from it. `quality` is None where the weights never ran here.

    `rank` is the place in the order in which "auto" prefers models, 1 is the best: by this project's measurements
    between models that it could run, by published ones otherwise. None: never chosen by itself. `wants_gpu`: it takes
    many seconds a photo on a CPU, so it is not suggested there.
    """

    title: str = Field(max_length=40)
    good_for: str
    file: str = Field(pattern=r"^[^/\x00-\x1f\x7f]{1,200}\.onnx$")
    size_bytes: int | None = Field(default=None, gt=0)
    sha256: Sha256
    peak_mb: int | None = Field(default=None, gt=0)
    told_peak_mb: int | None = Field(default=None, gt=0)
    seconds: Positive | None = None
    rank: int | None = Field(default=None, ge=1)
    wants_gpu: bool = False
    quality: Quality | None = None
    licence: Licence
    origin: Origin
    source: tuple[Source, ...] = ()
    input: Input
    output: Output


class Model(Frozen):
    """A card with the weights that were found for it; `weights` is None where none are installed."""

    name: str
    card: ModelCard
    weights: Path | None

    @property
    def proof_prefix(self) -> str:
        """What the keys begin with of all that was proved with this model."""
        return self.card.sha256[:16]
