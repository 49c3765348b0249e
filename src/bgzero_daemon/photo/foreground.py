"""From photo and mask to the cut-out: straight alpha, hidden pixels emptied."""

import numpy as np

from bgzero_daemon.core.specs import Fit
from bgzero_daemon.photo.decode import U8, Photo
from bgzero_daemon.photo.matte import F32, matte_strips


def compose(photo: Photo, mask: F32, fit: Fit) -> U8:
    """Return the cut-out as (h, w, 4), uint8, straight alpha.

    Opacity is the resized mask times the photo's own alpha. The photo's pixels are kept as they are;
    where alpha is 0 the colour is 0, else the removed background could be recovered.
    """
    rgba = np.empty((photo.height_px, photo.width_px, 4), np.uint8)
    for rows, matte in matte_strips(mask, photo.width_px, photo.height_px, fit):
        alpha = _alpha(photo, rows, matte)
        strip = rgba[rows]
        np.multiply(photo.rgb[rows], (alpha > 0)[..., None], out=strip[..., :3], casting="unsafe")
        strip[..., 3] = alpha
    return rgba


def matte(photo: Photo, mask: F32, fit: Fit) -> U8:
    """Return the opacity alone as (h, w), uint8: what `compose` puts into the alpha channel."""
    alone = np.empty((photo.height_px, photo.width_px), np.uint8)
    for rows, strip in matte_strips(mask, photo.width_px, photo.height_px, fit):
        alone[rows] = _alpha(photo, rows, strip)
    return alone


def _alpha(photo: Photo, rows: slice, matte: F32) -> U8:
    opacity: F32 = matte * np.float32(255.0)
    if photo.own_alpha is not None:
        opacity *= photo.own_alpha[rows].astype(np.float32) * np.float32(1 / 255)
    alpha: U8 = np.rint(opacity).astype(np.uint8)
    return alpha
