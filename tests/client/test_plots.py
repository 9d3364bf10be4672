"""Pictures show the computed values."""

from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib import pyplot as plt
from support.processes import Service

import lindyn

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_window")]

TIMES = np.linspace(0, 5, 11)
TARGETS = [3.0, 2.0, 1.0]


@pytest.fixture(scope="module")
def client(job_service: Service) -> Iterator[lindyn.Client]:
    with lindyn.Client(job_service.url) as client:
        yield client


def learn(client, *quantities, times=TIMES, dims=(3, 3, 3), lam=0.5):
    return client.trajectory(
        network=lindyn.balanced(dims, lam=lam, scale=0.1, seed=1),
        task=lindyn.spectrum(TARGETS, seed=2),
        times=times,
        quantities=quantities,
    )


def curves(axes):
    return [line for line in axes.get_lines() if len(line.get_xdata()) == len(TIMES)]


@pytest.mark.parametrize("quantity", ["loss", "excess_loss"])
def test_loss(client, quantity):
    found = learn(client, quantity)
    axes = found.plot.loss()
    (line,) = axes.get_lines()
    np.testing.assert_array_equal(line.get_xydata(), np.c_[TIMES, found[quantity]])
    assert axes.get_xlabel() == "time"
    assert axes.get_ylabel().startswith("loss")
    assert found.plot.loss(axes, label="again", color="k") is axes
    assert len(axes.get_lines()) == 2
    assert axes.get_legend() is not None


def test_times_that_multiply_are_drawn_on_a_logarithmic_axis(client):
    assert learn(client, "loss", times=np.geomspace(0.01, 10, 8)).plot.loss().get_xscale() == "log"
    assert learn(client, "loss", times=[0.0, 1.0]).plot.loss().get_xscale() == "linear"


def test_one_time_is_seen(client):
    """A line with one point would be empty."""
    found = learn(client, "loss", "singular_values", times=[1.0])
    drawn = [*found.plot.loss().get_lines(), *found.plot.modes().get_lines()]
    points = [line for line in drawn if len(line.get_xdata()) == 1]
    assert len(points) == 1 + len(TARGETS)
    assert {line.get_marker() for line in points} == {"o"}
    network = {"kind": "balanced", "dims": [3, 3, 3], "lambda": 0.5, "scale": 0.1}
    base = {"network": network, "task": lindyn.spectrum(TARGETS, seed=2), "times": [1.0]}
    (line,) = client.ensemble(base=base, replicates=2).plot.loss().get_lines()
    assert line.get_marker() == "o"


@pytest.mark.parametrize("quantity", ["singular_values", "mode_strengths"])
def test_lines_of_modes_have_their_targets(client, quantity):
    found = learn(client, quantity, times=np.linspace(0, 50, 11))
    axes = found.plot.modes()
    learned = curves(axes)
    targets = [line.get_ydata()[0] for line in axes.get_lines() if line not in learned]
    np.testing.assert_allclose(targets, TARGETS)
    for line, target, values in zip(learned, targets, found[quantity].T, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), values)
        assert line.get_ydata()[-1] == pytest.approx(target, rel=1e-6)
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mode 1", "mode 2", "mode 3", "target"]


def test_ntk_and_alignment(client):
    found = learn(client, "ntk_distance", "alignment")
    axes = found.plot.ntk()
    (line,) = axes.get_lines()
    np.testing.assert_array_equal(line.get_ydata(), found.ntk_distance)
    further = learn(client, "ntk_distance", lam=0)
    assert further.ntk_distance.max() > 2 * found.ntk_distance.max()
    further.plot.ntk(axes)
    assert axes.get_ylim()[0] == 0
    assert axes.get_ylim()[1] > further.ntk_distance.max()
    drawn = found.plot.alignment().get_lines()
    assert len(drawn) == 6
    np.testing.assert_array_equal(drawn[4].get_ydata(), found.alignment["output"][:, 1])
    wide = learn(client, "alignment", "singular_values", dims=(6, 6, 6))
    assert wide.plot.alignment().get_legend() is None
    assert [text.get_text() for text in wide.plot.modes().get_legend().get_texts()] == ["target"]


@pytest.mark.parametrize("answers", ["npz", "json"])
def test_alignment_of_missing_modes_has_gaps(job_service, answers, tmp_path):
    """NaN causes no warning in reading, tables, files and pictures."""
    with lindyn.Client(job_service.url, answers=answers) as client:
        found = learn(client, "alignment", "loss", dims=(3, 2, 3), lam=0)
    for side in ("input", "output"):
        assert np.array_equal(np.isnan(found.alignment[side]), [[False, False, True]] * len(TIMES))
    drawn = found.plot.alignment().get_lines()
    assert [np.isnan(line.get_ydata()).all() for line in drawn] == [False, False, True] * 2
    found.plot.alignment().figure.savefig(tmp_path / "alignment.png")
    assert "alignment.input" in found._repr_html_()
    for name in ("run.npz", "run.nc"):
        again = lindyn.load(found.save(tmp_path / name))
        np.testing.assert_array_equal(again.alignment["output"], found.alignment["output"])
    assert bool(found.to_xarray()["alignment.input"].isnull().any())


def test_qqt(client):
    found = learn(client, "qqt")
    axes = found.plot.qqt(2.4)
    (image,) = axes.get_images()
    np.testing.assert_array_equal(image.get_array(), found.qqt[5])
    assert image.get_clim() == (-np.abs(found.qqt).max(), np.abs(found.qqt).max())
    assert axes.get_title() == "QQᵀ at t = 2.5"


def test_quantities_that_were_not_requested_have_an_error(client):
    with pytest.raises(ValueError, match="needs loss or excess_loss; the trajectory has output: add it to quantities"):
        learn(client, "output").plot.loss()


@pytest.fixture(scope="module")
def sweep(client) -> lindyn.SweepResult:
    base = {"network": {"kind": "balanced", "scale": 0.1}, "task": lindyn.spectrum([2.0, 1.0], seed=1), "times": TIMES}
    axes = {
        "network.dims": [[2, 2, 2], [2, 3, 2]],
        "network.lambda": [0.1, 1.0, 10.0],
        "network.seed": range(4),
    }
    return client.sweep(base=base, axes=axes, collect=["final_loss", "loss"]).result()


def test_heat_maps_average_over_the_other_dimensions(sweep):
    axes = sweep.plot.heatmap("final_loss", x="network.lambda", y="network.seed")
    (mesh,) = axes.collections
    drawn = mesh.get_array().reshape(4, 3)
    np.testing.assert_array_equal(drawn, sweep.final_loss[0].T)  # all of the other widths failed
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("balance λ", "seed of the weights")
    given = plt.subplots()[1]
    assert sweep.plot.heatmap("loss", given, x="time") is given
    assert [text.get_text() for text in given.get_yticklabels()] == ["[2, 2, 2]", "[2, 3, 2]"]
    assert "mean over network.lambda, network.seed" in given.figure.axes[1].get_ylabel()


def test_lines_have_a_band(sweep):
    axes = sweep.plot.line("final_loss", x="network.lambda", label="exact")
    (line,), (band,) = axes.get_lines(), axes.collections
    np.testing.assert_allclose(line.get_ydata(), sweep.final_loss[0].mean(axis=-1))
    heights = band.get_paths()[0].vertices[:, 1]
    assert heights.min() == pytest.approx(np.percentile(sweep.final_loss[0], 10, axis=-1).min())
    assert heights.max() == pytest.approx(np.percentile(sweep.final_loss[0], 90, axis=-1).max())
    assert axes.get_xscale() == "log"
    assert axes.get_legend() is not None
    assert [text.get_text() for text in sweep.plot.line("final_loss").get_xticklabels()] == ["[2, 2, 2]", "[2, 3, 2]"]


def test_different_times_of_points_are_drawn_by_their_number(client):
    base = {"network": lindyn.balanced([2, 2, 2], lam=0.5, seed=1), "task": np.diag([3.0, 2.0]), "times": [0.0, 1.0]}
    axes = {"times": [[0.0, 1.0, 2.0], [0.0, 10.0, 20.0]]}
    found = client.sweep(base=base, axes=axes, collect=["loss"]).result()
    axes = found.plot.line("loss", x="time")
    assert axes.get_xlabel() == "number of the time"
    np.testing.assert_array_equal(axes.get_lines()[0].get_xdata(), [1, 2, 3])


def test_impossible_pictures_have_an_error(client, sweep):
    with pytest.raises(lindyn.UnknownNameError, match="'qqt' is not part of this result, which has: final_loss, loss"):
        sweep.plot.line("qqt")
    with pytest.raises(lindyn.UnknownNameError, match=r"final_loss has no dimension 'time'; it has network.dims"):
        sweep.plot.heatmap("final_loss", x="time")
    base = {"network": lindyn.balanced([2, 2, 2], lam=0, seed=1), "task": np.eye(2), "times": [1.0, 2.0]}
    small = client.sweep(base=base, axes={"network.seed": [1]}, collect=["final_loss", "singular_values"]).result()
    with pytest.raises(ValueError, match="needs two dimensions with several values"):
        small.plot.heatmap("final_loss")
    with pytest.raises(ValueError, match="needs a dimension with several values"):
        small.plot.line("final_loss")
    alone = client.sweep(base=base, axes={"network.lambda": [0.0, 1.0]}).result().plot.line("final_loss")
    assert not alone.collections  # nothing to be averaged, no band
    axes = small.plot.heatmap("singular_values", x="mode")  # which has no coordinate
    assert axes.get_ylabel() == "time"
    assert len(small.plot.line("singular_values", x="mode", ax=axes).get_lines()) == 1
