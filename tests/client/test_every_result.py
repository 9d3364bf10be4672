"""What all results have in common: files, tables, labels, a picture, a card, and their provenance."""

import inspect
from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy.io import loadmat
from support.every_result import KINDS
from support.processes import Service

import lindyn
from lindyn.results.files import Saved

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_window")]

PARTS = {lindyn.Evaluation, lindyn.Statistics}
"""Parts of results, which are saved with the whole."""


@pytest.fixture(scope="module")
def client(job_service: Service) -> Iterator[lindyn.Client]:
    with lindyn.Client(job_service.url) as client:
        yield client


every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def classes() -> set[type]:
    """The public classes of results: those that have a card, without parts of others."""
    found = {getattr(lindyn, name) for name in lindyn.__all__}
    return {each for each in found if inspect.isclass(each) and hasattr(each, "_repr_html_")} - PARTS


def test_every_class_is_tested(client):
    assert {type(kind(client)) for kind in KINDS} == classes()
    assert all(issubclass(each, Saved) for each in classes())


@every_kind
def test_files(client, tmp_path, kind):
    """Each format can be written; what `load` does not read has the version, too, or is a table."""
    found = kind(client)
    assert set(found.formats) >= {".npz", ".json", ".csv", ".mat"}
    assert (".nc" in found.formats) == hasattr(found, "to_xarray")
    for suffix in found.formats:
        path = found.save(tmp_path / f"x{suffix}")
        assert path.stat().st_size > 0
    assert f'"version": "{found.version}"' in str(loadmat(tmp_path / "x.mat", simplify_cells=True)["metadata"])
    header, first, *_ = (tmp_path / "x.csv").read_text().splitlines()
    assert header
    assert first


@every_kind
def test_tables(client, kind):
    found = kind(client)
    table = found.to_dataframe()
    assert len(table) > 0
    name = table.columns[-1]
    if not any(character.isdigit() for character in name):
        assert name in found.to_dataframe(name)
    with pytest.raises(lindyn.UnknownNameError, match="'nothing' is not part of"):
        found.to_dataframe("nothing")


@every_kind
def test_labels(client, kind):
    found = kind(client)
    if isinstance(found, lindyn.Fit):
        assert not hasattr(found, "to_xarray")  # its curves have times of their own
        return
    labelled = found.to_xarray()
    assert labelled.attrs["source"] == f"lindyn {found.version}"
    assert labelled.attrs["title"]
    assert labelled.data_vars
    assert all(variable.attrs["long_name"] for variable in labelled.data_vars.values())


@every_kind
def test_pictures(client, kind):
    """`plot` draws without arguments, by a name, and into axes, and says what is wrong with other names."""
    found = kind(client)
    drawn = found.plot()
    figure = drawn.figure
    figure.canvas.draw()
    named = [figure.axes[0].get_xlabel(), *(tick.get_text() for tick in figure.axes[0].get_xticklabels())]
    assert any(any(map(str.isalpha, text)) for text in named) or isinstance(found, lindyn.Fit)
    with pytest.raises(lindyn.UnknownNameError, match="'nothing' is not part of"):
        found.plot("nothing")
    axes = plt.subplots()[1]
    with pytest.raises(lindyn.ArgumentError, match=r"got a value of type Axes .* write plot\(ax=...\)"):
        found.plot(axes)
    if not isinstance(found, lindyn.Fit):  # which has a figure of its own
        assert found.plot(ax=axes) is axes
    plt.close("all")


@every_kind
def test_cards_and_texts(client, kind):
    found = kind(client)
    name = type(found).__name__
    assert repr(found).startswith(f"<{name}")
    assert len(repr(found)) < 3000
    card = found._repr_html_()
    assert f"lindyn.{name}" in card
    assert found.version in card


@every_kind
def test_provenance(client, tmp_path, kind):
    found = kind(client)
    assert found.version == client.about()["version"]
    assert isinstance(list(found.warnings), list)
    loaded = lindyn.load(found.save(tmp_path / "x.npz"))
    assert (loaded.version, list(loaded.warnings)) == (found.version, list(found.warnings))


def test_warnings_of_comparisons(client, tmp_path):
    """Weights that are zero never learn, in theory and in training of linear networks."""
    zero = lindyn.weights(np.zeros((3, 3)), np.zeros((3, 3)))
    task = lindyn.regression(6, seed=1)
    found = client.compare(network=zero, task=task, learning_rate=0.01, steps=5, activations=[])
    (warning,) = [each for each in found.warnings if each.code == "saddle"]
    assert 1 <= warning.replicates <= 3
    assert "warning saddle of" in repr(found)
    assert "warning saddle of" in found._repr_html_()
    for ending in ("npz", "json", "nc"):
        assert list(lindyn.load(found.save(tmp_path / f"x.{ending}")).warnings) == list(found.warnings)


def test_parts_have_short_texts(client):
    ensemble = client.ensemble(
        base={"network": lindyn.balanced([3, 3, 3], lam=1.0), "task": np.eye(3), "times": np.linspace(0, 1, 500)},
        replicates=2,
    )
    assert repr(ensemble.loss) == "<Statistics: mean (500,), std (500,), quantiles (3, 500), standard_error (500,)>"
