"""The configuration as frozen pydantic classes, one per table. `config/config.toml` explains every key.

The classes check single values; what needs the file system or two values at once is `settings.load`'s
and `settings.folders`' work.
"""

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from bgzero_daemon.core.providers import read_order
from bgzero_daemon.core.recipe import Depth, Edges, Metadata, NoSubject, OnCheck, Png
from bgzero_daemon.core.shots import Pair
from bgzero_daemon.core.template import MIRRORED, check
from bgzero_daemon.core.texts import _


def _expand(value: object) -> object:
    if not isinstance(value, str):
        return value
    expanded = os.path.expanduser(value)
    if expanded.startswith("~"):
        raise ValueError(_("there is no such home folder"))
    return Path(expanded)


FolderPath = Annotated[Path, BeforeValidator(_expand)]
MetadataPolicy = Annotated[
    Metadata,
    Field(
        description="what the cut-out keeps of the photo's metadata: what is useful, place and serials too, or nothing"
    ),
]
PngEffort = Annotated[
    Png, Field(description="how much time a cut-out's PNG may take for fewer bytes; the pixels are the same in all")
]
EdgeEffort = Annotated[
    Edges,
    Field(description="what is done for edges and colours: nothing, one look, or a second look at the mirror image"),
]
OutputDepth = Annotated[
    Depth,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    Field(description="bits of a channel in the cut-out: as many as the photo has, 8, or 16"),
    WithJsonSchema({"enum": ["auto", 8, 16]}),
]
NoSubjectPolicy = Annotated[
    NoSubject, Field(description="a photo in which nothing is found: publish an empty picture, or skip it")
]
CheckPolicy = Annotated[
    OnCheck, Field(description="a cut-out that wants a look: publish it, or put it into Review below the outbox")
]
Template = Annotated[str, AfterValidator(check)]
PairPolicy = Annotated[
    Pair, Field(description="which file of a shot is cut where a camera writes RAW and JPEG: one of them, or both")
]


VERSION: Final = 2


def _order_of(value: object) -> object:
    """Take a list of names for what it is in one text."""
    is_list = isinstance(value, list | tuple) and value and all(isinstance(name, str) for name in value)
    text = ",".join(map(str, value)) if is_list and isinstance(value, list | tuple) else value
    if not isinstance(text, str):
        return text
    order = read_order(text)
    return ",".join(order if "cpu" in text.lower() or len(order) == 1 else order[:-1])


_ONE_OR_MORE: dict[str, JsonValue] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
ProviderName = Annotated[str, BeforeValidator(_order_of), WithJsonSchema(_ONE_OR_MORE)]


class Table(BaseModel):
    """One table of the file: frozen, and an unknown key is a mistake."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_no_truth(cls, value: object, found: ValidationInfo) -> object:
        """Take no true for a one: whoever wrote it meant another key."""
        if isinstance(value, bool) and cls.model_fields[str(found.field_name)].annotation in (int, float):
            raise ValueError(_("input should be a number"))
        return value


class Folder(Table):
    """An inbox and where its cut-outs go."""

    inbox: FolderPath = Field(description="the folder to watch")
    outbox: FolderPath = Field(description="the folder for the cut-outs")
    recursive: bool = Field(default=True, description="watch sub-folders too and mirror them in the outbox")
    watch: Literal["auto", "poll"] = Field(
        default="auto", description="poll: scan often, for folders whose changes make no events"
    )
    originals: Literal["keep", "move", "trash"] = Field(
        default="keep", description="what happens to a photo once its cut-out is safe"
    )
    done: FolderPath | None = Field(default=None, description="where originals move to; unset: Done beside the inbox")
    model: str | None = Field(default=None, description="model for this folder; unset: that of [model]")
    metadata: MetadataPolicy | None = Field(
        default=None, description="metadata policy for this folder; unset: that of [output]"
    )
    png: PngEffort | None = Field(
        default=None, description="time for fewer bytes in this folder's cut-outs; unset: that of [output]"
    )
    edges: EdgeEffort | None = Field(
        default=None, description="edges and colours of this folder's cut-outs; unset: those of [output]"
    )
    depth: OutputDepth | None = Field(
        default=None, description="bits of a channel in this folder's cut-outs; unset: that of [output]"
    )
    no_subject: NoSubjectPolicy | None = Field(
        default=None, description="what becomes of this folder's photos without a subject; unset: that of [output]"
    )
    check: CheckPolicy | None = Field(
        default=None, description="where this folder's doubtful cut-outs go; unset: that of [output]"
    )
    template: Template | None = Field(
        default=None, description="where this folder's cut-outs go below the outbox; unset: that of [output]"
    )
    pair: PairPolicy | None = Field(
        default=None, description="which file of a shot is cut in this folder; unset: that of [watch]"
    )


class Model(Table):
    """The network and where it runs."""

    name: str = Field(
        default="auto",
        min_length=1,
        description="name of a card (bgzero model list), path of a weight file, or auto: the best that is here",
    )
    provider: ProviderName = Field(
        default="auto",
        description="auto: a GPU where one proves itself, else the CPU; or a name, or names in their order",
    )
    second_model: str = Field(
        default="", description="model by which a photo whose cut-out wants a look is cut once more; empty: none"
    )
    allow_unverified: bool = Field(default=False, description="use weights that are not what their card describes")


class Watch(Table):
    """How arrivals are noticed, and when they count as finished."""

    settle_seconds: float = Field(
        default=1.0, ge=0.1, le=3600, description="seconds a file must stay unchanged before it is cut"
    )
    unsure_settle_seconds: float = Field(
        default=5.0, ge=0.1, le=3600, description="the same where the system cannot tell whether somebody writes"
    )
    max_wait_seconds: float = Field(
        default=600.0, ge=0, le=86400, description="seconds a quiet file that looks incomplete may wait"
    )
    rescan_seconds: float = Field(
        default=30.0, ge=1, le=86400, description="shortest time in seconds between two full scans"
    )
    poll_seconds: float = Field(
        default=5.0, ge=0.5, le=86400, description="the same for folders without events, such as network mounts"
    )
    existing: Literal["all", "skip", "ask"] = Field(
        default="all", description="what happens at the very first start to photos that are there already"
    )
    pair: PairPolicy = Pair.JPEG
    pair_wait: float = Field(
        default=30.0, ge=0, le=3600, description="seconds without a change after which half a pair is cut by itself"
    )
    cards: Literal["ask", "auto", "off"] = Field(
        default="ask", description="what happens when a camera's card is put in: ask, import what is new, or nothing"
    )


class Worker(Table):
    """The process that cuts."""

    workers: int = Field(default=0, ge=0, le=16, description="worker processes; 0: one for each device, one on a CPU")
    lanes: int = Field(
        default=0, ge=0, le=64, description="photos in work at once in each worker; 0: chosen from the cores"
    )
    threads: int = Field(
        default=0, ge=0, le=256, description="threads of the network; 0: all cores this process may use"
    )
    queue: int = Field(
        default=64, ge=1, le=10000, description="photos held ready in memory for each folder; the rest waits in it"
    )
    megapixels_in_work: float = Field(
        default=120.0, gt=0, le=100000, description="photos in work at once, in millions of pixels; one may be larger"
    )
    order: Literal["oldest", "newest"] = Field(
        default="oldest", description="which of the waiting photos is cut first, by arrival"
    )
    memory_limit: float = Field(
        default=0.0, ge=0, le=100000, description="memory of one worker in GB (10^9 bytes); 0: chosen from the machine"
    )
    deadline_seconds: float = Field(
        default=0.0, ge=0, le=86400, description="seconds one photo may take; 0: chosen from the model and the photo"
    )
    renew_after: int = Field(
        default=500, ge=0, le=100000, description="photos after which a worker is started anew; 0: never"
    )
    idle_seconds: float = Field(
        default=300.0, ge=0, le=604800, description="seconds without work after which the worker ends; 0: never"
    )
    nice: int = Field(
        default=10, ge=0, le=19, description="niceness of the worker where nobody set one; 0: like everybody"
    )
    sandbox: Literal["require", "auto", "off"] = Field(
        default="auto",
        description="whether a worker gives up files, network and programs; require: it cuts nothing where it cannot",
    )


class Limits(Table):
    """What is refused before it is decoded."""

    megapixels: float = Field(default=100.0, gt=0, le=10000, description="largest photo, in millions of pixels")
    megabytes: float = Field(default=512.0, gt=0, le=65536, description="largest file, in millions of bytes")


class Output(Table):
    """What the cut-outs carry, and what is left beside them."""

    metadata: MetadataPolicy = Metadata.SAFE
    png: PngEffort = Png.BALANCED
    edges: EdgeEffort = Edges.REFINE
    depth: OutputDepth = Depth.AUTO
    no_subject: NoSubjectPolicy = NoSubject.SKIP
    check: CheckPolicy = OnCheck.PUBLISH
    template: Template = Field(
        default=MIRRORED, description="folders and name of a cut-out below the outbox, without its suffix"
    )
    keep_free: float = Field(
        default=1.0, ge=0, le=100000, description="space to leave free where the cut-outs go, in GB (10^9 bytes)"
    )


class Log(Table):
    """What is written to the log."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least important message that is shown"
    )
    to: Literal["auto", "stderr", "file"] = Field(
        default="auto", description="where it goes; auto: the journal or standard error, a file where nobody reads that"
    )
    format: Literal["text", "json"] = Field(default="text", description="lines of text, or a JSON object a line")


class Config(Table):
    """The whole configuration. A change is a new Config."""

    version: Literal[2] = Field(default=VERSION, description="version of this file's keys; leave it as it is")
    folder: tuple[Folder, ...] = Field(
        default=(), description="inboxes; none: Inbox and Cutouts in the pictures folder"
    )
    model: Model = Model()
    watch: Watch = Watch()
    worker: Worker = Worker()
    limits: Limits = Limits()
    output: Output = Output()
    log: Log = Log()

    @property
    def models(self) -> set[str]:
        """The names of all models that it names."""
        return {self.model.name, *(folder.model for folder in self.folder if folder.model)}


def json_schema() -> dict[str, object]:
    """Return the JSON Schema of the configuration file, for editors."""
    schema: dict[str, object] = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    schema.update(Config.model_json_schema())
    schema["title"] = "BGZero Daemon configuration"
    return schema
