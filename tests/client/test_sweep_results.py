"""Times and warnings in the results of sweeps."""

from collections.abc import Iterator

import numpy as np
import pytest
from support.processes import Service

import lindyn
from lindyn.results.io import unpack
from lindyn.wire import npz

pytestmark = pytest.mark.live

BASE = {
    "network": lindyn.balanced([2, 2, 2], lam=0.5),
    "task": np.diag([3.0, 2.0]),
    "times": [0.0, 0.25, 0.5],
    "method": {"kind": "descent", "learning_rate": 0.1},
}


@pytest.fixture(scope="module")
def client(job_service: Service) -> Iterator[lindyn.Client]:
    with lindyn.Client(job_service.url) as client:
        yield client


@pytest.fixture(scope="module")
def trained(client) -> lindyn.SweepResult:
    """A sweep over step lengths: the times of the answers are not the requested ones, and differ."""
    axes = {"method.learning_rate": [0.1, 0.05, 0.02], "network.seed": [1, 2]}
    return client.sweep(base=BASE, axes=axes, collect=["loss"]).result()


@pytest.fixture(scope="module")
def shared(client) -> lindyn.SweepResult:
    """A sweep with steps of one length."""
    return client.sweep(base=BASE, axes={"network.seed": [1, 2]}, collect=["loss"]).result()


TRUE_TIMES = [[0.0, 0.2, 0.5], [0.0, 0.25, 0.5], [0.0, 0.24, 0.5]]  # halves are rounded to even steps


def test_sweeps_have_the_times_of_their_answers(trained, shared):
    assert trained.dims["times"] == ("method.learning_rate", "time")
    np.testing.assert_allclose(trained.times, TRUE_TIMES, rtol=1e-14)
    assert "time" not in trained.coordinates
    assert "times" not in shared.data
    np.testing.assert_allclose(shared.coordinates["time"], TRUE_TIMES[0], rtol=1e-14)
    found = trained.to_xarray()
    assert found.times.dims == ("method.learning_rate", "time")
    assert found.times.attrs["units"] == "unit of time_constant"
    table = trained.to_dataframe()
    assert len(table) == 3 * 2 * 3
    np.testing.assert_allclose(table["times"], np.repeat(TRUE_TIMES, 2, axis=0).ravel(), rtol=1e-14)
    np.testing.assert_array_equal(table["loss"], trained.loss.ravel())


def test_sweeps_have_the_warnings_of_their_points(trained, shared):
    codes = {warned["code"] for warned in trained.warnings}
    assert codes == {"rounded-times", "irreducible-loss-unknown"}
    rounded = [place for warned in trained.warnings if warned["code"] == "rounded-times" for place in warned["indices"]]
    assert sorted(rounded) == [[0, 0], [0, 1], [2, 0], [2, 1]]
    assert "warning rounded-times at 4 points" in repr(trained)
    assert "⚠ irreducible-loss-unknown at 6 points" in trained._repr_html_()
    assert "rounded-times at 4 points" in trained.to_xarray().attrs["warnings"]
    assert "warning rounded-times at 2 points" in repr(shared)


@pytest.mark.parametrize("suffix", [".npz", ".nc"])
def test_times_and_warnings_in_a_file(trained, tmp_path, suffix):
    found = lindyn.load(trained.save(tmp_path / f"sweep{suffix}"))
    assert isinstance(found, lindyn.SweepResult)
    assert (found.dims, found.warnings, found.metadata) == (trained.dims, trained.warnings, trained.metadata)
    np.testing.assert_array_equal(found.times, trained.times)


def test_files_of_versions_without_warnings(trained, tmp_path):
    metadata, arrays = unpack(trained.save(tmp_path / "sweep.npz").read_bytes())
    del metadata["warnings"]
    path = tmp_path / "old.npz"
    path.write_bytes(npz.pack(metadata, arrays))
    assert lindyn.load(path).warnings == []
