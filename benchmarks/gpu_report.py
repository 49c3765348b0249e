"""What came of each step of `gpu.py`, as text and as JSON. Standard library only."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

Figure = float | int | str | None


@dataclass(frozen=True, slots=True)
class Step:
    """One step: the promises that were broken (none: kept), what could not be measured, and what was."""

    title: str
    broken: tuple[str, ...] = ()
    unmeasured: tuple[str, ...] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)


def text(conditions: Mapping[str, str], steps: Sequence[Step]) -> str:
    """Lay it out: what it ran on, then each step with its verdict, its figures and what was broken."""
    lines = [f"{name}: {value}" for name, value in conditions.items()]
    for step in steps:
        lines += ["", f"{step.title}: {'BROKEN' if step.broken else 'kept'}"]
        lines += [f"  {name}: {_shown(value)}" for name, value in step.figures.items()]
        lines += [f"  not measured: {what}" for what in step.unmeasured]
        lines += [f"  BROKEN: {sentence}" for sentence in step.broken]
    broken = sum(bool(step.broken) for step in steps)
    return "\n".join([*lines, "", f"{len(steps)} steps, {broken} of them broken."])


def as_json(conditions: Mapping[str, str], steps: Sequence[Step]) -> str:
    """Return the same as JSON."""
    return json.dumps({"conditions": dict(conditions), "steps": [asdict(step) for step in steps]}, indent=2)


def status(steps: Sequence[Step]) -> int:
    """Return the exit status: 1 where a promise was broken."""
    return 1 if any(step.broken for step in steps) else 0


def rates(by_lanes: Mapping[int, Sequence[float]]) -> dict[str, Figure]:
    """Compare photos a minute round by round with those of the fewest lanes: medians, and ratios with their spread."""
    found: dict[str, Figure] = {}
    fewest = min(by_lanes)
    for lanes, measured in sorted(by_lanes.items()):
        found[f"photos a minute, {lanes} lanes"] = round(statistics.median(measured), 1)
        if lanes != fewest:
            ratios = [one / base for one, base in zip(measured, by_lanes[fewest], strict=True)]
            found[f"{lanes} lanes, times those of {fewest}"] = (
                f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            )
    return found


def _shown(value: Figure) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) and abs(value) < 1 else str(value)
