"""Experiments in this process, what every table and picture keeps to, and published values with their spread."""

import io
import math

import numpy as np


def computed(experiment, **overrides):
    """The table, with these parameters instead of the published ones."""
    values = experiment.defaults() | overrides
    assert overrides.keys() <= experiment.parameters.keys()
    table = experiment.tabulate(values, [experiment.run(values, cell) for cell in experiment.cells(values)])
    for name, (dimensions, array) in table.data.items():
        assert array.shape == tuple(len(table.coordinates[dimension]) for dimension in dimensions), name
    return table


def drawn(experiment, table):
    """The picture: it is rendered without a warning, and all panels say what their axes are."""
    figure = experiment.draw(table)
    figure.savefig(io.BytesIO(), format="svg")
    for axes in figure.axes:
        assert axes.get_label() == "<colorbar>" or (axes.get_xlabel() or axes.get_xticklabels()[0].get_text())
        assert axes.get_label() == "<colorbar>" or axes.get_ylabel()
    return figure


def standard_errors_apart(values, mean, deviation, trials):
    """Distance of two means in standard errors of their difference; deviations are those of a population."""
    error = math.sqrt(np.var(values) / len(values) + deviation**2 / trials)
    return abs(float(np.mean(values)) - mean) / error
