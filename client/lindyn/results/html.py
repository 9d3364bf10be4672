"""What notebooks show of a result: what was computed, how, how exactly, and a small picture."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

import numpy as np

from lindyn.results.labels import label
from lindyn.results.sweep import SweepResult, warned_points
from lindyn.results.trajectory import Trajectory
from lindyn.wire.array import FloatArray

_WIDTH, _HEIGHT = 240, 60
_MOST_PROBLEMS = 5
_PICTURED = ("loss", "excess_loss", "ntk_distance")


def trajectory_html(trajectory: Trajectory) -> str:
    """A card of a trajectory."""
    reply = trajectory.reply
    balance = "" if reply.lam is None else f", λ = {reply.lam:g}"
    seeds = ", ".join(
        f"{name} {seed}" for name, seed in (("network", reply.seed), ("task", reply.task_seed)) if seed is not None
    )
    times = trajectory.times
    rows = [
        ("network", f"{'-'.join(map(str, reply.dims))}{balance}"),
        ("method", f"{reply.method}: {reply.reason}"),
        ("times", f"{len(times)} from {times[0]:g} to {times[-1]:g}, time constant {reply.time_constant:g}"),
        *((name, f"{value:.3g}") for name, value in reply.diagnostics.items() if isinstance(value, int | float)),
        *((f"⚠ {warning.code}", warning.detail) for warning in reply.warnings),
        ("seeds", seeds),
        ("computed by", f"lindyn {reply.version} ({trajectory.cache}), key {reply.key[:12]}…"),
    ]
    arrays = _shapes((path, array.shape) for path, array in trajectory.arrays().items())
    pictured = next((name for name in _PICTURED if name in trajectory.quantities), None)
    picture = "" if pictured is None else _curve(times, trajectory[pictured], label(pictured).words)
    return _card("Trajectory", [(name, text) for name, text in rows if text], arrays, picture)


def sweep_html(result: SweepResult) -> str:
    """A card of the result of a job."""
    problems = result.problems
    rows = [
        ("kind", str(result.metadata["kind"])),
        *((name, _extent(values)) for name, values in result.coordinates.items()),
        *((f"⚠ {p['code']} at {p['index']}", str(p["detail"])) for p in problems[:_MOST_PROBLEMS]),
        ("failed points", f"{len(problems)}" if problems else ""),
        *((f"⚠ {code} at {count} points", _detail(result, code)) for code, count in warned_points(result).items()),
        ("computed by", f"lindyn {result.metadata['version']}, job {result.metadata['job']}"),
    ]
    arrays = _shapes((f"{name} ({' x '.join(result.dims[name])})", a.shape) for name, a in result.data.items())
    return _card("SweepResult", [(name, text) for name, text in rows if text], arrays, "")


def _detail(result: SweepResult, code: str) -> str:
    """Of the first warning of a code."""
    return next(str(warned["detail"]) for warned in result.warnings if warned["code"] == code)


def _card(title: str, rows: Iterable[tuple[str, str]], arrays: str, picture: str) -> str:
    cells = "".join(
        f"<tr><th style='text-align:left;vertical-align:top'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for name, text in rows
    )
    return f"<div><b>lindyn.{title}</b> {picture}<table>{cells}</table><small>{arrays}</small></div>"


def _shapes(arrays: Iterable[tuple[str, Sequence[int]]]) -> str:
    return " · ".join(f"{escape(name)} <i>{'x'.join(map(str, shape))}</i>" for name, shape in arrays)


def _extent(values: Any) -> str:  # noqa: ANN401 (values of any type)
    if len(values) == 1:
        return f"{values[0]}"
    return f"{len(values)} values from {values[0]} to {values[-1]}"


def _curve(times: FloatArray, values: FloatArray, words: str) -> str:
    """A line as SVG, without axes; matplotlib draws real pictures."""
    x, y = _scaled(times), 1 - _scaled(values)
    points = " ".join(f"{_WIDTH * a:.1f},{2 + (_HEIGHT - 4) * b:.1f}" for a, b in zip(x, y, strict=True))
    caption = f"{words}: {values[0]:.3g} → {values[-1]:.3g}"
    return (
        f"<figure style='margin:0.3em 0'><svg width='{_WIDTH}' height='{_HEIGHT}' role='img' "
        f"aria-label='{escape(caption)}'><polyline points='{points}' fill='none' stroke='#0072b2' stroke-width='1.5'/>"
        f"</svg><figcaption><small>{escape(caption)}</small></figcaption></figure>"
    )


def _scaled(values: FloatArray) -> FloatArray:
    """Between 0 and 1; in the middle if they are all equal."""
    low, high = float(np.min(values)), float(np.max(values))
    return (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
