"""Results of every kind, saved and loaded again."""

import json
from collections.abc import Iterator

import numpy as np
import pytest
from support.every_result import BASE, KINDS, comparison, comparison_of_given_weights
from support.processes import Service

import lindyn

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def client(job_service: Service) -> Iterator[lindyn.Client]:
    with lindyn.Client(job_service.url) as client:
        yield client


def archive(result, folder):
    """The contents of the npz file of a result, read with numpy."""
    with np.load(result.save(folder / "archive.npz"), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return json.loads(str(arrays.pop("metadata"))), arrays


@pytest.mark.parametrize("kind", KINDS)
def test_loaded_results_are_those_that_were_saved(client, tmp_path, kind):
    saved = kind(client)
    metadata, arrays = archive(saved, tmp_path)
    for ending in {".npz", ".nc", ".json"} & set(saved.formats):
        loaded = lindyn.load(saved.save(tmp_path / f"x{ending}"))
        assert type(loaded) is type(saved)
        found, numbers = archive(loaded, tmp_path)
        assert found == metadata, ending
        assert numbers.keys() == arrays.keys(), ending
        for name, array in arrays.items():
            assert (numbers[name].dtype, numbers[name].shape) == (array.dtype, array.shape), (ending, name)
            assert numbers[name].tobytes() == array.tobytes(), (ending, name)


def test_comparisons_are_tables(client, tmp_path):
    found = comparison(client)
    table = found.to_dataframe("relu")
    assert list(table) == ["seed", "time", "relu"]
    assert table[table["seed"] == 5]["relu"].tolist() == found.losses["relu"][1].tolist()
    assert found.save(tmp_path / "x.csv").read_text().splitlines()[0] == ",".join(["seed", "time", *found.losses])
    labelled = found.to_xarray()
    assert labelled["losses.relu"].sel(seed=5, time=found.times[-1]) == found.losses["relu"][1, -1]
    given = comparison_of_given_weights(client).to_dataframe()
    assert "seed" not in given
    assert len(given) == len(found.times)


def test_replies_in_json_are_loaded(job_service, tmp_path):
    """In each encoding that a shell may write a reply of the service in."""
    reply = job_service.post({**BASE, "quantities": ["loss"]}).json()
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        (tmp_path / "reply.json").write_text(json.dumps(reply), encoding=encoding)
        assert lindyn.load(tmp_path / "reply.json").loss.tolist() == reply["quantities"]["loss"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[1]", "holds a list"),
        ("{}", "holds no trajectory"),
        ('{"segments": 3}', "was not saved by lindyn"),
        ('{"key": "x", "times": [[1], 2]}', "was not saved by lindyn"),
        ('{"kind": "comparison", "learning_rate": 1}', "was not saved by lindyn"),
    ],
)
def test_other_json_is_refused(tmp_path, text, said):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ValueError, match=said):
        lindyn.load(tmp_path / "x.json")


@pytest.mark.parametrize("ending", [".csv", ".mat", ""])
def test_errors_name_the_formats_that_are_loaded(tmp_path, ending):
    with pytest.raises(lindyn.ArgumentError, match=r"expected .npz, .nc or .json"):
        lindyn.load(tmp_path / f"x{ending}")
