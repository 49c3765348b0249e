"""What every decoder says of a photo that it cannot use, in the same words."""

from bgzero_daemon.core.errors import Code, PhotoRefused
from bgzero_daemon.core.texts import _


def check_size(width_px: int, height_px: int, max_pixels: int) -> None:
    """Raise PhotoRefused where a photo has more pixels than the limit. Ask before anything is decoded."""
    if width_px * height_px > max_pixels:
        raise PhotoRefused(
            _("The photo has {have} megapixels; the limit is {limit}.").format(
                have=_mega(width_px * height_px), limit=_mega(max_pixels)
            ),
            hint=_("Raise limits.megapixels in the configuration."),
            code=Code.TOO_LARGE,
        )


def _mega(pixels: int) -> str:
    return f"{pixels / 1e6:.1f}".removesuffix(".0")


def damaged(why: object) -> PhotoRefused:
    """Return the refusal of a photo whose decoder gave up; `why` is what it said."""
    return PhotoRefused(
        _("The photo is damaged or incomplete ({why}).").format(why=_short(why)),
        hint=_("Copy it again from where it came from."),
    )


def _short(why: object) -> str:
    said = why.decode(errors="replace") if isinstance(why, bytes) else str(why)
    return " ".join((said or type(why).__name__).split())[:120]
