"""Cards that notebooks show for a result: its provenance, its arrays and a small picture."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import numpy as np

from lindyn.results.grid import Coordinate, FailedPoint, Grid, WarnedPoints, count_warned_points
from lindyn.results.labels import label, lambda_text, origin, regime_words
from lindyn.results.look import FIRST
from lindyn.wire.array import FloatArray
from lindyn.wire.ensemble import EnsembleReply
from lindyn.wire.fit_reply import FitReply
from lindyn.wire.trajectory import TrajectoryReply
from lindyn.wire.tree import JSON

_WIDTH, _HEIGHT = 240, 60  # pixels
_MAX_PROBLEMS = 5
_PICTURED = ("loss", "excess_loss", "ntk_distance")  # the card shows the first one that the trajectory has


def card(
    title: str,
    rows: Iterable[tuple[str, str]],
    shapes: Iterable[tuple[str, Sequence[int]]] = (),
    picture: str = "",
) -> str:
    """Return a table of names and texts without those that are empty, and below it arrays with their shapes.

    Only the picture is HTML; all other texts are escaped.
    """
    cells = "".join(
        f"<tr><th style='text-align:left;vertical-align:top'>{escape(name)}</th>"
        f"<td style='text-align:left'>{escape(text)}</td></tr>"
        for name, text in rows
        if text
    )
    arrays = " · ".join(f"{escape(name)} <i>{'x'.join(map(str, shape))}</i>" for name, shape in shapes)
    return f"<div><b>lindyn.{title}</b> {picture}<table>{cells}</table><small>{arrays}</small></div>"


def trajectory_html(times: FloatArray, arrays: Mapping[str, FloatArray], reply: TrajectoryReply, cache: str) -> str:
    """Return the card of a trajectory."""
    seeds = ", ".join(
        f"{name} {seed}" for name, seed in (("network", reply.seed), ("task", reply.task_seed)) if seed is not None
    )
    rows = [
        ("network", f"{'-'.join(map(str, reply.dims))}{_balance(reply.lam)}"),
        ("method", f"{reply.method}: {reply.reason}"),
        ("times", _times(times, reply.time_constant)),
        *((name, f"{value:.3g}") for name, value in reply.diagnostics.items() if isinstance(value, int | float)),
        *((f"⚠ {warning.code}", warning.detail) for warning in reply.warnings),
        ("regime", "" if reply.regime is None else regime_words(reply.regime)),
        ("seeds", seeds),
        ("computed by", f"lindyn {reply.version} ({origin(cache)}), key {reply.key[:12]}…"),
    ]
    shapes = ((path, array.shape) for path, array in arrays.items())
    pictured = next((name for name in _PICTURED if name in arrays), None)
    picture = "" if pictured is None else _curve(times, arrays[pictured], label(pictured).words)
    return card("Trajectory", rows, shapes, picture)


def sweep_html(
    grid: Grid, problems: Sequence[FailedPoint], warnings: Sequence[WarnedPoints], metadata: Mapping[str, JSON]
) -> str:
    """Return the card of the result of a job."""
    details = {warning["code"]: warning["detail"] for warning in reversed(warnings)}  # the first one of each code
    rows = [
        ("kind", str(metadata["kind"])),
        *((name, _extent(values)) for name, values in grid.coordinates.items()),
        *((f"⚠ {problem['code']} at {problem['index']}", problem["detail"]) for problem in problems[:_MAX_PROBLEMS]),
        ("failed points", f"{len(problems)}" if problems else ""),
        *((f"⚠ {code} at {n} points", details[code]) for code, n in count_warned_points(warnings).items()),
        ("computed by", f"lindyn {metadata['version']}, job {metadata['job']}"),
    ]
    shapes = ((f"{name} ({' x '.join(grid.dims[name])})", array.shape) for name, array in grid.data.items())
    return card("SweepResult", rows, shapes)


def fit_html(
    rows: Mapping[str, Sequence[tuple[str, float, float | None, tuple[float, float]]]], reply: FitReply
) -> str:
    """Return the card of a fit: estimates of each model with their intervals, the ranking, and warnings."""
    cells: list[tuple[str, str]] = []
    for model in reply.models:
        if model.problem is not None:
            cells.append((model.name, f"not fitted: {model.problem.detail}"))
            continue
        cells.append((model.name, f"AIC {model.aic:.2f}, BIC {model.bic:.2f}"))
        for name, estimate, error, (low, high) in rows[model.name]:
            spread = "not determined" if error is None else f"± {error:.2g}"
            cells.append((f"  {name}", f"{estimate:.4g} {spread}, [{low:.4g}, {high:.4g}]"))
        cells += [(f"⚠ {warning.code}", warning.detail) for warning in model.warnings]
    ranked = ", ".join(f"{each.model} (+{each.difference:.2f}, weight {each.weight:.2g})" for each in reply.ranking)
    cells += [("ranking by AIC", ranked), ("computed by", f"lindyn {reply.version}, job {reply.job}")]
    return card("Fit", cells)


def ensemble_html(times: FloatArray, arrays: Mapping[str, FloatArray], reply: EnsembleReply, cache: str) -> str:
    """Return the card of an ensemble."""
    methods = ", ".join(f"{count} {name}" for name, count in reply.methods.items())
    rows = [
        ("networks", f"{reply.replicates} with widths {'-'.join(map(str, reply.dims))}"),
        ("methods", methods),
        ("times", _times(times, reply.time_constant)),
        ("saddles", f"{reply.saddles}" if reply.saddles else ""),
        *((f"⚠ {problem.code} at seed {problem.seed}", problem.detail) for problem in reply.problems[:_MAX_PROBLEMS]),
        ("failed networks", f"{len(reply.problems)}" if reply.problems else ""),
        *((f"⚠ {warning.code} of {warning.replicates}", warning.detail) for warning in reply.warnings),
        ("computed by", f"lindyn {reply.version} ({origin(cache)}), key {reply.key[:12]}…"),
    ]
    pictured = next((name for name in _PICTURED if f"{name}.mean" in arrays), None)
    picture = "" if pictured is None else _curve(times, arrays[f"{pictured}.mean"], f"mean {label(pictured).words}")
    return card("Ensemble", rows, ((path, array.shape) for path, array in arrays.items()), picture)


def _balance(lam: float | None) -> str:
    return "" if lam is None else f", λ = {lambda_text(lam)}"


def _times(times: FloatArray, time_constant: float) -> str:
    return f"{len(times)} from {times[0]:g} to {times[-1]:g}, time constant {time_constant:g}"


def _extent(values: Coordinate) -> str:
    if len(values) < 2:
        return f"{values[0]}" if len(values) else "no values"
    return f"{len(values)} values from {values[0]} to {values[-1]}"


def _curve(times: FloatArray, values: FloatArray, words: str) -> str:
    """Draw a line as SVG without axes, which needs no matplotlib."""
    x, y = _scaled(times), 1 - _scaled(values)
    points = " ".join(f"{_WIDTH * a:.1f},{2 + (_HEIGHT - 4) * b:.1f}" for a, b in zip(x, y, strict=True))
    caption = f"{words}: {values[0]:.3g} → {values[-1]:.3g}"
    return (
        f"<figure style='margin:0.3em 0'><svg width='{_WIDTH}' height='{_HEIGHT}' role='img' "
        f"aria-label='{escape(caption)}'><polyline points='{points}' fill='none' stroke='{FIRST}' stroke-width='1.5'/>"
        f"</svg><figcaption><small>{escape(caption)}</small></figcaption></figure>"
    )


def _scaled(values: FloatArray) -> FloatArray:
    """Scale values to the interval from 0 to 1; equal values lie in its middle."""
    low, high = float(np.min(values)), float(np.max(values))
    return (values - low) / (high - low) if high > low else np.full(len(values), 0.5)
