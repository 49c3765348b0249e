"""From photo and mask to the cut-out: straight alpha, hidden pixels emptied. Any rows, in any order."""

from typing import Protocol

import numpy as np

from bgzero_daemon.core.recipe import Edges, Product
from bgzero_daemon.core.specs import Edge, Fit, OutputSpec
from bgzero_daemon.photo.edges.colours import Colours
from bgzero_daemon.photo.edges.opacity import Refined
from bgzero_daemon.photo.edges.working import as_masked, refined
from bgzero_daemon.photo.matte import F32, Matte
from bgzero_daemon.photo.picture import U8, U32, WORD, Photo
from bgzero_daemon.photo.tensor import photo_box

_COLOUR = np.uint32(0x00FFFFFF)
_OPACITY_BITS = np.uint32(24)
_OPAQUE = 255
_CLEANED_AT_ONCE = 1 << 14
"""Pixels whose numbers stay near the core."""

_CHANNEL_BITS = np.array([0, 8, 16], np.uint32)


class Opacity(Protocol):
    """A matte at photo size. Many threads ask at once."""

    def columns(self, rows: slice) -> slice:
        """Return between which columns anything of these rows may be seen."""

    def opacity(self, rows: slice, columns: slice) -> F32:
        """Return (rows, columns), float32, from 0 to 255; whoever asks may change it."""


class _Drawing:
    """What both products have in common. `size` is (width, height) in pixels, upright."""

    def __init__(self, photo: Photo, opacity: Opacity) -> None:
        self.size = photo.width_px, photo.height_px
        self._words, self._has_alpha = photo.words, photo.has_alpha
        self._opacity = opacity

    def columns(self, rows: slice) -> slice:
        """Return between which columns anything is not zero."""
        return self._opacity.columns(rows)

    def _matte(self, rows: slice, columns: slice) -> U32:
        """Return the matte, 0 to 255, rounded."""
        opacity = self._opacity.opacity(rows, columns)
        opacity += np.float32(0.5)
        return opacity.astype(np.int32).view(np.uint32)

    def _alpha(self, matte: U32, rows: slice, columns: slice) -> U32:
        """Return the matte times the photo's own opacity, 0 to 255, rounded."""
        if not self._has_alpha:
            return matte
        alpha = matte * (self._words[rows, columns] >> _OPACITY_BITS)
        alpha += np.uint32(127)
        alpha //= np.uint32(_OPAQUE)
        return alpha


class CutOut(_Drawing):
    """The photo's pixels, made transparent; where alpha is 0 the colour is 0, too.

    Else the removed background could be recovered. Where the matte is opaque they are as they were; with `colours`,
    what is partly seen loses those of the ground behind it, without them it keeps its own.
    """

    channels = 4

    def __init__(self, photo: Photo, opacity: Opacity, colours: Colours | None = None) -> None:
        super().__init__(photo, opacity)
        self._colours = colours

    def draw(self, rows: slice, columns: slice) -> U8:
        """Return (rows, columns, 4), straight alpha."""
        matte = self._matte(rows, columns)
        alpha = self._alpha(matte, rows, columns)
        # 255 and more, divided by 256, is 1 where anything can be seen
        drawn = alpha + np.uint32(255)
        drawn >>= np.uint32(8)
        drawn *= _COLOUR
        drawn |= alpha << _OPACITY_BITS
        drawn &= self._opaque(rows, columns)
        drawn = np.ascontiguousarray(drawn, WORD)
        if self._colours is not None:
            self._clean(self._colours, matte, drawn, rows, columns)
        return drawn.view(np.uint8).reshape(*drawn.shape, 4)

    def _opaque(self, rows: slice, columns: slice) -> U32:
        words = self._words[rows, columns]
        return words | ~_COLOUR if self._has_alpha else words

    def _clean(self, colours: Colours, matte: U32, drawn: U32, rows: slice, columns: slice) -> None:
        """Give what is partly seen its own colours."""
        # of 0, 1 less is a large number
        (partly,) = np.nonzero((matte.ravel() - np.uint32(1)) < _OPAQUE - 1)
        words, levels = drawn.reshape(-1), matte.ravel()
        if self._has_alpha:
            # what the file itself shows in part has been parted from its ground before, and is no mixture
            partly = partly[self._words[rows, columns].ravel()[partly] >> _OPACITY_BITS == _OPAQUE]
        for first in range(0, len(partly), _CLEANED_AT_ONCE):
            some = partly[first : first + _CLEANED_AT_ONCE]
            down, across = np.divmod(some, drawn.shape[1])
            had = words[some]
            rgb = ((had[:, None] >> _CHANNEL_BITS) & np.uint32(_OPAQUE)).astype(np.float32)
            share = levels[some].astype(np.float32) / np.float32(_OPAQUE)
            made = colours.at(rows.start + down, columns.start + across, rgb, share)
            made += np.float32(0.5)
            red, green, blue = made.astype(np.uint32).T << _CHANNEL_BITS[:, None]
            words[some] = (had & ~_COLOUR) | red | green | blue


class Mask(_Drawing):
    """The opacity alone, as a grey picture."""

    channels = 1

    def draw(self, rows: slice, columns: slice) -> U8:
        """Return (rows, columns, 1)."""
        return self._alpha(self._matte(rows, columns), rows, columns).astype(np.uint8)[..., None]


def drawing(
    photo: Photo, mask: F32, fit: Fit, *, product: Product = Product.CUTOUT, edges: Edges = Edges.OFF,
    output: OutputSpec | None = None,
) -> CutOut | Mask:  # fmt: skip
    """Return the product that a mask makes of a photo.

    `mask` is the network's square, (S, S), in [0, 1]. Without `edges` it is resized; else opacity is refined, unless
    the model's `output` asks for it to be kept, and a cut-out gets colours of its own.
    """
    if edges is Edges.OFF:
        plain = Matte(mask, photo.width_px, photo.height_px, fit)
        return Mask(photo, plain) if product is Product.MASK else CutOut(photo, plain)
    left, top, width, height = photo_box(photo.width_px, photo.height_px, mask.shape[0], fit)
    shown = mask[top : top + height, left : left + width]
    spec = output or OutputSpec()
    if spec.edge is Edge.KEEP:
        opacity: Opacity = Matte(mask, photo.width_px, photo.height_px, fit)
        working = as_masked(photo, shown) if product is Product.CUTOUT else None
    else:
        working = refined(photo, shown, spec.reach_of(mask.shape[0]))
        opacity = Refined(photo, working)
    if product is Product.MASK:
        return Mask(photo, opacity)
    return CutOut(photo, opacity, Colours(working) if working else None)
