"""Pictures of fits with matplotlib, which is imported with this module."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lindyn.results.axes import AnyAxes, draw_legend, few_ticks, is_geometric, ordered_colours, plain_text
from lindyn.results.labels import TIME, label
from lindyn.results.look import FIRST
from lindyn.results.optional import library
from lindyn.wire.array import FloatArray
from lindyn.wire.fit_reply import FittedModelReply

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MAX_NAMED = 8  # lines in a legend
_HALF_THRESHOLD = 1.9207  # decrease of the log-likelihood at the ends of an interval of 95 %
_WIDTH, _HEIGHT, _PANEL = 7.0, 4.5, 2.4  # inches

_pyplot = library("matplotlib.pyplot", "plotting")


def fit_figure(observations: Sequence[Mapping[str, Any]], model: FittedModelReply) -> "Figure":
    """Draw data with fitted curves, residuals below them, and the profiles of the parameters beside them."""
    n_profiles = len(model.parameters)
    columns = 2 if n_profiles else 1
    figure = _pyplot.figure(figsize=(_WIDTH + _PANEL * (columns - 1), _HEIGHT), layout="constrained")
    left, *right = figure.subfigures(1, columns, width_ratios=[_WIDTH, _PANEL][:columns], squeeze=False)[0]
    curves, residuals = left.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    _draw_curves(curves, residuals, observations, model)
    if n_profiles:
        for i, axes in enumerate(right[0].subplots(n_profiles, 1, squeeze=False)[:, 0]):
            _draw_profile(axes, model, i)
    return figure


def _draw_curves(
    curves: AnyAxes, residuals: AnyAxes, observations: Sequence[Mapping[str, Any]], model: FittedModelReply
) -> None:
    colours = [FIRST] if len(observations) == 1 else ordered_colours(len(observations))
    for i, (each, colour) in enumerate(zip(observations, colours, strict=True)):
        times, fitted, error = each["times"], model.fitted[i], model.fitted_standard_errors[i]
        curves.plot(times, each["values"], ".", color=colour, markersize=3, alpha=0.6)
        curves.plot(times, fitted, color=colour, label=plain_text(each["subject"] or each["quantity"]))
        curves.fill_between(times, fitted - error, fitted + error, color=colour, alpha=0.25, linewidth=0)
        residuals.plot(times, model.residuals[i], ".", color=colour, markersize=3)
    residuals.axhline(0.0, color="grey", linewidth=0.6)
    names = {str(each["quantity"]) for each in observations}
    curves.set(ylabel=label(names.pop()).words if len(names) == 1 else "observed values", title=model.name)
    residuals.set(xlabel=TIME.words, ylabel="residuals")
    if 1 < len(observations) <= _MAX_NAMED:
        draw_legend(curves)
    if is_geometric(np.unique(np.concatenate([each["times"] for each in observations]))):
        curves.set_xscale("log")


def _draw_profile(axes: AnyAxes, model: FittedModelReply, number: int) -> None:
    profile, parameter = model.profiles[number], model.parameters[number]
    values: FloatArray = profile.values
    axes.plot(values, profile.log_likelihood_ratios, ".-", color=FIRST, markersize=3, linewidth=1)
    axes.axhline(-_HALF_THRESHOLD, color="grey", linewidth=0.6, linestyle="--")
    if parameter.scale == "log":
        axes.set_xscale("log")
        few_ticks(axes.xaxis)
    name = parameter.path if parameter.subject is None else f"{parameter.path} of {plain_text(parameter.subject)}"
    axes.set_xlabel(name, fontsize="small")
    axes.set_ylabel("log-likelihood", fontsize="small")
    axes.tick_params(labelsize="small")
