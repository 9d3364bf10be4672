"""Files of results for other programs: JSON as the service sends it, CSV, and files for Matlab."""

import csv
import json
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.io import loadmat
from support.processes import Service

import lindyn

pytestmark = pytest.mark.live

BASE = {
    "network": {"kind": "balanced", "dims": [3, 2, 3], "lambda": 0.5, "scale": 0.3, "seed": 1},
    "task": {"kind": "spectrum", "singular_values": [2.0, 1.0], "seed": 1},
    "times": [0.0, 0.5, 2.0],
}
CURVE = {
    "quantity": "loss",
    "times": [0.5, 1, 2, 3, 4, 6, 8],
    "values": [2.2, 1.9, 1.1, 0.6, 0.3, 0.1, 0.05],
    "sigma": 0.1,
}


@pytest.fixture(scope="module")
def client(job_service: Service) -> Iterator[lindyn.Client]:
    with lindyn.Client(job_service.url) as client:
        yield client


def answer(service: Service, path: str, **request: object):
    with service.client() as http:
        found = http.post(path, json=request) if request else http.get(path)
    assert found.status_code == 200
    return found.json()


def without_nulls(node):
    """Leave out fields that are null, which replies may leave out, too."""
    if isinstance(node, dict):
        return {name: without_nulls(child) for name, child in node.items() if child is not None}
    return [without_nulls(child) for child in node] if isinstance(node, list) else node


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_ensembles(client, job_service, tmp_path):
    quantities = ["loss", "alignment", "weights"]
    base = {**BASE, "network": {**BASE["network"], "lambda": 0.0}, "quantities": quantities}
    found = client.ensemble(base=base, replicates=5, quantiles=[0.1, 0.9])
    assert np.any(np.isnan(found["alignment.input.mean"]))  # two hidden units learn two of three modes
    posted = answer(job_service, "/v1/ensembles", base=base, replicates=5, quantiles=[0.1, 0.9])
    assert json.loads(found.save(tmp_path / "e.json").read_text()) == posted
    table = rows(found.save(tmp_path / "e.csv"))
    assert [float(row["loss.mean"]) for row in table] == found.loss.mean.tolist()
    assert [float(row["loss.quantiles_0.9"]) for row in table] == found.loss.quantiles[1].tolist()
    assert [float(row["weights.1.std_3_2"]) for row in table] == found["weights.1.std"][:, 2, 1].tolist()
    assert {row["alignment.input.mean_3"] for row in table} == {"NaN"}
    read = loadmat(found.save(tmp_path / "e.mat"), simplify_cells=True)
    np.testing.assert_array_equal(read["weights"][1]["mean"], found["weights.1.mean"])


def test_sweeps(client, job_service, tmp_path):
    axes = {"network.dims": [[3, 2, 3], [3, 4, 3]], "network.seed": [1, 2]}
    job = client.sweep(base=BASE, axes=axes, collect=["final_loss", "loss", "singular_values"])
    found = job.result()
    assert found.problems
    posted = answer(job_service, f"/v1/jobs/{job.id}/result")
    assert json.loads(found.save(tmp_path / "s.json").read_text()) == posted
    table = rows(found.save(tmp_path / "s.csv"))
    assert list(table[0]) == [*axes, "time", "final_loss", "loss", *(f"singular_values_{i}" for i in (1, 2, 3))]
    assert len(table) == 2 * 2 * 3
    assert {row["network.dims"] for row in table} == {"[3, 2, 3]", "[3, 4, 3]"}
    for row in table:
        if row["network.dims"] == "[3, 4, 3]":
            assert row["loss"] == "NaN"
            continue
        index = (0, int(float(row["network.seed"])) - 1)
        time = BASE["times"].index(float(row["time"]))
        assert float(row["final_loss"]) == found.final_loss[index]
        assert float(row["singular_values_2"]) == found.singular_values[*index, time, 1]
    read = loadmat(found.save(tmp_path / "s.mat"), simplify_cells=True)
    np.testing.assert_array_equal(read["data"]["loss"], found.loss)
    np.testing.assert_array_equal(read["coordinates"]["network"]["seed"], [1, 2])


def test_experiments_have_a_table_of_all_arrays(client, tmp_path):
    found = client.experiment("figure-4.4", lambdas=[-20.0, 20.0], trials=2).result()
    table = rows(found.save(tmp_path / "x.csv"))
    assert len(table) == 2 * 2 * 3  # lambdas, trials, and coefficients of the laws
    for row in table:
        index = [-20.0, 20.0].index(float(row["lambda"])), int(float(row["trial"]))
        assert float(row["steps"]) == found.steps[index]
        assert float(row["mean"]) == found["mean"][index[0]]


def test_fits(client, job_service, tmp_path):
    base = {name: value for name, value in BASE.items() if name != "times"}
    job = client.fit(base=base, observations=CURVE, free={"time_constant": (0.2, 20)}, models=["rich"])
    found = job.result()
    posted = answer(job_service, f"/v1/jobs/{job.id}/result")
    assert without_nulls(json.loads(found.save(tmp_path / "f.json").read_text())) == without_nulls(posted)
    table = rows(found.save(tmp_path / "f.csv"))
    assert (table[0]["model"], table[0]["parameter"]) == ("full", "time_constant")
    assert float(table[0]["estimate"]) == found.estimates["time_constant"]
    assert (float(table[0]["low"]), float(table[0]["high"])) == tuple(found.intervals["time_constant"])
    assert found.to_dataframe()["estimate"][0] == found.estimates["time_constant"]
    read = loadmat(found.save(tmp_path / "f.mat"), simplify_cells=True)
    np.testing.assert_array_equal(np.squeeze(read["models"][0]["fitted"]), found.full.fitted[0])
    with pytest.raises(lindyn.ArgumentError, match=r"ends with '.nc', expected .npz, .json, .csv or .mat"):
        found.save(tmp_path / "f.nc")
