"""What service and worker say to each other. How it travels: `wire.framing`.

One job goes: service sends `Cut` with two descriptors (source, staged); the worker sends `Begun` when a
lane takes it, reads the source once and sends `Hashed`; the service answers `Verdict`; the worker sends
`Done` or `Refused`. A socket that closes is the end of the other side.
"""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.core.confidence import Confidence, Doubt
from bgzero_daemon.core.errors import Code
from bgzero_daemon.core.names import display_line
from bgzero_daemon.core.recipe import Depth, Edges, Metadata, Png, Product

VERSION = 10
"""Both sides are of one installation: another version is a mistake, and nobody translates."""


class _Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _judged(word: Confidence) -> Confidence:
    if word in (Confidence.ACCEPTED, Confidence.SEEN):
        raise ValueError("that is for people to say")
    return word


# What a worker says is shown to people: one line of plain characters, whatever a photo has made of it.
Line = Annotated[str, Field(max_length=4000), AfterValidator(display_line)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Seconds = Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=1 << 40)]
ProofKey = Annotated[str, Field(max_length=400, pattern=r"^[A-Za-z0-9_. +-]+$")]
Judged = Annotated[Confidence, AfterValidator(_judged)]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_. -]+$")]


class Setup(_Frame):
    """Service: the model to load. Descriptor: the weights, open for reading.

    `nice` is the niceness that the worker gives itself, 0 for none. `sandbox` says whether it has to be closed,
    `allow_unverified` whether weights that are not their card's are used all the same. `known_proofs` maps keys of
    earlier proofs to "" or why that provider is not used; `measures`: the CPU is measured like one that has to prove
    itself, where nothing else is asked for. `prepared_sha256`: the descriptor is a graph that was prepared from the
    card's weights and has to have this hash; "": the weights. `lanes` photos are in work, `runs` in the network.
    """

    kind: Literal["setup"] = "setup"
    model: str
    card: ModelCard
    provider: str
    known_proofs: dict[str, Line] = {}
    measures: bool = False
    threads: int
    lanes: int
    runs: int = 1
    max_pixels: int
    max_bytes: int
    nice: int
    sandbox: Literal["require", "auto", "off"]
    allow_unverified: bool
    prepared_sha256: Sha256 | Literal[""] = ""


class Cut(_Frame):
    """Service: one photo. Descriptors: source (read), staged (read and write, empty).

    `name` is the source's name as `core.names.to_wire` writes it; it goes into the output's tag.
    """

    kind: Literal["cut"] = "cut"
    job: str
    name: str
    metadata: Metadata
    product: Product
    png: Png
    edges: Edges
    depth: Depth


class Verdict(_Frame):
    """Service: go on with this job, or drop it because this very content is done already."""

    kind: Literal["verdict"] = "verdict"
    job: str
    go: bool


class ProofFrame(_Frame):
    """What came out of a provider's proof: see `engine.proof.Proof`.

    `device_bytes` is what a card's driver says of its own memory, asked from outside the worker; None: not known.
    """

    provider: Name
    share: float = Field(default=0.0, ge=0, le=1)
    difference: float = Field(default=1.0, ge=0, le=1)
    seconds: Seconds = 0.0
    cpu_seconds: Seconds = 0.0
    reason: Annotated[str, Field(max_length=300), AfterValidator(display_line)] = ""
    memory_bytes: Count | None = None
    device_bytes: Count | None = None


class Ready(_Frame):
    """Worker: the model is loaded and has run on `provider`; `note` says why not on a better one.

    `seconds` is the wall time of all that, `network_seconds` that of a run. `sandbox` is "closed", "off", or
    what it still allows, as measured.
    """

    kind: Literal["ready"] = "ready"
    provider: Name
    note: Line = ""
    seconds: Seconds
    network_seconds: Seconds
    sandbox: Line
    is_verified: bool
    proofs: dict[ProofKey, ProofFrame] = Field(default={}, max_length=16)


class Unfit(_Frame):
    """Worker: the model cannot be loaded; the worker ends."""

    kind: Literal["unfit"] = "unfit"
    sentence: Line
    hint: Line = ""


class Begun(_Frame):
    """Worker: a lane has taken the job and begins to read."""

    kind: Literal["begun"] = "begun"
    job: str


class Hashed(_Frame):
    """Worker: the source's bytes were read once; this is their SHA-256."""

    kind: Literal["hashed"] = "hashed"
    job: str
    sha256: Sha256


class Done(_Frame):
    """Worker: the staged file is complete.

    `seconds` maps each step to its wall time, `cpu_seconds` to what the whole worker used meanwhile; `deflate` is the
    part of `encode` that compressing took. `confidence` and `doubt` are what is thought of the cut-out; a worker has no
    word for what somebody has looked at. `taken` (ISO 8601, the camera's time) and `camera` are what the photo says.
    """

    kind: Literal["done"] = "done"
    job: str
    staged_bytes: Count
    staged_sha256: Sha256
    width_px: Count
    height_px: Count
    provider: Name
    note: Line = ""
    confidence: Judged = Confidence.UNKNOWN
    doubt: Doubt = Doubt.NONE
    taken: Annotated[str, Field(max_length=19)] = ""
    camera: Line = ""
    seconds: dict[Name, Seconds]
    cpu_seconds: dict[Name, Seconds] = {}


class Refused(_Frame):
    """Worker: this photo was not cut.

    `verdict`: a failure, a skip, worth another try, short of memory for it (`heavy`), a network that failed on it
    (`broken`: this worker gets nothing more), or a staged file that could not be written (`output`).
    `code` is one word for programs (`core.errors.Code`).
    """

    kind: Literal["refused"] = "refused"
    job: str
    verdict: Literal["failed", "skipped", "retry", "heavy", "broken", "output"]
    sentence: Line
    hint: Line = ""
    code: Name = Code.DAMAGED.value


Frame = Annotated[Setup | Cut | Verdict | Ready | Unfit | Begun | Hashed | Done | Refused, Field(discriminator="kind")]
