"""A model as data: everything the program has to know of a weight file, in one small TOML file."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from bgzero_daemon.core.specs import PHOTO_MAXIMUM, Activation, Fit, InputSpec, OutputSpec

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Positive = Annotated[float, Field(gt=0)]


class Commercial(StrEnum):
    """Whether the licence of the weights allows commercial use of the results."""

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Licence(_Part):
    """The licence of the weights (not of the code that trained them)."""

    name: str
    commercial: Commercial
    note: str = ""


class Origin(_Part):
    """Who made the weights and where the very file with this hash was published."""

    homepage: str
    published: str
    url: str = ""


class Input(_Part):
    """See `core.specs.InputSpec`."""

    size_px: int = Field(ge=16, le=8192)
    scale: Positive | Literal["photo-maximum"]
    mean: tuple[float, float, float]
    std: tuple[Positive, Positive, Positive]
    fit: Fit = Fit.STRETCH
    layout: Literal["nchw"] = "nchw"

    def spec(self) -> InputSpec:
        """Return the plain value that the worker carries."""
        scale = PHOTO_MAXIMUM if isinstance(self.scale, str) else self.scale
        return InputSpec(self.size_px, scale, self.mean, self.std, self.fit)


class Output(_Part):
    """See `core.specs.OutputSpec`."""

    output: str = ""
    activation: Activation = Activation.PROBABILITIES
    stretch: bool = False

    def spec(self) -> OutputSpec:
        """Return the plain value that the worker carries."""
        return OutputSpec(self.output, self.activation, self.stretch)


class ModelCard(_Part):
    """One weight file and how to use it. The card's name is its file's name without ".toml".

    `size_bytes` is None where no exact size was ever published; the hash decides in any case. `peak_mb` is
    the resident memory in MB of a whole worker while it cuts a small photo on a CPU, as measured for
    this project; None: never measured here. `seconds` is the wall time in s of one run of the network on
    the two cores of that machine, None likewise; deadlines are reckoned from it.
    """

    title: str = Field(max_length=40)
    good_for: str
    file: str = Field(pattern=r"^[^/]+\.onnx$")
    size_bytes: int | None = Field(default=None, gt=0)
    sha256: Sha256
    peak_mb: int | None = Field(default=None, gt=0)
    seconds: Positive | None = None
    licence: Licence
    origin: Origin
    input: Input
    output: Output


class Model(_Part):
    """A card with the weights that were found for it; `weights` is None where none are installed."""

    name: str
    card: ModelCard
    weights: Path | None

    @property
    def proof_prefix(self) -> str:
        """What the keys begin with of all that was proved with this model."""
        return self.card.sha256[:16]
