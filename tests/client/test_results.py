"""Results as labelled arrays, tables, files and cards."""

import builtins
import json
from collections.abc import Iterator
from html.parser import HTMLParser

import numpy as np
import pytest
import xarray as xr
from support.processes import Service

import lindyn
from lindyn.wire.trajectory import QUANTITIES

pytestmark = pytest.mark.live

X = np.random.default_rng(0).standard_normal((20, 4))
TASK = lindyn.spectrum([2.0, 1.0], seed=1)
Y = np.random.default_rng(1).standard_normal((20, 3))


@pytest.fixture(scope="module")
def client(job_service: Service) -> Iterator[lindyn.Client]:
    with lindyn.Client(job_service.url) as client:
        yield client


@pytest.fixture(scope="module")
def trajectory(client) -> lindyn.Trajectory:
    return client.trajectory(
        network=lindyn.balanced([4, 2, 3], lam=0.5, scale=0.3, seed=1),
        task=lindyn.data(X, Y),
        times=np.linspace(0, 3, 7),
        quantities=QUANTITIES,
    )


@pytest.fixture(scope="module")
def sweep(client) -> lindyn.SweepResult:
    base = {
        "network": lindyn.balanced([3, 3, 3], lam=0.5),
        "task": np.diag([3.0, 2.0, 1.0]),
        "times": np.linspace(0, 2, 5),
    }
    axes = {"network.dims": [[3, 3, 3], [3, 4, 3]], "network.seed": [1, 2, 3]}
    return client.sweep(base=base, axes=axes, collect=["final_loss", "loss", "output"]).result()


def test_names_of_parts(client, trajectory, sweep):
    continual = client.continual(network=lindyn.balanced([2, 2, 2], lam=1, seed=1), tasks=[{"task": TASK}], num=5)
    ensemble = client.ensemble(
        base={"network": {"kind": "balanced", "dims": [2, 2, 2], "lambda": 1.0}, "task": TASK, "times": [1.0]},
        replicates=2,
    )
    balance = client.balance([np.eye(2), np.eye(2)])
    for result, name in (
        (trajectory, "loss"),
        (trajectory, "balance.lambda"),
        (sweep, "loss"),
        (continual, "loss"),
        (ensemble, "loss.mean"),
        (balance, "lambda"),
    ):
        assert name in result
        assert "los" not in result
        with pytest.raises(TypeError):
            iter(result)


def test_names_in_a_list_are_refused_in_words(trajectory, sweep):
    for result in (trajectory, sweep):
        with pytest.raises(lindyn.ArgumentError, match="each name as an argument of its own"):
            result.to_dataframe(["loss"])


def test_a_trajectory_in_xarray(trajectory):
    found = trajectory.to_xarray()
    assert set(found.data_vars) == set(trajectory.arrays())
    for path, array in trajectory.arrays().items():
        np.testing.assert_array_equal(found[path], array)
        assert found[path].dims[0] == "time"
        assert {"long_name", "units"} <= set(found[path].attrs)
    assert found["output"].dims == ("time", "out", "in")
    assert found["weights.0"].dims == ("time", "width_1", "width_0")
    assert found["weights.1"].dims == ("time", "width_2", "width_1")
    product = xr.dot(found["weights.1"], found["weights.0"], dim="width_1")
    np.testing.assert_allclose(product, found["output"], atol=1e-12)
    assert found.time.attrs["units"] == "unit of time_constant"
    # whitened inputs: what the modes go to are the singular values of Y^T X (X^T X)^(-1/2)
    white = X @ np.linalg.inv(np.linalg.cholesky(X.T @ X / 20)).T
    np.testing.assert_allclose(found.target, np.linalg.svd(Y.T @ white / 20, compute_uv=False), rtol=1e-12)
    assert found.attrs["key"] == trajectory.reply.key
    assert found.attrs["lambda"] == 0.5
    assert "two layers" in found.attrs["reason"]


def test_targets_for_coloured_inputs(client):
    """Those of the best network function, not of the correlation."""
    for method in ("flow", {"kind": "descent", "learning_rate": 0.01}):
        found = client.trajectory(
            network=lindyn.balanced([4, 3, 3], lam=0.5, scale=0.3, seed=1),
            task=lindyn.data(X, Y, whiten=False),
            times=[0.0, 200.0],
            quantities=["singular_values", "mode_strengths"],
            method=method,
        )
        best = Y.T @ np.linalg.pinv(X.T)
        np.testing.assert_allclose(found.targets("singular_values"), np.linalg.svd(best, compute_uv=False), rtol=1e-12)
        np.testing.assert_allclose(found.singular_values[-1], found.targets("singular_values"), rtol=1e-4)
        np.testing.assert_allclose(found.mode_strengths[-1], found.targets("mode_strengths"), atol=1e-4)


def test_a_trajectory_as_a_table(trajectory):
    table = trajectory.to_dataframe()
    assert table.index.name == "time"
    assert len(table.columns) == sum(array[0].size for array in trajectory.arrays().values())
    np.testing.assert_array_equal(table["loss"], trajectory.loss)
    np.testing.assert_array_equal(table["balance.lambda"], trajectory.balance["lambda"])
    np.testing.assert_array_equal(table["singular_values_3"], trajectory.singular_values[:, 2])
    np.testing.assert_array_equal(table["weights.0_2_4"], trajectory.weights[0][:, 1, 3])
    some = trajectory.to_dataframe("loss", "alignment.input")
    assert list(some.columns) == ["loss", *(f"alignment.input_{mode}" for mode in (1, 2, 3))]
    with pytest.raises(lindyn.UnknownNameError, match="'los' is not part of this trajectory, did you mean 'loss'"):
        trajectory.to_dataframe("los")


def test_nested_quantities_are_typed_and_named(trajectory):
    assert trajectory.weights[0].shape == (7, 2, 4)
    assert set(trajectory.alignment) == set(trajectory.task_specificity) == {"input", "output"}
    assert set(trajectory.balance) == {"lambda", "residual"}
    assert {"loss", "qqt", "to_xarray", "plot"} <= set(dir(trajectory))


@pytest.mark.parametrize("suffix", [".npz", ".nc"])
def test_a_trajectory_in_a_file(trajectory, tmp_path, suffix):
    path = trajectory.save(tmp_path / f"run{suffix}")
    found = lindyn.load(str(path))
    assert isinstance(found, lindyn.Trajectory)
    assert found.reply == trajectory.reply
    assert found.cache == "file"
    np.testing.assert_array_equal(found.times, trajectory.times)
    assert set(found.quantities) == set(trajectory.quantities)
    for path, array in trajectory.arrays().items():
        np.testing.assert_array_equal(found[path], array)
    assert isinstance(found.weights, list)


@pytest.mark.parametrize("suffix", [".npz", ".nc"])
def test_a_sweep_in_a_file(sweep, tmp_path, suffix):
    found = lindyn.load(sweep.save(tmp_path / f"sweep{suffix}"))
    assert isinstance(found, lindyn.SweepResult)
    assert (found.dims, found.problems, found.metadata) == (sweep.dims, sweep.problems, sweep.metadata)
    assert set(found.coordinates) == set(sweep.coordinates)
    assert found.coordinates["network.dims"] == [[3, 3, 3], [3, 4, 3]]
    np.testing.assert_array_equal(found.coordinates["network.seed"], [1, 2, 3])
    for name in sweep.data:
        np.testing.assert_array_equal(found[name], sweep[name])


def test_other_programs_read_the_files(trajectory, tmp_path):
    with np.load(trajectory.save(tmp_path / "run.npz"), allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["balance.lambda"], trajectory.balance["lambda"])
        assert json.loads(str(archive["metadata"]))["key"] == trajectory.reply.key
    with xr.open_dataset(trajectory.save(tmp_path / "run.nc"), engine="h5netcdf") as dataset:
        xr.testing.assert_identical(dataset.load(), trajectory.to_xarray())


def test_other_file_formats_are_refused(trajectory, tmp_path):
    with pytest.raises(
        ValueError, match=r"got a file name that ends with '.h5', expected .npz, .nc, .json, .csv or .mat"
    ):
        trajectory.save(tmp_path / "run.h5")
    with pytest.raises(ValueError, match=r"there is no folder .*missing; create it"):
        trajectory.save(tmp_path / "missing" / "run.csv")
    with pytest.raises(ValueError, match=r"ends with '.h5'"):
        lindyn.load(tmp_path / "run.h5")
    np.savez(tmp_path / "other.npz", metadata=json.dumps({"a": 1}), x=np.zeros(3))
    with pytest.raises(ValueError, match=r"other.npz holds no trajectory"):
        lindyn.load(tmp_path / "other.npz")
    np.savez(tmp_path / "own.npz", W1=np.eye(3), W2=np.eye(3))
    with pytest.raises(ValueError, match=r"own.npz was not saved by lindyn.*'metadata'.*numpy.load.*lindyn.weights"):
        lindyn.load(tmp_path / "own.npz")
    np.savez(tmp_path / "pickled.npz", W1=np.array([None]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"pickled.npz was not saved by lindyn: entry 'W1.npy'.*Python objects"):
        lindyn.load(tmp_path / "pickled.npz")
    xr.Dataset({"x": ("time", np.zeros(3))}).to_netcdf(tmp_path / "other.nc", engine="h5netcdf")
    with pytest.raises(ValueError, match=r"other.nc was not written by lindyn"):
        lindyn.load(tmp_path / "other.nc")


def test_a_sweep_in_xarray_and_as_a_table(sweep):
    found = sweep.to_xarray()
    assert found.loss.dims == ("network.dims", "network.seed", "time")
    assert found.output.dims == ("network.dims", "network.seed", "time", "out", "in")
    assert found["network.dims"].to_numpy().tolist() == ["[3, 3, 3]", "[3, 4, 3]"]
    np.testing.assert_array_equal(found.loss.sel({"network.seed": 2, "network.dims": "[3, 3, 3]"}), sweep.loss[0, 1])
    assert found.attrs["failed_points"] == 3
    assert len(sweep.to_dataframe()) == 6 * 5
    output = sweep.to_dataframe("output").query("`network.dims` == '[3, 3, 3]' and `network.seed` == 2")
    np.testing.assert_array_equal(output["output_3_1"], sweep.output[0, 1, :, 2, 0])
    table = sweep.to_dataframe("final_loss")
    assert list(table.columns) == ["network.dims", "network.seed", "final_loss"]
    assert len(table) == 6
    assert table["final_loss"].isna().sum() == 3
    with pytest.raises(AttributeError, match="'qqt' is not part of this result, which has: final_loss, loss, output"):
        _ = sweep.qqt
    assert "final_loss" in dir(sweep)


UNLIKE = {
    "network.dims": [[3, 2, 3], [3, 2, 2, 3]],
    "network.gain": [1.0, [0.5, 1.0]],
    "times": [[0.0, 1.0], np.linspace(0, 2, 5)],
    "task": [np.diag([3.0, 2.0, 1.0]), {"kind": "spectrum", "seed": 1, "singular_values": np.array([2.0, 1.0])}],
    "method": ["flow", {"kind": "descent", "learning_rate": 0.5}],
}


@pytest.mark.parametrize("path", UNLIKE)
def test_axes_with_values_of_different_types(client, tmp_path, path):
    """Each value is labelled by its text, and none is lost in a file."""
    base = {"network": lindyn.random([3, 2, 3], seed=1), "task": np.diag([3.0, 2.0, 1.0]), "times": [0.0, 1.0]}
    start, _, part = path.partition(".")
    base = {**base, start: {**base[start], part: None}} if part else {k: v for k, v in base.items() if k != path}
    result = client.sweep(base=base, axes={path: UNLIKE[path], "time_constant": [1.0, 2.0]}, collect=["loss"]).result()
    assert not result.problems
    values = json.loads(json.dumps(UNLIKE[path], default=np.ndarray.tolist))
    labels = [value if isinstance(value, str) else json.dumps(value) for value in values]
    found = result.to_xarray()
    assert found.loss.dims[0] == path
    assert found[path].to_numpy().tolist() == labels
    table = result.to_dataframe()
    assert list(dict.fromkeys(table[path])) == labels
    for suffix in (".npz", ".nc"):
        again = lindyn.load(result.save(tmp_path / f"run{suffix}"))
        assert again.coordinates[path] == result.coordinates[path] == values
        np.testing.assert_array_equal(again.loss, result.loss)
    result.plot.line("loss", x=path)
    assert path in Page(result._repr_html_()).text


@pytest.mark.parametrize("axis", ["times", "times.stop"])
def test_times_of_points_beside_an_axis_of_times(client, tmp_path, axis):
    """An axis with the name of the array of times leaves both accessible, under two names."""
    asked = {"times": [[0.0, 1.0, 2.0], {"stop": 4.0, "num": 2}], "times.stop": [2.0, 4.0]}[axis]
    expected = {"times": [[0.0, 1.0, 2.0], [0.0, 4.0, np.nan]], "times.stop": [[0.0, 1.0, 2.0], [0.0, 2.0, 4.0]]}[axis]
    base = {"network": lindyn.balanced([2, 2, 2], lam=0, seed=1), "task": np.eye(2), "times": {"stop": 1.0, "num": 3}}
    result = client.sweep(base=base, axes={axis: asked}, collect=["loss"]).result()
    np.testing.assert_array_equal(result.times, expected)
    name = "point_times" if axis == "times" else "times"
    found, table = result.to_xarray(), result.to_dataframe()
    assert found[name].dims == (axis, "time")
    assert found[name].attrs["units"] == "unit of time_constant"
    np.testing.assert_array_equal(found[name], expected)
    np.testing.assert_array_equal(table[name], np.ravel(expected))
    assert len(set(table[axis])) == 2
    for suffix in (".npz", ".nc"):
        again = lindyn.load(result.save(tmp_path / f"run{suffix}"))
        np.testing.assert_array_equal(again.times, expected)
        assert list(again.coordinates[axis]) == list(result.coordinates[axis])
        assert (again.dims, again.metadata) == (result.dims, result.metadata)


@pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT"])
def test_netcdf_of_32_bits(client, tmp_path, form):
    """Drawn seeds have up to 53 bits."""
    seed, task_seed = 2**53 - 1, 2**31
    run = client.trajectory(
        network=lindyn.balanced([3, 3, 3], lam=0.5, seed=seed),
        task=lindyn.regression(9, seed=task_seed),
        times=[0.0, 1.0],
        quantities=["loss", "output", "balance"],
    )
    run.to_xarray().to_netcdf(tmp_path / "run.nc", engine="scipy", format=form)
    with xr.open_dataset(tmp_path / "run.nc", engine="scipy") as found:
        assert (found.attrs["seed"], found.attrs["task_seed"]) == (str(seed), str(task_seed))
        np.testing.assert_array_equal(found.loss, run.loss)
        np.testing.assert_array_equal(found["balance.lambda"], run.balance["lambda"])
        assert json.loads(found.attrs["lindyn"])["seed"] == seed
    drawn = client.sweep(
        base={"network": lindyn.balanced([3, 3, 3], lam=0.5), "task": np.eye(3), "times": [0.0, 1.0]},
        axes={"network.seed": [1, seed], "method": ["exact", {"kind": "flow"}]},
        collect=["final_loss", "loss"],
    ).result()
    drawn.to_xarray().to_netcdf(tmp_path / "sweep.nc", engine="scipy", format=form)
    with xr.open_dataset(tmp_path / "sweep.nc", engine="scipy") as found:
        assert found["network.seed"].to_numpy().tolist() == [1, seed]
        np.testing.assert_array_equal(found.final_loss, drawn.final_loss)


def test_fields_of_other_answers_are_listed(client):
    assert {"lambda", "balanced", "residual"} <= set(dir(client.balance([np.eye(2), np.eye(2)])))


def test_dimensions_without_coordinates_are_numbered_columns(client):
    base = {"network": lindyn.balanced([2, 2, 2], lam=0, seed=1), "task": np.eye(2), "times": [1.0, 2.0]}
    table = client.sweep(base=base, axes={"network.seed": [1]}, collect=["singular_values"]).result().to_dataframe()
    assert list(table.columns) == ["network.seed", "time", "singular_values_1", "singular_values_2"]
    assert table["time"].tolist() == [1, 2]


def test_experiments_in_xarray(client, tmp_path):
    result = client.experiment("figure-4.1").result()
    found = result.to_xarray()
    assert set(found.data_vars) == set(result.data)
    again = lindyn.load(result.save(tmp_path / "x.nc"))
    for name in result.data:
        np.testing.assert_array_equal(again[name], result[name])
    assert len(result.to_dataframe())


class Page(HTMLParser):
    """The text of a page, after checking that its tags are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.open, self.tags = "", [], set()
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        if tag != "polyline":
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag != "polyline":
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + " "


def test_cards(trajectory, sweep, client):
    page = Page(trajectory._repr_html_())
    assert "svg" in page.tags
    for said in ("4-2-3, λ = 0.5", trajectory.reply.reason, "balance_residual", "network 1", trajectory.reply.key[:12]):
        assert said in page.text
    page = Page(sweep._repr_html_())
    for said in ("infeasible-balance", "3 values from 1.0 to 3.0", "network.dims", sweep.metadata["job"]):
        assert said in page.text
    flat = client.trajectory(network=lindyn.random([3, 3, 3]), task=np.eye(3), times=[1.0], quantities=["loss"])
    assert "7 times" not in Page(flat._repr_html_()).text
    plain = client.trajectory(
        network=lindyn.weights(np.eye(2), 2 * np.eye(2)), task=np.eye(2), times=[0.0], quantities=["output", "loss"]
    )
    assert "⚠ irreducible-loss-unknown" in Page(plain._repr_html_()).text
    one = client.sweep(
        base={"network": lindyn.balanced([2, 2, 2], lam=0, seed=1), "times": [1.0]}, axes={"task": [[[1, 0], [0, 1]]]}
    ).result()
    assert "[[1, 0], [0, 1]]" in Page(one._repr_html_()).text


def test_missing_libraries_are_reported_with_their_remedy(trajectory, sweep, tmp_path, monkeypatch):
    real = builtins.__import__

    def without(name, *arguments, **keywords):
        if name.partition(".")[0] in ("xarray", "pandas", "matplotlib", "h5netcdf"):
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *arguments, **keywords)

    monkeypatch.setattr("lindyn.results.optional.import_module", without)
    actions = {
        "xarray": [trajectory.to_xarray, sweep.to_xarray],
        "pandas": [trajectory.to_dataframe, sweep.to_dataframe],
        "h5netcdf": [lambda: trajectory.save(tmp_path / "x.nc"), lambda: lindyn.load(tmp_path / "x.nc")],
    }
    for name, tried in actions.items():
        for action in tried:
            with pytest.raises(lindyn.MissingLibraryError, match=rf"needs {name}.*; .* pip install '\.\[notebook\]'"):
                action()
