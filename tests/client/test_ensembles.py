"""Ensembles in the client: attributes, pictures, labelled arrays and files."""

import pickle

import numpy as np
import pytest

import lindyn

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_window")]

TIMES = np.linspace(0, 5, 7)
LEVELS = [0.9, 0.5, 0.1]


def ask(client, *quantities, network=None, **changes):
    base = {
        "network": network or lindyn.balanced([3, 2, 4], lam=0.5, scale=0.3),
        "task": lindyn.spectrum([3.0, 1.0], seed=2),
        "times": TIMES,
        "quantities": quantities,
    }
    return client.ensemble(**{"base": base, "replicates": 6, "quantiles": LEVELS, **changes})


@pytest.fixture(scope="module")
def found(client) -> lindyn.Ensemble:
    return ask(client, "loss", "singular_values", "alignment", "weights", "output")


def test_statistics_are_those_of_the_trajectories(client, found):
    runs = []
    for seed in range(6):
        network = lindyn.balanced([3, 2, 4], lam=0.5, scale=0.3, seed=seed)
        runs.append(
            client.trajectory(
                network=network,
                task=lindyn.spectrum([3.0, 1.0], seed=2),
                times=TIMES,
                quantities=["loss", "output", "alignment"],
            )
        )
    for path in ("loss", "output", "alignment.input"):
        values = np.array([run[path] for run in runs])
        of = found.quantities[path]
        np.testing.assert_allclose(of.mean, np.mean(values, axis=0), atol=1e-13)
        np.testing.assert_allclose(of.std, np.std(values, axis=0, ddof=1), atol=1e-13)
        np.testing.assert_allclose(of.quantiles, np.quantile(values, LEVELS, axis=0), atol=1e-13)
        np.testing.assert_allclose(of.standard_error, np.std(values, axis=0, ddof=1) / 6**0.5, atol=1e-13)
    np.testing.assert_array_equal(found.times, TIMES)


def test_results_of_ensembles_have_all_names(found):
    assert found.loss.mean is found["loss.mean"]
    assert found["weights.1.mean"].shape == (7, 4, 2)
    assert {"loss", "singular_values"} <= set(dir(found))
    assert "<Ensemble 3-2-4, 6 networks (6 exact), 7 times" in repr(found)
    assert found.wide is None
    with pytest.raises(lindyn.UnknownNameError, match=r"'los\.mean' is not part of this ensemble"):
        found["los.mean"]
    with pytest.raises(AttributeError, match="singular_values"):
        _ = found.singular_value
    copy = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(copy.loss.mean, found.loss.mean)


@pytest.mark.parametrize("suffix", ["npz", "nc"])
def test_an_ensemble_in_a_file(found, tmp_path, suffix):
    loaded = lindyn.load(found.save(tmp_path / f"ensemble.{suffix}"))
    assert isinstance(loaded, lindyn.Ensemble)
    assert loaded.reply == found.reply
    assert loaded.cache == "file"
    for path, array in found.arrays().items():
        np.testing.assert_array_equal(loaded.arrays()[path], array)


def test_an_ensemble_in_xarray(found):
    table = found.to_xarray()
    assert table["singular_values.quantiles"].dims == ("quantile", "time", "mode")
    assert table["output.mean"].dims == ("time", "out", "in")
    assert table["weights.0.std"].dims == ("time", "width_1", "width_0")
    np.testing.assert_array_equal(table["loss.quantiles"].sel(quantile=0.5), found.loss.quantiles[1])
    assert table["loss.mean"].attrs["long_name"] == "loss"
    assert table.attrs["title"] == "learning of 6 3-2-4 linear networks"


def test_the_loss_as_median_and_band(found):
    axes = found.plot.loss()
    (line,) = axes.get_lines()
    np.testing.assert_array_equal(line.get_xydata(), np.c_[TIMES, found.loss.quantiles[1]])
    (band,) = axes.collections
    (outline,) = band.get_paths()
    assert {*found.loss.quantiles[0], *found.loss.quantiles[2]} <= set(outline.vertices[:, 1])
    assert axes.get_ylabel() == "loss"
    assert found.plot.loss(axes, label="again") is axes
    assert axes.get_legend() is not None


def test_lines_of_other_quantities(client, found):
    axes = found.plot.line("singular_values")
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["mode 1", "mode 2", "mode 3"]
    without_median = ask(client, "excess_loss", quantiles=[0.25])
    (line,) = without_median.plot.loss().get_lines()
    np.testing.assert_array_equal(line.get_ydata(), without_median.excess_loss.mean)
    with pytest.raises(ValueError, match="output has matrices"):
        found.plot.line("output")
    with pytest.raises(lindyn.UnknownNameError, match="'los' is not part of this ensemble"):
        found.plot.line("los")


def test_the_wide_limit_is_a_dashed_line(client, tmp_path):
    found = ask(client, "loss", network=lindyn.random([3, 40, 4], gain=[0.5, 0.1]), replicates=2)
    median, limit = found.plot.loss().get_lines()
    assert limit.get_linestyle() == "--"
    np.testing.assert_array_equal(limit.get_ydata(), found.wide["loss"])
    assert limit.get_ydata()[0] == pytest.approx(median.get_ydata()[0], rel=0.2)
    loaded = lindyn.load(found.save(tmp_path / "wide.nc"))
    np.testing.assert_array_equal(loaded.wide["loss"], found.wide["loss"])


def test_arguments_of_ensembles(client):
    both = ask(client, "loss", vary=["network.seed", "task.seed"], first_seed=4, quantiles=np.array([0.5]))
    assert both.reply.seeds == list(range(4, 10))
    assert both.loss.quantiles.shape == (1, 7)
    with pytest.raises(lindyn.TooLargeError, match="sweep over the seeds"):
        ask(client, "output", replicates=100_000, base={**BASE, "times": {"stop": 1, "num": 100_000}})


BASE = {"network": lindyn.balanced([3, 2, 4], lam=0.5), "task": lindyn.spectrum([3.0, 1.0], seed=2)}
