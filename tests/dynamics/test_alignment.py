"""Modes of equal strength count as one subspace: cases with known angles, rotations that change nothing, and NaN."""

from dataclasses import replace

import mpmath as mp
import numpy as np
import pytest

from lindyn_service.dynamics.alignment import alignment, equal_modes, mode_strengths
from lindyn_service.dynamics.initialization import balanced_weights
from lindyn_service.dynamics.modal_loss import objective, white_objective
from lindyn_service.dynamics.modal_weights import ModalWeights, modal_weights
from lindyn_service.dynamics.modes import modes
from lindyn_service.dynamics.riccati import solve
from lindyn_service.dynamics.tasks import Moments, from_data, semantic
from lindyn_service.dynamics.white_inputs import WhiteTask, white_task

EPS = np.finfo(float).eps
SIDES = ("input", "output")


def rotation(n, rng):
    q, r = np.linalg.qr(rng.standard_normal((n, n)))
    return q * np.sign(np.diagonal(r))


def matrix(u, s, v):
    return (u[:, : len(s)] * s) @ v[:, : len(s)].T


def frame_of(sigma_yx, *path):
    """Modal weights of layers at one time, or at several."""
    layers = path if isinstance(path[0], list) else [path]
    stacked = tuple(np.stack(each) for each in zip(*layers, strict=True))
    return modal_weights(objective(Moments(sigma_yx)), stacked, 1.0)


def scores(sigma_yx, w):
    """Alignments of a network function, factorised into two layers."""
    u, s, vt = np.linalg.svd(w, full_matrices=False)
    found = alignment(frame_of(sigma_yx, np.sqrt(s)[:, None] * vt, u * np.sqrt(s)))
    return {side: found[side][0] for side in SIDES}


def turned(basis, i, j, angle):
    """Rotate columns i and j of a basis in their plane."""
    rotated = basis.copy()
    rotated[:, i] = np.cos(angle) * basis[:, i] + np.sin(angle) * basis[:, j]
    rotated[:, j] = -np.sin(angle) * basis[:, i] + np.cos(angle) * basis[:, j]
    return rotated


TASK = np.array([3.0, 2.0, 2.0, 1.0, 1.0, 1.0])
GROUPS = [slice(0, 1), slice(1, 3), slice(3, 6)]
LEARNED = np.array([2.5, 1.9, 1.3, 0.8, 0.4, 0.2])


@pytest.mark.parametrize("equal", [False, True], ids=["network of distinct values", "network of equal ones"])
@pytest.mark.parametrize("seed", range(4))
def test_known_angles(seed, equal):
    """Rotating one vector of a group out of its span leaves cosines 1, .., 1, cos(angle) between the subspaces."""
    rng = np.random.default_rng(seed)
    u, v = rotation(9, rng), rotation(7, rng)
    a, b = rng.uniform(0, np.pi, 2)
    w = matrix(turned(u, 2, 7, a), TASK if equal else LEARNED, turned(v, 5, 6, b))
    found = scores(matrix(u, TASK, v), w)
    of_pair, of_three = np.sqrt((1 + np.cos(a) ** 2) / 2), np.sqrt((2 + np.cos(b) ** 2) / 3)
    assert np.allclose(found["output"], [1, of_pair, of_pair, 1, 1, 1, np.nan], rtol=1e-13, atol=0, equal_nan=True)
    assert np.allclose(
        found["input"], [1, 1, 1, of_three, of_three, of_three, np.nan], rtol=1e-13, atol=0, equal_nan=True
    )


@pytest.mark.parametrize("seed", range(4))
def test_rotations_between_two_groups(seed):
    """A vector rotated towards another group lowers both alignments; at a right angle two vectors are exchanged."""
    rng = np.random.default_rng(seed)
    u, v = rotation(6, rng), rotation(6, rng)
    angle = rng.uniform(0, np.pi / 2)
    for turn in (angle, np.pi / 2):
        found = scores(matrix(u, TASK, v), matrix(turned(u, 0, 4, turn), LEARNED, v))
        one, three = abs(np.cos(turn)), np.sqrt((2 + np.cos(turn) ** 2) / 3)
        assert np.allclose(found["output"], [one, 1, 1, three, three, three], atol=1e-15)
        assert np.allclose(found["input"], 1, rtol=1e-15, atol=0)


@pytest.mark.parametrize("seed", range(4))
def test_rotations_within_equal_modes_change_nothing(seed):
    """Neither rotations of the singular vectors of the task matter, nor those of the network."""
    rng = np.random.default_rng(seed)
    u, v = rotation(6, rng), rotation(8, rng)
    layers = rng.standard_normal((4, 6, 8)) / 3, rng.standard_normal((4, 6, 6)) / 3
    frame = modal_weights(objective(Moments(matrix(u, TASK, v))), layers, 1.0)
    for _ in range(3):
        first, second = np.eye(6), np.eye(8)
        for group in GROUPS:
            first[group, group] = second[group, group] = rotation(group.stop - group.start, rng)
        second[6:, 6:] = rotation(2, rng)
        same = replace(frame.objective, u=frame.objective.u @ first, v=frame.objective.v @ second)
        other = modal_weights(same, layers, 1.0)
        for side in SIDES:
            assert np.allclose(alignment(other)[side], alignment(frame)[side], rtol=1e-12, atol=0)
        assert np.allclose(mode_strengths(other), mode_strengths(frame), rtol=1e-12, atol=0)
    assert not np.allclose(
        np.diagonal(other.strengths, 0, 1, 2), np.diagonal(frame.strengths, 0, 1, 2), rtol=0.01, atol=0
    )


@pytest.mark.parametrize("dims", [(5, 4, 5), (6, 3, 4), (4, 7, 6), (5, 4, 6, 5)])
def test_exchange_of_the_layers_swaps_input_and_output(dims):
    rng = np.random.default_rng(1)
    u, v = rotation(dims[-1], rng), rotation(dims[0], rng)
    sigma_yx = matrix(u, np.array([2.0, 2.0, 1.0]), v)
    layers = [rng.standard_normal((1, n, m)) for n, m in zip(dims[1:], dims[:-1], strict=True)]
    one = modal_weights(objective(Moments(sigma_yx)), tuple(layers), 1.0)
    other = modal_weights(objective(Moments(sigma_yx.T)), tuple(w.mT for w in reversed(layers)), 1.0)
    first, second = alignment(one), alignment(other)
    assert np.isfinite(first["input"][0, :3]).all()
    for side, opposite in (SIDES, SIDES[::-1]):
        assert np.allclose(first[side], second[opposite], rtol=1e-12, atol=0, equal_nan=True)
    assert np.allclose(mode_strengths(one), mode_strengths(other), rtol=1e-12, atol=0)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("shape", [(3, 3), (4, 3), (3, 5)])
def test_different_modes_against_many_digits(shape, seed):
    """Plain inner products of singular vectors, from arithmetic with 40 digits."""
    rng = np.random.default_rng(seed)
    sigma_yx, w = rng.standard_normal(shape), rng.standard_normal(shape)
    found = scores(sigma_yx, w)
    with mp.workdps(40):
        # the thin decomposition of mpmath, the wider side second
        (u, s, vt), (u_t, _, vt_t) = (mp.svd_r(mp.matrix(each.tolist())) for each in (sigma_yx, w))
        for a in range(len(s)):
            left = abs(mp.fsum(u[i, a] * u_t[i, a] for i in range(shape[0])))
            right = abs(mp.fsum(vt[a, i] * vt_t[a, i] for i in range(shape[1])))
            assert np.isclose(found["output"][a], float(left), rtol=1e-12, atol=1e-13)
            assert np.isclose(found["input"][a], float(right), rtol=1e-12, atol=1e-13)


def projector(w, group):
    """Projector on the left singular vectors of these ranks, by eigenvectors of W W^T."""
    _, vectors = np.linalg.eigh(w @ w.T)
    kept = vectors[:, ::-1][:, group]
    return kept @ kept.T


@pytest.mark.parametrize("lam", [0.0, 2.0, 50.0])
def test_the_semantic_hierarchy_over_time(lam):
    """Its output modes are the features themselves, two, two and four of equal strength; from small random weights."""
    moments, rng = semantic(3), np.random.default_rng(11)
    white = white_task(moments, 1e-9)
    assert isinstance(white, WhiteTask)
    w1, w2 = balanced_weights((8, 8, 8), lam, 0.01, rng)
    solution = solve(w1, w2, white.sigma_yx, lam)
    times = np.linspace(0, 60, 1501) / 8
    factors = solution.at(times)
    frame = ModalWeights(white_objective(white, solution.modes, None), (factors.into.mT, factors.out), (8,), 1.0)
    found = alignment(frame)
    w = solution.modes.u @ frame.strengths @ solution.modes.v.T
    for group in (slice(0, 2), slice(2, 4), slice(4, 8)):
        for side, functions in (("output", w), ("input", w.mT)):
            values, size = found[side][:, group], group.stop - group.start
            assert np.array_equal(values, np.repeat(values[:, :1], size, axis=1))
            assert np.isfinite(values).all()
            basis = np.eye(8) if side == "output" else moments.sigma_yx.T / np.linalg.norm(moments.sigma_yx, axis=1)
            task = basis[:, group] @ basis[:, group].T
            for i in range(0, len(times), 50):
                expected = np.sqrt(np.trace(task @ projector(functions[i], group)) / size)
                assert np.isclose(values[i, 0], expected, atol=1e-6)
            # steps between neighbouring times are small, and the end is aligned
            assert np.max(np.abs(np.diff(values[5:, 0]))) < 0.05
            assert values[-1, 0] > 1 - 1e-3


def test_modes_of_rounding_at_the_end_of_learning():
    """A network that has learned equal modes has equal singular values, and the same subspaces."""
    rng = np.random.default_rng(5)
    u, v = rotation(6, rng), rotation(6, rng)
    sigma_yx = matrix(u, TASK, v)
    for _ in range(20):
        noise = EPS * rng.standard_normal((6, 6))
        for values in scores(sigma_yx, sigma_yx + noise).values():
            assert np.allclose(values, 1, rtol=1e-13, atol=0)


@pytest.mark.parametrize(
    ("learned", "known"),
    [
        ([3, 2, 2, 1, 1, 1], [1, 1, 1, 1, 1, 1]),
        ([2, 2, 1, 0.5, 0.4, 0.3], [0, 0, 0, 1, 1, 1]),
        ([3, 2, 1, 1, 0.4, 0.3], [1, 0, 0, 0, 0, 0]),
        ([3, 2, 1, 0.5, 0.4, 0], [1, 1, 1, 0, 0, 0]),
        ([3, 2, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]),
        ([3, 2, 1, 0.5, 0.4, 1e-17], [1, 1, 1, 0, 0, 0]),
        ([3, 3, 3, 3, 3, 3], [0, 0, 0, 0, 0, 0]),
        ([0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]),
        ([1e-130, 9e-131, 8e-131, 7e-131, 6e-131, 5e-131], [1, 1, 1, 1, 1, 1]),
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", range(3))
def test_nan_where_the_network_has_no_such_subspace(learned, known, seed):
    rng = np.random.default_rng(seed)
    u, v, other, another = (rotation(6, rng) for _ in range(4))
    found = scores(matrix(u, TASK, v), matrix(other, np.array(learned, float), another))
    for side in SIDES:
        assert np.array_equal(np.isfinite(found[side]), np.array(known, bool))


def test_layers_that_cancel():
    """W2 W1 = 0 up to rounding errors of layers of order one, whose singular vectors are meaningless."""
    rng = np.random.default_rng(2)
    q = rotation(6, rng)
    w1, w2 = rng.standard_normal((3, 4)), rng.standard_normal((5, 3))
    w1, w2 = q[:, :3] @ w1, w2 @ q[:, 3:].T
    assert 0 < np.linalg.norm(w2 @ w1) < 1e-14
    found = alignment(frame_of(rng.standard_normal((5, 4)), w1, w2))
    assert np.isnan(found["input"]).all()
    assert np.isnan(found["output"]).all()


def test_modes_of_strength_zero_are_excluded():
    """Their left and right singular vectors are not paired, so that signs and rotations of each side do not matter."""
    rng = np.random.default_rng(3)
    u, v = rotation(5, rng), rotation(4, rng)
    layers = rng.standard_normal((2, 4, 4)), rng.standard_normal((2, 5, 4))
    for strengths in ([2.0, 1.0], [2.0, 1.0, 1e-17]):
        frame = modal_weights(objective(Moments(matrix(u, np.array(strengths), v))), layers, 1.0)
        found = alignment(frame)
        for side in SIDES:
            assert np.array_equal(np.isfinite(found[side]), [[True, True, False, False]] * 2)
        assert np.all(mode_strengths(frame)[:, :2] != 0)
        assert np.array_equal(mode_strengths(frame)[:, 2:], np.zeros((2, 2)))


def test_a_task_without_anything_to_learn():
    frame = frame_of(np.zeros((3, 2)), np.eye(2), np.eye(3, 2))
    assert np.isnan(alignment(frame)["output"]).all()
    assert np.array_equal(mode_strengths(frame), [[0.0, 0.0]])


def test_inputs_on_a_subspace():
    """They span two of four dimensions: two modes of equal strength have alignments, and the others have none."""
    rng = np.random.default_rng(4)
    inputs = rng.standard_normal((2, 2)) @ np.eye(2, 4)
    moments = from_data(inputs, np.eye(2, 3), whiten=True)
    white = white_task(moments, 1e-9)
    assert isinstance(white, WhiteTask)
    assert white.basis is not None
    found = white_objective(white, modes(white.sigma_yx, 0.0), moments.samples)
    layers = rng.standard_normal((1, 3, 2)), rng.standard_normal((1, 3, 3))
    for frame in (
        ModalWeights(found, layers, (3,), 1.0),
        modal_weights(objective(moments), (layers[0] @ found.v.T, found.u @ layers[1]), 1.0),
    ):
        assert equal_modes(frame.objective) == [slice(0, 2)]
        for values in alignment(frame).values():
            assert np.array_equal(np.isnan(values), [[False, False, True]])
        assert mode_strengths(frame)[0, 2] == 0


@pytest.mark.parametrize(
    ("s", "sizes"),
    [
        ([3, 2, 1], [1, 1, 1]),
        ([3, 3 - 1e-12, 1], [1, 1, 1]),
        ([3, 3 - 3e-14, 1], [2, 1]),
        ([3, 3, 3], [3]),
        ([3 + 4e-14 * i for i in range(7, 0, -1)], [7]),
        ([1e-70, 1e-70 * (1 - 1e-15), 1e-71], [2, 1]),
        ([3, 1e-14, 0], [1]),
        ([3, 1.0, 1e-17], [1, 1]),
        ([3, 3.5e-13, 2.5e-13, 1e-17], [1]),
        ([0, 0], []),
    ],
    ids=str,
)
def test_which_modes_are_equal(s, sizes):
    """Up to 128 n eps of the largest; a chain is one group, and one that reaches zero is none."""
    n = len(s)
    basis = replace(modes(np.eye(n), 0.0), s=np.array(s, float))
    groups = equal_modes(white_objective(WhiteTask(np.eye(n), 1.0, None, None, 0.0), basis, None))
    assert [group.stop - group.start for group in groups] == sizes
    assert groups == [] or groups[0].start == 0


@pytest.mark.parametrize("n", [2, 8, 40])
@pytest.mark.parametrize("seed", range(10))
def test_rounding_of_a_task_keeps_its_equal_modes_together(n, seed):
    """Rounding of a product, of data, of whitened data, and of a white task divided by the variance."""
    rng = np.random.default_rng(seed)
    s = np.repeat([1.0, 0.3], [n - n // 2, n // 2])
    sigma_yx = matrix(rotation(n, rng), s, rotation(n, rng))
    columns = np.linalg.qr(rng.standard_normal((20 * n, n)))[0] * np.sqrt(20 * n)
    mixed = columns @ matrix(rotation(n, rng), np.geomspace(1, 1e-3, n), rotation(n, rng))
    white = white_task(Moments(0.125 * sigma_yx, 0.125 * np.eye(n)), 1e-9)
    assert isinstance(white, WhiteTask)
    for found in (
        objective(Moments(sigma_yx)),
        objective(from_data(columns, columns @ sigma_yx.T, whiten=False)),
        objective(from_data(mixed, columns @ sigma_yx.T, whiten=True)),
        white_objective(white, modes(white.sigma_yx, 1.0), None),
    ):
        assert [group.stop - group.start for group in equal_modes(found)] == [n - n // 2, n // 2]


def test_strengths_of_equal_modes_are_their_mean():
    """The trace over a group is invariant under rotations."""
    rng = np.random.default_rng(6)
    u, v = rotation(6, rng), rotation(6, rng)
    layers = rng.standard_normal((3, 4, 6)), rng.standard_normal((3, 6, 4))
    found = mode_strengths(modal_weights(objective(Moments(matrix(u, TASK, v))), layers, 1.0))
    w = layers[1] @ layers[0]
    for group in GROUPS:
        traces = np.einsum("oa,toi,ia->t", u[:, group], w, v[:, group])
        expected = np.repeat(traces[:, None], group.stop - group.start, axis=1) / (group.stop - group.start)
        assert np.allclose(found[:, group], expected, rtol=1e-12, atol=0)
