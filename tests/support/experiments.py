"""Experiments computed in this process, with checks of every table and picture, and of published means."""

import io
import math

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

from lindyn.results.figure import draw_figure
from lindyn.wire.figure import FigureReply
from lindyn_service.translate.figure import figure_reply


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
    assert_drawn_from_data(figure)
    return figure


def assert_drawn_from_data(figure):
    """Assert that the client draws the same figure from its data: the same lines, areas, images, texts and ranges."""
    with mpl.rc_context({"backend": "agg"}):
        again = draw_figure(FigureReply.model_validate_json(figure_reply(figure).model_dump_json()))
        plt.close(again)
    places = [image.colorbar.ax for axes in figure.axes for image in axes.images if image.colorbar]
    panels = [axes for axes in figure.axes if axes not in places]
    assert len(again.axes) == len(figure.axes)
    for one, other in zip(panels, again.axes, strict=False):
        for name in ("title", "xlabel", "ylabel", "xscale", "yscale", "xlim", "ylim"):
            assert getattr(one, f"get_{name}")() == getattr(other, f"get_{name}")(), name
        lines = other.get_lines()[: len(one.get_lines())]
        for line, copy in zip(one.get_lines(), lines, strict=True):
            np.testing.assert_array_equal(np.array(copy.get_data(), float), np.array(line.get_data(), float))
        bars = [each for each in one.collections if hasattr(each, "get_segments") and each.get_segments()]
        for each, copy in zip(bars, other.get_lines()[len(lines) :], strict=True):
            points = np.column_stack(copy.get_data())
            np.testing.assert_array_equal(
                points[~np.isnan(points[:, 0])],
                np.concatenate([np.reshape(part, (-1, 2)) for part in each.get_segments()]),
            )
        bands = [path for each in one.collections if not hasattr(each, "get_segments") for path in each.get_paths()]
        for path, copy in zip(bands, other.patches, strict=True):
            assert {*map(tuple, path.vertices)} == {*map(tuple, copy.get_xy())}
        for image, copy in zip(one.images, other.images, strict=True):
            np.testing.assert_array_equal(copy.get_array(), image.get_array())
        assert (one.get_legend() is None) == (other.get_legend() is None)
        if one.get_legend() is not None:
            texts = [{text.get_text() for text in axes.get_legend().get_texts()} for axes in (one, other)]
            assert texts[0] == texts[1]


def standard_errors_apart(values, mean, deviation, trials):
    """Distance of two means in standard errors of their difference; `deviation` is that of the population."""
    error = math.sqrt(np.var(values) / len(values) + deviation**2 / trials)
    return abs(float(np.mean(values)) - mean) / error
