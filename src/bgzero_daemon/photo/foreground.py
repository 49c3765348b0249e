"""From photo and mask to the cut-out: straight alpha, hidden pixels emptied. Any rows, in any order."""

import numpy as np

from bgzero_daemon.core.specs import Fit
from bgzero_daemon.photo.matte import F32, Matte
from bgzero_daemon.photo.picture import U8, U32, WORD, Photo

_COLOUR = np.uint32(0x00FFFFFF)
_OPACITY_BITS = np.uint32(24)


class _Drawing:
    """What both products have in common. `size` is (width, height) in pixels, upright."""

    def __init__(self, photo: Photo, mask: F32, fit: Fit) -> None:
        self.size = photo.width_px, photo.height_px
        self._words, self._has_alpha = photo.words, photo.has_alpha
        self._matte = Matte(mask, *self.size, fit)

    def columns(self, rows: slice) -> slice:
        """Return between which columns anything is not zero."""
        return self._matte.columns(rows)

    def _alpha(self, rows: slice, columns: slice) -> U32:
        """Return the matte times the photo's own opacity, 0 to 255, rounded."""
        opacity = self._matte.opacity(rows, columns)
        opacity += np.float32(0.5)
        alpha = opacity.astype(np.int32).view(np.uint32)
        if self._has_alpha:
            alpha *= self._words[rows, columns] >> _OPACITY_BITS
            alpha += np.uint32(127)
            alpha //= np.uint32(255)
        return alpha


class CutOut(_Drawing):
    """The photo's pixels as they are, made transparent; where alpha is 0 the colour is 0, too.

    Else the removed background could be recovered.
    """

    channels = 4

    def draw(self, rows: slice, columns: slice) -> U8:
        """Return (rows, columns, 4), straight alpha."""
        alpha = self._alpha(rows, columns)
        # 255 and more, divided by 256, is 1 where anything can be seen
        seen = alpha + np.uint32(255)
        seen >>= np.uint32(8)
        seen *= _COLOUR
        alpha <<= _OPACITY_BITS
        alpha |= seen
        alpha &= self._opaque(rows, columns)
        return alpha.astype(WORD, copy=False).view(np.uint8).reshape(*alpha.shape, 4)

    def _opaque(self, rows: slice, columns: slice) -> U32:
        words = self._words[rows, columns]
        return words | ~_COLOUR if self._has_alpha else words


class Mask(_Drawing):
    """The opacity alone, as a grey picture."""

    channels = 1

    def draw(self, rows: slice, columns: slice) -> U8:
        """Return (rows, columns, 1)."""
        return self._alpha(rows, columns).astype(np.uint8)[..., None]
