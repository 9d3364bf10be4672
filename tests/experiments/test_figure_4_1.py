"""The semantic task against its hierarchy written out."""

import numpy as np
import pytest
from support.experiments import computed, drawn
from support.flow import features_of_hierarchy

from lindyn_service.experiments.figure_4_1 import EXPERIMENT


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_decomposition(levels):
    table = computed(EXPERIMENT, levels=levels)
    features = features_of_hierarchy(levels).T
    np.testing.assert_allclose(table.values("features"), features, rtol=0, atol=1e-14)
    u, s, v = (table.values(name) for name in ("feature_modes", "singular_values", "item_modes"))
    np.testing.assert_allclose((u.T * s) @ v, features, rtol=0, atol=1e-13)
    np.testing.assert_allclose(u @ u.T, np.eye(2**levels), rtol=0, atol=1e-13)
    # features are orthogonal: singular values are their norms
    np.testing.assert_allclose(s, np.sort(np.linalg.norm(features, axis=1))[::-1], rtol=1e-13)


@pytest.mark.parametrize("levels", [2, 3])
def test_modes_are_the_features(levels):
    """Each mode is one feature and its division of the items, though several are equally strong."""
    table = computed(EXPERIMENT, levels=levels)
    items, of_features = table.values("item_modes"), table.values("feature_modes")
    for mode, feature in zip(items, features_of_hierarchy(levels).T, strict=True):
        np.testing.assert_allclose(mode, feature / np.linalg.norm(feature), rtol=0, atol=1e-15)
    assert np.array_equal(of_features, np.eye(2**levels))


def test_similarities_are_the_positive_roots():
    table, features = computed(EXPERIMENT), features_of_hierarchy(3).T
    for name, square in (("item_similarity", features.T @ features), ("feature_similarity", features @ features.T)):
        root = table.values(name)
        np.testing.assert_allclose(root @ root, square, rtol=0, atol=1e-12)
        assert np.min(np.linalg.eigvalsh(root)) > 1


def test_picture():
    table = computed(EXPERIMENT)
    panels = [axes for axes in drawn(EXPERIMENT, table).axes if axes.get_label() != "<colorbar>"]
    np.testing.assert_array_equal(panels[0].images[0].get_array(), table.values("features"))
    np.testing.assert_array_equal(panels[1].lines[0].get_ydata(), table.values("singular_values"))
    assert panels[0].images[0].get_extent() == [0.5, 8.5, 8.5, 0.5]


@pytest.mark.figures
def test_published_values():
    table, root = computed(EXPERIMENT), np.sqrt(2)
    np.testing.assert_allclose(table.values("singular_values"), [2 * root] * 2 + [2] * 2 + [root] * 4, rtol=1e-14)
