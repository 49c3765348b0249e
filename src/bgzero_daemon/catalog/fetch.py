"""Fetching weights from the places that have them, in their order, until one has delivered what the card describes.

Nothing that a place says is believed: not its lengths, not its offsets, not its bytes. What arrives goes into a hidden
file, and the SHA-256 of what lies on the disk decides.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bgzero_daemon.catalog import chunks
from bgzero_daemon.catalog.arrival import Part
from bgzero_daemon.catalog.card import ModelCard
from bgzero_daemon.catalog.supply import Broken, Missing, Stream, Supply
from bgzero_daemon.core.errors import ModelError
from bgzero_daemon.core.names import display
from bgzero_daemon.core.texts import _

_PIECE_BYTES = 1 << 18
_TRIES = 5  # in a row without a single byte; fewer where none ever came
_FIRST_TRIES = 2
_LEAST_RATE = 1000  # bytes a second; less counts as nothing
_LEAST_BYTES = 10_000  # by which a try has to come further than those before
_LARGEST_BYTES = 20_000_000_000  # where the card knows no size


@dataclass(frozen=True, slots=True)
class Offer:
    """A place that may have the weights: a whole file, or with `key` an entry of a manifest of pieces."""

    supply: Supply
    place: str
    key: str = ""

    def __str__(self) -> str:
        """Return the place as a person reads it."""
        return self.supply.shown(self.place)


@dataclass(frozen=True, slots=True)
class Report:
    """Who wants to know how far it is. `on_bytes` gets bytes that are there, and all of them or None.

    `on_note` gets sentences about what went wrong and is tried again.
    """

    on_bytes: Callable[[int, int | None], None]
    on_note: Callable[[str], None]


class Fetcher:
    """Brings a card's weights into `part`. `patience_seconds`: without a byte for so long a place counts as stalled."""

    def __init__(self, card: ModelCard, part: Part, report: Report, *, patience_seconds: float) -> None:
        self._card, self._part, self._report, self._patience = card, part, report, patience_seconds
        self._has_room_for = 0

    def fetch(self, offers: Sequence[Offer]) -> Offer:
        """Return the offer that delivered the last byte. Raises ModelError, which tells what each of them said."""
        said, hint = [], ""
        for offer in offers:
            try:
                if offer.key:
                    self._fetch_chunks(offer)
                else:
                    self._fetch_whole(offer)
                return offer
            except Missing:
                said.append(_("{place}: nothing is there").format(place=offer))
            except Broken as error:
                said.append(f"{offer}: {error}")
                hint = hint or error.hint
        raise ModelError(
            _("The weights could not be fetched. {said}.").format(said="; ".join(said)),
            hint=hint or _("`--from` takes another place: a folder, or an address that you trust."),
        )

    def _fetch_whole(self, offer: Offer) -> None:
        former = self._part.size  # from an earlier run, maybe from another place
        size = self._card.size_bytes
        self._fill(offer.supply, offer.place, 0, size, size)
        if self._part.sha256() == self._card.sha256:
            return
        self._part.cut(0)
        if former:
            self._report.on_note(_("What was there already does not fit; it is fetched from the beginning."))
            self._fill(offer.supply, offer.place, 0, size, size)
            if self._part.sha256() == self._card.sha256:
                return
            self._part.cut(0)
        raise Broken(_("what it delivers is not what the card describes"))

    def _fetch_chunks(self, offer: Offer) -> None:
        listed = self._manifest(offer)
        size = listed[-1].end
        self._check_size(size)
        self._part.cut(_whole_chunks(self._part, listed))
        for chunk in listed:
            if chunk.end <= self._part.size:
                continue
            place = offer.supply.beside(offer.place, chunk.sha256)
            for last in (False, True):
                self._fill(offer.supply, place, chunk.start, chunk.end - chunk.start, size)
                if self._part.sha256(chunk.start, chunk.end) == chunk.sha256:
                    break
                self._part.cut(chunk.start)
                if last:
                    raise Broken(_("a piece of it is not what its own list says, twice"))
                self._report.on_note(_("A piece arrived damaged; it is fetched again."))
        if self._part.sha256() != self._card.sha256:
            self._part.cut(0)
            raise Broken(_("what it delivers is not what the card describes"))

    def _manifest(self, offer: Offer) -> list[chunks.Chunk]:
        content = bytearray()

        def read(stream: Stream) -> None:
            content.clear()
            pace = _Pace(self._patience, 0)
            while piece := stream.read(_PIECE_BYTES):
                content.extend(piece)
                pace.check(len(content))
                if len(content) > chunks.LARGEST_MANIFEST_BYTES:
                    raise Broken(_("its list of pieces is too long"))
            if stream.length is not None and len(content) < stream.length:
                raise Broken(_("its list of pieces is cut off"), is_passing=True)

        self._persist(offer.supply, offer.place, lambda: 0, read)
        try:
            return chunks.read_manifest(bytes(content), offer.key)
        except ValueError as error:
            raise Broken(_("its list of pieces makes no sense: {why}").format(why=display(str(error)))) from error

    def _fill(self, supply: Supply, place: str, base: int, size: int | None, whole: int | None) -> None:
        """Append what lies at `place` until it has given all its `size` bytes, which begin at `base` of `whole`."""
        part = self._part
        if size is not None and part.size - base > size:
            part.cut(base)
        if size is not None and part.size - base == size:
            return

        def copy(stream: Stream) -> None:
            if stream.start not in (0, part.size - base):
                raise Broken(_("it sends another part than was asked for"))
            announced = None if stream.length is None else stream.start + stream.length
            if announced is not None and size not in (None, announced):
                raise Broken(_("it speaks of {have} bytes instead of {size}").format(have=announced, size=size))
            self._check_size(whole or announced or 0)
            if stream.start != part.size - base:
                part.cut(base)  # it cannot go on in the middle
            self._copy(stream, base + (size or announced or _LARGEST_BYTES), whole or announced)
            missing = (size or announced or 0) - (part.size - base)
            if missing > 0:
                raise Broken(_("it stopped {left} bytes before the end").format(left=missing), is_passing=True)

        self._persist(supply, place, lambda: part.size - base, copy)

    def _check_size(self, size: int) -> None:
        if size > _LARGEST_BYTES or (self._card.size_bytes or size) != size:
            raise Broken(_("it has {have} bytes, which is not what the card describes").format(have=size))
        if self._has_room_for < size:
            self._part.need_room(size)
            self._has_room_for = size

    def _copy(self, stream: Stream, most: int, whole: int | None) -> None:
        """Append what a stream gives. Raises Broken where it goes beyond offset `most`, or comes too slowly."""
        part = self._part
        pace = _Pace(self._patience, part.size)
        while piece := stream.read(_PIECE_BYTES):
            if part.size + len(piece) > most:
                part.cut(0)  # whatever it is, it is not the beginning of what is wanted
                raise Broken(_("it sends more than it should"))
            part.append(piece)
            self._report.on_bytes(part.size, whole)
            pace.check(part.size)

    def _persist(self, supply: Supply, place: str, offset: Callable[[], int], use: Callable[[Stream], None]) -> None:
        """Open a place where it stopped and use it, until that comes to an end.

        What is passing is tried again, with pauses that grow, as long as bytes come in between.
        """
        failures, most, has_begun = 0, offset(), False
        while True:
            try:
                with supply.open(place, offset()) as stream:
                    use(stream)
                return
            except Broken as error:
                # more than ever before, and enough of it: who drips, or begins anew each time, would never end
                has_moved = offset() - most >= min(_LEAST_BYTES, _LEAST_RATE * self._patience)
                has_begun = has_begun or offset() > most
                failures, most = 0 if has_moved else failures + 1, max(most, offset())
                if not error.is_passing or failures >= (_TRIES if has_begun else _FIRST_TRIES):
                    raise
                self._report.on_note(
                    _("{place}: {why}; it is tried again.").format(place=supply.shown(place), why=error)
                )
                time.sleep(min(self._patience, 2.0**failures / 2))


class _Pace:
    """Tells apart a slow place from one that only keeps us waiting. `had`: bytes that are there already."""

    def __init__(self, patience_seconds: float, had: int) -> None:
        self._patience, self._had, self._looked = patience_seconds, had, time.monotonic()

    def check(self, have: int) -> None:
        """Raise Broken where too little came since this was looked at last."""
        if (now := time.monotonic()) <= self._looked + self._patience:
            return
        if have - self._had < _LEAST_RATE * self._patience:
            raise Broken(_("it hardly sends anything"), is_passing=True)
        self._looked, self._had = now, have


def _whole_chunks(part: Part, listed: Sequence[chunks.Chunk]) -> int:
    """Return how many bytes of what is there already are pieces of this list, whole and in their order."""
    at = 0
    for chunk in listed:
        if chunk.end > part.size or part.sha256(chunk.start, chunk.end) != chunk.sha256:
            break
        at = chunk.end
    return at
