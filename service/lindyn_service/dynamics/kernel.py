"""The neural tangent kernel of a linear network: a sum of Kronecker products, one for each layer.

K = sum_l A_l (x) X^T B_l^T B_l X with A_l = (W_L .. W_l+1)(W_L .. W_l+1)^T and B_l = W_l-1 .. W_1 (Jacot et al. 2018,
arXiv 1806.07572). Inner products of such sums need neither the kernel nor the samples, only X X^T.
"""

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.modal_loss import times_root
from lindyn_service.dynamics.modal_weights import ModalWeights

_Terms = list[tuple[Float[np.ndarray, "_ _ _"], Float[np.ndarray, "_ _ _"]]]
"""A and C of each A (x) C, for each time or, where no layer is left, for all times."""

_Growth = tuple[Float[np.ndarray, " any_time"], Float[np.ndarray, " any_time"]]
"""A factor in two parts, since their sum has rounding errors that matter to what is left."""


def ntk(frame: ModalWeights) -> Float[np.ndarray, "time out_sample out_sample"]:
    """The kernel itself, (time, out P, out P); row o P + p belongs to output o of sample p.

    Without samples X = sigma_xx^{1/2}, the identity for white inputs.

    Source: Jacot et al. (2018), arXiv 1806.07572; Braun et al. (2022), arXiv 2206.03738.
    """
    u, x = frame.objective.u, frame.objective.inputs
    size = len(u) * len(x)
    total = np.zeros((len(frame.strengths), size, size))
    blocks = total.reshape(len(total), len(u), len(x), len(u), len(x))
    terms = [(u @ outer @ u.T, x @ inner @ x.T) for outer, inner in _grams(frame)]
    # where no layer is left, dimensions that the network does not see count, too
    terms[-1] = np.eye(len(u))[None], terms[-1][1]
    terms[0] = terms[0][0], frame.objective.inputs_gram[None]
    for outer, inner in terms:
        blocks += np.einsum("tab,tij->taibj", outer, inner)
    return total


def ntk_norm(frame: ModalWeights) -> Float[np.ndarray, " time"]:
    """Frobenius norm of the kernel.

    Source: inner products of Kronecker products, <A (x) C, B (x) D> = <A, B><C, D>.
    """
    terms = _weighted(frame)
    return np.sqrt(_inner(terms, terms))


def ntk_distance(frame: ModalWeights) -> Float[np.ndarray, " time"]:
    """1 - cos(K(0), K(t)), between 0 and 1; 0 between two kernels that are zero, or of a single entry.

    It is sin^2 / (1 + cos), where the sine comes from the part of K(t) that is orthogonal to K(0), so that small
    distances are no differences of numbers near 1.

    Source: Fort et al. (2020), arXiv 2010.15110; thesis section 4.2.
    """
    return _distance(frame, *_with_changes(frame))


def ntk_movement(frame: ModalWeights) -> Float[np.ndarray, " time"]:
    """||K(t) - K(0)||_F / ||K(0)||_F, free of cancellation; 0 where the kernel at time 0 is zero.

    Source: Chizat et al. (2019), arXiv 1812.07956, relative change of the kernel.
    """
    return _movement(*_with_changes(frame))


def movement_and_distance(
    frame: ModalWeights,
) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
    """Both `ntk_movement` and `ntk_distance`, from the same terms of the kernel.

    Source: as for these.
    """
    terms, start, changes = _with_changes(frame)
    return _movement(terms, start, changes), _distance(frame, terms, start, changes)


def _distance(frame: ModalWeights, terms: _Terms, start: _Terms, changes: _Terms) -> Float[np.ndarray, " time"]:
    norm, start_norm = np.sqrt(_inner(terms, terms)), np.sqrt(_inner(start, start))
    along, across = _split(terms, start, changes, 1.0)
    far = np.abs(along - 1) * start_norm > norm
    if np.any(far):
        # where K is smaller than K - K_0, it is better known than that difference
        own_along, own_across = _split(terms, start, terms, 0.0)
        along, across = np.where(far, own_along, along), np.where(far, own_across, across)
    found = frame.objective
    if found.best.size == len(found.u) == 1 and not found.rest_variance:
        across = np.zeros_like(across)
    cosine = np.minimum(_ratio(along * start_norm, norm), 1.0)
    distance = np.clip(_ratio(across, norm**2) / (1 + np.maximum(cosine, 0.0)), 0.0, 1.0)
    return np.where((norm > 0) & (start_norm > 0), distance, np.where(norm + start_norm > 0, 1.0, 0.0))


def _movement(terms: _Terms, start: _Terms, changes: _Terms) -> Float[np.ndarray, " time"]:
    moved = _less(terms, start, changes, (np.zeros(1), np.zeros(1)), 1.0)
    return _ratio(np.sqrt(np.maximum(_inner(moved, moved), 0.0)), np.sqrt(_inner(start, start)))


def _split(
    terms: _Terms, start: _Terms, moved: _Terms, kept: float
) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
    """How many times K_0 is in K, and the squared norm of what else is in it.

    Args:
        terms: of K.
        start: of K_0.
        moved: A - kept A_0 and C - kept C_0 of each term.
        kept: 1 or 0.
    """
    growth = _along_largest(moved, start)
    rest, square = _less(terms, start, moved, growth, kept), _inner(start, start)
    beside = _ratio(_inner(rest, start), square)
    return kept + growth[0] + growth[1] + beside, np.maximum(_inner(rest, rest) - beside**2 * square, 0.0)


def _along_largest(moved: _Terms, start: _Terms) -> _Growth:
    """How much the largest term at time 0 moves along itself, by its factor that trains: most of what K does.

    The states at time 0 are one, or one for each state: those of a block are of different networks.
    """
    sizes = np.array([_inner([term], [term]) for term in start])
    sides = [1 if layer == len(start) - 1 else 0 for layer in range(len(start))]
    growths = np.array([_along(m[side], s[side]) for m, s, side in zip(moved, start, sides, strict=True)])
    largest = np.broadcast_to(np.argmax(sizes, axis=0), growths.shape[-1])
    once, again = np.take_along_axis(growths, largest[None, None], axis=0)[0]
    return once, again


def _along(change: Float[np.ndarray, "_ _ _"], factor: Float[np.ndarray, "_ _ _"]) -> _Growth:
    """The multiple of a factor that is in its change, and what rounding left of it."""
    square = np.einsum("tij,tij->t", factor, factor)
    once = _ratio(np.sum(change * factor, axis=(1, 2)), square)
    again = _ratio(np.sum((change - once[:, None, None] * factor) * factor, axis=(1, 2)), square)
    return once, again


def _less(terms: _Terms, start: _Terms, moved: _Terms, growth: _Growth, kept: float) -> _Terms:
    """K - g K_0 with g = kept + growth, as a sum of small terms.

    They are (A - g A_0) (x) C + g A_0 (x) (C - C_0), and for the last layer, whose A stays, A_0 (x) (C - g C_0).
    """
    once, again = (each[:, None, None] for each in growth)
    found: _Terms = []
    for layer, (a_0, c_0) in enumerate(start[:-1]):
        c = terms[layer][1]
        change = moved[layer][1] if kept else c - c_0
        found += [(moved[layer][0] - once * a_0 - again * a_0, c), ((kept + once + again) * a_0, change)]
    a_0, c_0 = start[-1]
    return [*found, (a_0, moved[-1][1] - once * c_0 - again * c_0)]


def _with_changes(frame: ModalWeights) -> tuple[_Terms, _Terms, _Terms]:
    """The terms at all times, those at time 0, and the differences of both."""
    terms, start = _weighted(frame), _weighted(frame.start)
    return terms, start, _changes(frame, terms, start)


def _changes(frame: ModalWeights, terms: _Terms, start: _Terms) -> _Terms:
    """A - A_0 and C - C_0 of each term, from what is known better than the difference where there is such."""
    if frame.gram_changes is not None:
        out, into = frame.gram_changes
        nothing = np.zeros((1, *into.shape[1:])), np.zeros((1, *out.shape[1:]))
        return _with_unseen(_with_inputs([(out, nothing[0]), (nothing[1], into)], frame), 0.0, 0.0)
    return [(a - a_0, c - c_0) for (a, c), (a_0, c_0) in zip(terms, start, strict=True)]


def _ratio(numerator: Float[np.ndarray, "..."], denominator: Float[np.ndarray, "..."]) -> Float[np.ndarray, " time"]:
    """The quotient, 0 where the denominator is zero."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    return np.divide(numerator, denominator, out=np.zeros(numerator.shape), where=denominator > 0)


def _grams(frame: ModalWeights) -> _Terms:
    """A_l and B_l^T B_l in the singular bases of the task; the identity where no layer is left."""
    n_out, rank = frame.objective.best.shape
    last = len(frame.layers) - 1
    terms: _Terms = []
    for layer in range(last + 1):
        above, below = np.eye(n_out)[None], np.eye(rank)[None]
        if layer < last:
            product = frame.above(layer)
            above = product @ product.transpose(0, 2, 1)
        if layer:
            product = frame.below(layer)
            below = product.transpose(0, 2, 1) @ product
        terms.append((above, below))
    if last == 0:  # the kernel of one layer stays, and is asked for at all times
        above, below = (np.repeat(each, len(frame.strengths), axis=0) for each in terms[0])
        terms = [(above, below)]
    return terms


def _weighted(frame: ModalWeights) -> _Terms:
    """The terms with (X X^T)^{1/2} B_l^T B_l (X X^T)^{1/2}, whose inner products are those over the samples."""
    found, samples = frame.objective, frame.objective.samples
    weight = found.rest_variance * (1 if samples is None else len(samples.inputs))
    out, into = (each.shape[0] - each.shape[1] for each in (found.u, found.v))
    return _with_unseen(_with_inputs(_grams(frame), frame), np.sqrt(out), weight * np.sqrt(into))


def _with_unseen(terms: _Terms, of_outputs: float, of_inputs: float) -> _Terms:
    """Give the terms one more row and column for all dimensions that the network does not see.

    Only the identities have parts there, whose norms are these.
    """
    found, last = [(_padded(a), _padded(c)) for a, c in terms], len(terms) - 1
    found[last][0][:, -1, -1] = of_outputs
    found[0][1][:, -1, -1] = of_inputs
    return found


def _padded(matrices: Float[np.ndarray, "time size size"]) -> Float[np.ndarray, "time larger larger"]:
    """Matrices with one more row and column of zeros; np.pad takes ten times as long for small ones."""
    n_times, size = matrices.shape[:2]
    found = np.zeros((n_times, size + 1, size + 1))
    found[:, :-1, :-1] = matrices
    return found


def _with_inputs(terms: _Terms, frame: ModalWeights) -> _Terms:
    root = frame.objective.inputs_root
    return [(a, times_root(times_root(c, root).transpose(0, 2, 1), root)) for a, c in terms]


def _inner(first: _Terms, second: _Terms) -> Float[np.ndarray, " time"]:
    products = [
        np.einsum("tij,tij->t", *np.broadcast_arrays(a, b)) * np.einsum("tij,tij->t", *np.broadcast_arrays(c, d))
        for a, c in first
        for b, d in second
    ]
    return np.sum(np.broadcast_arrays(*products), axis=0)
