"""Pictures of the client and of the explorer have the same colours; styles and films."""

import re
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.animation import FFMpegWriter
from matplotlib.colors import to_rgb
from PIL import Image

import lindyn
from lindyn.results.axes import AROUND_ZERO, draw_colour_key, ordered_colours
from lindyn.results.look import DIVERGING, FIRST, ORDERED, ORDERED_RANGE, SECOND
from lindyn.wire.trajectory import QUANTITIES

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_window")]

WEB = Path(__file__).parents[2] / "service" / "lindyn_service" / "web"
STYLE, SCRIPT = (WEB / "style/base.css").read_text(), (WEB / "js/colours.js").read_text()

X = np.random.default_rng(0).standard_normal((6, 3))
Y = np.random.default_rng(1).standard_normal((6, 2))


@pytest.fixture(scope="module")
def found(client) -> lindyn.Trajectory:
    return client.trajectory(
        network=lindyn.balanced([3, 2, 2], lam=0.5, scale=0.3, seed=1),
        task=lindyn.data(X, Y),
        times=np.linspace(0, 3, 7),
        quantities=QUANTITIES,
        evaluate=[lindyn.data(X, Y + 0.1, whiten=False)],
    )


def ramp(name: str) -> list[str]:
    return re.findall(r"#\w{6}", re.search(rf"const {name} = \[(.*?)\]", SCRIPT, re.S)[1])


def test_colours_are_those_of_the_explorer():
    light = {name: re.search(rf"--{name}: light-dark\((#\w{{6}})", STYLE)[1] for name in ("first", "second", "cell")}
    assert (light["first"], light["second"]) == (FIRST, SECOND)
    assert list(DIVERGING) == [*reversed(ramp("NEGATIVE")), light["cell"], *ramp("POSITIVE")]
    assert f"[{ORDERED_RANGE[0]}, {ORDERED_RANGE[1]}]" in SCRIPT
    shades = ramp("VIRIDIS")
    positions = np.linspace(0, 1, len(shades))
    np.testing.assert_allclose(
        [mpl.colormaps[ORDERED](position)[:3] for position in positions], [to_rgb(shade) for shade in shades], atol=0.01
    )
    np.testing.assert_allclose(
        AROUND_ZERO([0.0, 0.5, 1.0])[:, :3], [to_rgb(DIVERGING[i]) for i in (0, 3, 6)], atol=0.02
    )


def test_a_single_mode_has_the_first_colour():
    np.testing.assert_allclose(ordered_colours(1)[0], mpl.colormaps[ORDERED](ORDERED_RANGE[0]))


def test_colour_keys_of_multiplying_values_are_logarithmic():
    figure, axes = plt.subplots()
    draw_colour_key(axes, np.geomspace(0.01, 1, 9), "scale")
    assert figure.axes[1].get_yscale() == "log"


@pytest.mark.live
@pytest.mark.parametrize("path", QUANTITIES)
def test_every_quantity_has_a_picture(found, path):
    """Named by its path, or by the paths of its parts."""
    for part in (each for each in found.arrays() if each == path or each.startswith(f"{path}.")):
        values, axes = found[part], found.plot(part)
        if values.ndim == 3:
            (image,) = axes.get_images()
            np.testing.assert_array_equal(image.get_array(), values[-1])
            assert axes.get_title().endswith("t = 3")
        else:
            drawn = [line.get_ydata() for line in axes.get_lines()]
            np.testing.assert_array_equal(np.squeeze(drawn), np.squeeze(values.T))
        axes.figure.savefig(Path("/dev/null"), format="png")


@pytest.mark.live
def test_named_pictures(found):
    axes = found.plot.task_specificity()
    for line, side in zip(axes.get_lines(), ("input", "output"), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), found.task_specificity[side])
        assert line.get_label() == side
    low, high = found.plot.balance().get_ylim()
    assert (low < 0.49, high > 0.51) == (True, True)  # not the rounding errors of a constant
    axes = found.plot.weights(1.1, layer=1)
    np.testing.assert_array_equal(axes.get_images()[0].get_array(), found.weights[1][2])
    assert (axes.get_title(), axes.get_xlabel(), axes.get_ylabel()) == ("W₂ at t = 1", "hidden unit", "output")
    assert [line.get_label() for line in found.plot.line("evaluation.loss").get_lines()] == ["task 1"]
    np.testing.assert_array_equal(found.plot.ntk().get_lines()[0].get_ydata(), found.ntk_movement)
    with pytest.raises(lindyn.ArgumentError, match=r"draw it with plot.matrix\('output', t=...\)"):
        found.plot.line("output")
    with pytest.raises(lindyn.ArgumentError, match=r"draw it with plot.line\('loss'\)"):
        found.plot.matrix("loss", 1.0)
    for t in (float("nan"), "1", None):
        with pytest.raises(lindyn.ArgumentError, match="expected a time"):
            found.plot.matrix("output", t)
    with pytest.raises(lindyn.UnknownNameError, match="did you mean 'sharpness'"):
        found.plot.line("sharpnes")


@pytest.mark.live
def test_films(found, tmp_path):
    path = found.plot.animate(tmp_path / "film.gif", frames=5, frames_per_second=10)
    with Image.open(path) as film:
        assert film.n_frames == 5
        frames = []
        for number in range(5):
            film.seek(number)
            frames.append(np.asarray(film.convert("RGB")))
    assert all(np.any(one != other) for one, other in pairwise(frames))
    assert not plt.get_fignums()
    with pytest.raises(lindyn.ArgumentError, match=r"'.avi', expected .gif or .mp4"):
        found.plot.animate(tmp_path / "film.avi")
    with pytest.raises(lindyn.ArgumentError, match="there is no folder"):
        found.plot.animate(tmp_path / "missing" / "film.gif")
    with pytest.raises(lindyn.ArgumentError, match="got 0 frames"):
        found.plot.animate(tmp_path / "film.gif", frames=0)
    if FFMpegWriter.isAvailable():
        assert b"ftyp" in found.plot.animate(tmp_path / "film.mp4", frames=5).read_bytes()[:16]
    else:
        with pytest.raises(lindyn.MissingLibraryError, match="needs the program ffmpeg"):
            found.plot.animate(tmp_path / "film.mp4")


def test_styles_hold_until_the_end_of_a_block_or_from_now_on():
    before = dict(mpl.rcParams)
    with lindyn.plots.style("paper"):
        assert mpl.rcParams["pdf.fonttype"] == 42
        assert mpl.rcParams["figure.figsize"] == [3.4, 2.5]
    assert dict(mpl.rcParams) == before
    lindyn.plots.style("slides")
    assert mpl.rcParams["font.size"] == 18
    with pytest.raises(lindyn.ArgumentError, match="expected 'paper' or 'slides'"):
        lindyn.plots.style("poster")
