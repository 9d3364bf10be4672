"""Functions that build networks and tasks, also from objects of other libraries."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from pydantic import TypeAdapter
from sklearn.datasets import load_digits

import lindyn
from lindyn.arrays import as_tree
from lindyn.wire.network import Network
from lindyn.wire.task import Task

NETWORK, TASK = TypeAdapter(Network), TypeAdapter(Task)
W1, W2 = np.ones((2, 3)), np.ones((4, 2))


class Tensor:
    """A tensor of torch with gradients, which numpy cannot read before `detach` and `cpu`."""

    def __init__(self, array, ready=()):
        self._array, self._ready, self.ndim = array, ready, array.ndim

    def detach(self):
        return Tensor(self._array, (*self._ready, "detach"))

    def cpu(self):
        return Tensor(self._array, (*self._ready, "cpu"))

    def __array__(self, dtype=None, copy=None):
        if self._ready != ("detach", "cpu"):
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        return self._array


class Module:
    """A module as torch.nn.Module, with parameters and children."""

    def parameters(self):
        raise AssertionError("not needed")

    def children(self):
        return iter(())


class Linear(Module):
    def __init__(self, weight, bias=None):
        self.weight, self.bias = Tensor(weight), bias


class Identity(Module):
    pass


class ReLU(Module):
    pass


class LayerNorm(Module):
    weight = Tensor(np.ones(3))


class Sequential(Module):
    def __init__(self, *layers):
        self._layers = layers

    def children(self):
        return iter(self._layers)


def test_networks():
    assert lindyn.balanced((2, 3, 4), lam=1.5) == {
        "kind": "balanced", "dims": [2, 3, 4], "lambda": 1.5, "scale": 1.0, "aligned": False,
    }  # fmt: skip
    assert lindyn.balanced([2, 3, 4], lam=1, seed=7)["seed"] == 7
    assert NETWORK.validate_python(lindyn.balanced([2, 3, 4], lam=1, scale=0.1, aligned=True, seed=7)).lam == 1
    assert NETWORK.validate_python(lindyn.random([2, 3, 4, 5], "he", gain=[1, 2, 3])).gains == [1, 2, 3]
    assert NETWORK.validate_python(lindyn.random([2, 3, 4])).scheme == "lecun"


@pytest.mark.parametrize(
    "layers",
    [
        (W1, W2),
        (W1.tolist(), Tensor(W2)),
        (Linear(W1), Linear(W2)),
        (Sequential(Linear(W1), Identity(), Linear(W2)),),
        (Sequential(Sequential(Linear(W1)), Linear(W2)),),
        (pd.DataFrame(W1), scipy.sparse.csr_array(W2)),
        ([W1, W2],),
        ([Linear(W1), Tensor(W2)],),
    ],
    ids=["arrays", "lists and tensors", "layers", "sequential", "nested", "frames and sparse", "a list", "mixed list"],
)
def test_weights_of_many_kinds(layers):
    found = lindyn.weights(*layers)
    assert found["kind"] == "weights"
    for matrix, expected in zip(found["weights"], (W1, W2), strict=True):
        np.testing.assert_array_equal(matrix, expected)
    assert NETWORK.validate_python(found).dims == (3, 2, 4)


def test_nonlinear_layers_are_refused():
    with pytest.raises(ValueError, match=r"with a bias.* use bias=False"):
        lindyn.weights(Linear(W1, bias=Tensor(np.ones(2))))
    with pytest.raises(ValueError, match="layer ReLU, which is not linear"):
        lindyn.weights(Sequential(Linear(W1), ReLU()))
    with pytest.raises(ValueError, match="layer LayerNorm, which is not linear"):
        lindyn.weights(LayerNorm())


def test_tasks():
    assert TASK.validate_python(lindyn.regression(10, seed=1)).samples == 10
    assert TASK.validate_python(lindyn.semantic(levels=2)).levels == 2
    assert TASK.validate_python(lindyn.spectrum([2, 1], seed=1)).singular_values.tolist() == [2, 1]


def test_data_of_many_kinds():
    inputs, labels = load_digits(return_X_y=True)
    task = TASK.validate_python(lindyn.data(inputs, lindyn.one_hot(labels)))
    assert task.targets.shape == (1797, 10)
    assert task.whiten
    np.testing.assert_array_equal(task.targets.argmax(axis=1), labels)
    named = lindyn.one_hot(["cat", "dog", "cat"])
    assert named.tolist() == [[1, 0], [0, 1], [1, 0]]
    column = lindyn.data(scipy.sparse.csr_matrix(W1), np.array([1.0, 2.0]), whiten=False)
    assert TASK.validate_python(column).targets.tolist() == [[1], [2]]
    np.testing.assert_array_equal(column["inputs"], W1)
    with pytest.raises(ValueError, match=r"got targets of type int64, which look like labels.* use lindyn.one_hot"):
        lindyn.data(inputs, labels)


def test_a_list_that_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(lindyn.ArgumentError, match=r"^singular_values: has too many lists or mappings"):
        as_tree("singular_values", endless)
