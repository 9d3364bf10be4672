"""Pictures of sweeps by colour, with their scales, and cards of all results."""

import matplotlib as mpl
import numpy as np
import pytest

import lindyn
from lindyn.results.evaluation import Evaluation
from lindyn.wire.evaluation import BestTime

pytestmark = pytest.mark.usefixtures("no_window")

RNG = np.random.default_rng(0)
LAMBDAS, SCALES, TIMES = [4.0, -4.0, 0.0], np.geomspace(0.01, 1, 5), np.linspace(0, 2, 6)


def result(**data: tuple[tuple[str, ...], np.ndarray]) -> lindyn.SweepResult:
    """A result whose numbers are arbitrary."""
    coordinates = {
        "network.lambda": np.array(LAMBDAS),
        "network.scale": SCALES,
        "network.seed": np.arange(4.0),
        "time": TIMES,
    }
    return lindyn.SweepResult(
        coordinates={name: values for name, values in coordinates.items() if name != "time" or "times" not in data},
        dims={name: dims for name, (dims, _) in data.items()},
        data={name: values for name, (_, values) in data.items()},
        problems=[],
        warnings=[],
        metadata={"kind": "<sweep>", "version": "1", "job": "<b>"},
    )


def test_time_is_along_x_and_other_axes_have_colours():
    loss = RNG.random((3, 4, 6)) + 1
    found = result(loss=(("network.lambda", "network.seed", "time"), loss))
    axes = found.plot.line("loss", hue="network.lambda")
    assert axes.get_xlabel() == "time"
    lines = {line.get_label(): line for line in axes.get_lines()}
    assert list(lines) == ["4", "-4", "0"]
    for number, label in enumerate(lines):
        np.testing.assert_array_equal(lines[label].get_xdata(), TIMES)
        np.testing.assert_allclose(lines[label].get_ydata(), loss[number].mean(axis=0))
    assert [lines[label].get_linestyle() for label in lines] == ["-", "--", "-"]  # -4 may lie upon 4
    assert lines["-4"].get_zorder() > lines["4"].get_zorder()
    colours = [mpl.colors.to_rgb(lines[label].get_color()) for label in ("-4", "0", "4")]
    assert np.all(np.diff([sum(colour) for colour in colours]) > 0)  # ordered by value, from dark to light
    axes = found.plot.line("loss", hue="network.lambda", middle="median", band=(25, 75))
    np.testing.assert_allclose(axes.get_lines()[0].get_ydata(), np.median(loss[0], axis=0))
    heights = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.max() == pytest.approx(np.percentile(loss[0], 75, axis=0).max())
    assert found.plot.line("loss").get_ylabel().startswith("loss\n(mean over network.lambda, network.seed;")


def test_failed_points_are_left_out_of_mean_and_band():
    loss = RNG.random((3, 4, 6)) + 1
    loss[0, 1] = np.nan
    axes = result(loss=(("network.lambda", "network.seed", "time"), loss)).plot.line("loss", hue="network.lambda")
    np.testing.assert_allclose(axes.get_lines()[0].get_ydata(), loss[0, [0, 2, 3]].mean(axis=0))


def test_many_colours_have_a_bar_and_modes_are_never_averaged():
    many = np.arange(20.0)
    found = lindyn.SweepResult(
        coordinates={"a": many, "time": TIMES},
        dims={"loss": ("a", "time"), "singular_values": ("a", "time", "mode")},
        data={"loss": RNG.random((20, 6)), "singular_values": RNG.random((20, 6, 3))},
        problems=[],
        warnings=[],
        metadata={},
    )
    axes = found.plot.line("loss", hue="a")
    assert axes.get_legend() is None
    assert axes.figure.axes[1].get_ylabel() == "a"
    axes = found.plot("singular_values")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mode 1", "mode 2", "mode 3"]
    np.testing.assert_allclose(axes.get_lines()[2].get_ydata(), found.singular_values[:, :, 2].mean(axis=0))


def test_lines_of_points_with_other_times_have_their_own():
    times = np.array([TIMES, 2 * TIMES, 3 * TIMES])
    loss = RNG.random((3, 6))
    found = result(loss=(("network.lambda", "time"), loss), times=(("network.lambda", "time"), times))
    axes = found.plot.line("loss", hue="network.lambda")
    assert axes.get_xlabel() == "time"
    for line, own in zip(axes.get_lines(), times, strict=True):
        np.testing.assert_array_equal(line.get_xdata(), own)


def test_maps_have_scales_from_the_data_and_cells_in_order():
    values = np.geomspace(1e-3, 1e3, 60).reshape(3, 5, 4)
    found = result(x=(("network.lambda", "network.scale", "network.seed"), values))
    axes = found.plot("x")
    (mesh,) = axes.collections
    assert isinstance(mesh.norm, mpl.colors.LogNorm)
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    np.testing.assert_allclose(mesh.get_array().reshape(5, 3), values.mean(axis=2).T[:, [1, 2, 0]])
    np.testing.assert_allclose(mesh.get_coordinates()[0, :, 0], [-6, -2, 2, 6])
    narrow = result(x=(("network.lambda", "network.scale"), 1 + values[..., 0] / 1e3))
    assert not isinstance(narrow.plot.heatmap("x").collections[0].norm, mpl.colors.LogNorm)
    signed = result(x=(("network.lambda", "network.scale"), values[..., 0] - 1))
    assert not isinstance(signed.plot.heatmap("x").collections[0].norm, mpl.colors.LogNorm)


def test_values_over_decades_are_logarithmic():
    loss = np.exp(-10 * TIMES) * np.ones((3, 1))
    dims = ("network.lambda", "time")
    assert result(loss=(dims, loss)).plot.line("loss").get_yscale() == "log"
    assert result(loss=(dims, loss - 1)).plot.line("loss").get_yscale() == "linear"


def test_wrong_choices_are_named():
    found = result(loss=(("network.lambda", "time"), RNG.random((3, 6))))
    with pytest.raises(lindyn.ArgumentError, match="middle: got 'mode', expected 'mean' or 'median'"):
        found.plot.line("loss", middle="mode")
    with pytest.raises(lindyn.ArgumentError, match="got 'time' for both x and hue"):
        found.plot.line("loss", x="time", hue="time")
    with pytest.raises(lindyn.ArgumentError, match="got 'time' for both x and y"):
        found.plot.heatmap("loss", x="time", y="time")
    with pytest.raises(lindyn.UnknownNameError, match=r"loss has no dimension 'network.seed'"):
        found.plot.line("loss", hue="network.seed")


def test_dimensions_without_values_are_numbered_from_1():
    """With ticks at integers only, in lines and in maps."""
    modes = result(strength=(("mode", "network.scale"), np.ones((3, 5))))
    for axes in (modes.plot.line("strength", x="mode"), modes.plot.heatmap("strength", x="mode", y="network.scale")):
        axes.figure.canvas.draw()
        low, high = axes.get_xlim()
        shown = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert shown == [1.0, 2.0, 3.0]
    assert modes.plot.line("strength", x="mode").get_lines()[0].get_xdata().tolist() == [1.0, 2.0, 3.0]


def test_points_without_neighbours_have_markers():
    """Of a point between two that failed, no line would be seen."""
    losses = np.array([1.0, 2.0, np.nan, 3.0, np.nan, 4.0])
    (line,) = result(loss=(("time",), losses)).plot.line("loss").get_lines()
    assert (line.get_marker(), line.get_markevery()) == ("o", [3, 5])
    (line,) = result(loss=(("time",), TIMES)).plot.line("loss").get_lines()
    assert line.get_marker() == "None"
    (line,) = result(loss=(("time",), losses)).plot.line("loss", marker="x").get_lines()
    assert (line.get_marker(), line.get_markevery()) == ("x", None)


EVIL = "<script>alert(1)</script>"
CARDS = [
    lindyn.Analysis({EVIL: EVIL, "list": [EVIL]}),
    lindyn.SweepResult(
        {EVIL: [EVIL]}, {EVIL: (EVIL,)}, {EVIL: np.zeros(1)}, [], [], {"kind": EVIL, "version": EVIL, "job": EVIL}
    ),
    lindyn.Comparison(TIMES, {"theory": np.ones((1, 6)), "relu": np.ones((1, 6))}, [None], 0.1, EVIL, "1"),
    Evaluation(np.ones((1, 6)), [BestTime(time=0.0, loss=1.0)], [None], 2.0),
]


@pytest.mark.parametrize("shown", CARDS, ids=lambda each: type(each).__name__)
def test_cards_escape_everything(shown):
    card = shown._repr_html_()
    assert f"lindyn.{type(shown).__name__}" in card
    assert "<script" not in card
    assert ("&lt;script&gt;" in card) or isinstance(shown, Evaluation)
