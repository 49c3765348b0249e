"""From photo and mask to the cut-out: straight alpha, hidden pixels emptied. Any rows, in any order."""

from typing import Protocol

import numpy as np

from bgzero_daemon.core.recipe import Edges, Product
from bgzero_daemon.core.specs import Edge, Fit, OutputSpec
from bgzero_daemon.photo.edges.colours import Colours
from bgzero_daemon.photo.edges.opacity import Refined
from bgzero_daemon.photo.edges.working import as_masked, refined
from bgzero_daemon.photo.matte import F32, Matte
from bgzero_daemon.photo.picture import U8, Layout, Photo, Words
from bgzero_daemon.photo.tensor import photo_box

_CLEANED_AT_ONCE = 1 << 14
"""Pixels whose numbers stay near the core."""

_LEAST, _MOST = np.float32(0.5), np.float32(254.5)
"""What 8 bits round to nothing or to opaque is so in 16 bits, too: else a network's faint doubt would let the whole
ground through, and nothing of a subject would be as it was."""


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
        self.depth = photo.depth
        self._words, self._has_alpha = photo.words, photo.has_alpha
        self._opacity = opacity
        self._layout = layout = photo.layout
        of_word = layout.word.type
        self._bits, self._peak, self._half = of_word(layout.depth), of_word(layout.peak), of_word(layout.peak // 2)
        self._opacity_bits = of_word(3 * layout.depth)
        self._colour = of_word((1 << 3 * layout.depth) - 1)

    def columns(self, rows: slice) -> slice:
        """Return between which columns anything is not zero."""
        return self._opacity.columns(rows)

    def _matte(self, rows: slice, columns: slice) -> Words:
        """Return the matte, from 0 to the depth's peak, rounded."""
        opacity = self._opacity.opacity(rows, columns)
        if self.depth > 8:
            opacity[opacity < _LEAST] = 0.0
            opacity[opacity >= _MOST] = 255.0
            opacity *= np.float32(self._layout.unit)
        opacity += np.float32(0.5)
        return opacity.astype(np.int32).view(np.uint32).astype(self._layout.word, copy=False)

    def _alpha(self, matte: Words, rows: slice, columns: slice) -> Words:
        """Return the matte times the photo's own opacity, from 0 to the depth's peak, rounded."""
        if not self._has_alpha:
            return matte
        alpha: Words = matte * (self._words[rows, columns] >> self._opacity_bits)
        alpha += self._half
        alpha //= self._peak
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
        """Return (rows, columns, bytes of four channels), straight alpha."""
        matte = self._matte(rows, columns)
        alpha = self._alpha(matte, rows, columns)
        # the peak and more, divided by one more than it, is 1 where anything can be seen
        drawn = alpha + self._peak
        drawn >>= self._bits
        drawn *= self._colour
        drawn |= alpha << self._opacity_bits
        drawn &= self._opaque(rows, columns)
        drawn = np.ascontiguousarray(drawn, self._layout.word)
        if self._colours is not None:
            self._clean(self._colours, matte, drawn, rows, columns)
        return _as_written(drawn, self._layout)

    def _opaque(self, rows: slice, columns: slice) -> Words:
        words = self._words[rows, columns]
        return words | ~self._colour if self._has_alpha else words

    def _clean(self, colours: Colours, matte: Words, drawn: Words, rows: slice, columns: slice) -> None:
        """Give what is partly seen its own colours, reckoned in floats whatever the depth."""
        layout, one = self._layout, self._layout.word.type(1)
        channel_bits = np.array([0, layout.depth, 2 * layout.depth], layout.word)
        # of 0, 1 less is a large number
        (partly,) = np.nonzero((matte.ravel() - one) < self._peak - one)
        words, levels = drawn.reshape(-1), matte.ravel()
        if self._has_alpha:
            # what the file itself shows in part has been parted from its ground before, and is no mixture
            partly = partly[self._words[rows, columns].ravel()[partly] >> self._opacity_bits == self._peak]
        for first in range(0, len(partly), _CLEANED_AT_ONCE):
            some = partly[first : first + _CLEANED_AT_ONCE]
            down, across = np.divmod(some, drawn.shape[1])
            had = words[some]
            rgb = ((had[:, None] >> channel_bits) & self._peak).astype(np.float32)
            if layout.unit > 1:
                rgb /= np.float32(layout.unit)
            share = levels[some].astype(np.float32) / np.float32(layout.peak)
            made = colours.at(rows.start + down, columns.start + across, rgb, share)
            if layout.unit > 1:
                made *= np.float32(layout.unit)
            made += np.float32(0.5)
            red, green, blue = made.astype(layout.word).T << channel_bits[:, None]
            words[some] = (had & ~self._colour) | red | green | blue


class Mask(_Drawing):
    """The opacity alone, as a grey picture."""

    channels = 1

    def draw(self, rows: slice, columns: slice) -> U8:
        """Return (rows, columns, bytes of a channel)."""
        alpha = self._alpha(self._matte(rows, columns), rows, columns)
        return _as_written(alpha.astype(self._layout.sample), self._layout)


def _as_written(pixels: Words, layout: Layout) -> U8:
    """Return (rows, columns) of samples or words as the bytes of a PNG, which has the higher byte of 16 bits first."""
    samples = pixels.view(layout.sample)
    written = (samples.byteswap() if layout.depth > 8 else samples).view(np.uint8)
    return written.reshape(*pixels.shape, pixels.itemsize)  # said in full: there may be no columns


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
