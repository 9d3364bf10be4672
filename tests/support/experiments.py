"""Experiments computed in this process, with checks of every table and picture, and of published means."""

import io
import math

import numpy as np


def computed(experiment, **overrides):
    """Compute the table of an experiment, with some of its published parameters replaced."""
    values = experiment.defaults() | overrides
    assert overrides.keys() <= experiment.parameters.keys()
    table = experiment.tabulate(values, [experiment.run(values, cell) for cell in experiment.cells(values)])
    for name, (dimensions, array) in table.data.items():
        assert array.shape == tuple(len(table.coordinates[dimension]) for dimension in dimensions), name
    return table


def drawn(experiment, table):
    """Draw the picture, and assert that it renders without a warning and that all axes have labels."""
    figure = experiment.draw(table)
    figure.savefig(io.BytesIO(), format="svg")
    for axes in figure.axes:
        assert axes.get_label() == "<colorbar>" or (axes.get_xlabel() or axes.get_xticklabels()[0].get_text())
        assert axes.get_label() == "<colorbar>" or axes.get_ylabel()
    return figure


def standard_errors_apart(values, mean, deviation, trials):
    """Distance of two means in standard errors of their difference; `deviation` is that of the population."""
    error = math.sqrt(np.var(values) / len(values) + deviation**2 / trials)
    return abs(float(np.mean(values)) - mean) / error
