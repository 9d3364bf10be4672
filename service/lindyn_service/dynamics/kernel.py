"""Neural tangent kernel of a linear network: a sum of Kronecker products, one for each layer.

K = sum_l A_l (x) X^T B_l^T B_l X with A_l = (W_L .. W_l+1)(W_L .. W_l+1)^T and B_l = W_l-1 .. W_1 (Jacot et al. 2018,
arXiv 1806.07572). Inner products of such sums need neither the kernel nor the samples, only X X^T.
"""

from functools import reduce
from itertools import combinations

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.modal_loss import times_root
from lindyn_service.dynamics.modal_weights import ModalWeights

_Term = tuple[Float[np.ndarray, "_ _ _"], Float[np.ndarray, "_ _ _"]]
"""Factors A and C of A (x) C, for each time, or for all times at once if they are constant."""

_Terms = list[_Term]

_Growth = tuple[Float[np.ndarray, " any_time"], Float[np.ndarray, " any_time"]]
"""Factor as an unevaluated sum of two numbers, since rounding their sum would affect small remainders."""

_LARGE_PROJECTION = 0.01  # of a remainder, squared and relative


def ntk(modal_weights: ModalWeights) -> Float[np.ndarray, "time out_sample out_sample"]:
    """Neural tangent kernel, (time, out P, out P); row o P + p belongs to output o of sample p.

    Without samples, X = sigma_xx^{1/2}, which is the identity for white inputs.

    Source: Jacot et al. (2018), arXiv 1806.07572; Braun et al. (2022), arXiv 2206.03738.
    """
    u, x = modal_weights.objective.u, modal_weights.objective.inputs
    size = len(u) * len(x)
    total = np.zeros((len(modal_weights.strengths), size, size))
    blocks = total.reshape(len(total), len(u), len(x), len(u), len(x))
    terms = [(u @ outer @ u.T, x @ inner @ x.T) for outer, inner in _grams(modal_weights)]
    # the identity factors of the first and the last layer also act on dimensions that the network does not use
    terms[-1] = np.eye(len(u))[None], terms[-1][1]
    terms[0] = terms[0][0], modal_weights.objective.inputs_gram[None]
    for outer, inner in terms:
        blocks += np.einsum("tab,tij->taibj", outer, inner)
    return total


def ntk_norm(modal_weights: ModalWeights) -> Float[np.ndarray, " time"]:
    """Frobenius norm of the kernel, by <A (x) C, B (x) D> = <A, B><C, D> for its Kronecker products."""
    return np.sqrt(_square(_weighted(modal_weights)))


def ntk_distance(modal_weights: ModalWeights) -> Float[np.ndarray, " time"]:
    """Kernel distance 1 - cos(K(0), K(t)), from 0 to 1; 0 if both kernels are zero or have a single entry.

    It is evaluated as sin^2 / (1 + cos), with the sine from the component of K(t) orthogonal to K(0), which avoids the
    cancellation in small distances.

    Source: Fort et al. (2020), arXiv 2010.15110; thesis section 4.2.
    """
    return _distance(modal_weights, *_with_changes(modal_weights))


def ntk_movement(modal_weights: ModalWeights) -> Float[np.ndarray, " time"]:
    """Relative movement ||K(t) - K(0)||_F / ||K(0)||_F without cancellation; 0 if the kernel at time 0 is zero.

    Source: Chizat et al. (2019), arXiv 1812.07956, relative change of the kernel.
    """
    return _movement(*_with_changes(modal_weights))


def movement_and_distance(
    modal_weights: ModalWeights,
) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
    """Both `ntk_movement` and `ntk_distance`, from the same terms of the kernel.

    Source: Chizat et al. (2019), arXiv 1812.07956; Fort et al. (2020), arXiv 2010.15110.
    """
    terms, start, changes = _with_changes(modal_weights)
    return _movement(terms, start, changes), _distance(modal_weights, terms, start, changes)


def _distance(modal_weights: ModalWeights, terms: _Terms, start: _Terms, changes: _Terms) -> Float[np.ndarray, " time"]:
    norm, start_norm = np.sqrt(_square(terms)), np.sqrt(_square(start))
    parallel, orthogonal = _split(terms, start, changes, 1.0)
    far = np.abs(parallel - 1) * start_norm > norm
    if np.any(far):
        # K itself is more accurate than the difference K - K_0 where it is smaller
        direct_along, direct_across = _split(terms, start, terms, 0.0)
        parallel, orthogonal = np.where(far, direct_along, parallel), np.where(far, direct_across, orthogonal)
    objective = modal_weights.objective
    if objective.best.size == len(objective.u) == 1 and not objective.rest_variance:
        orthogonal = np.zeros_like(orthogonal)
    cosine = np.minimum(_ratio(parallel * start_norm, norm), 1.0)
    distance = np.clip(_ratio(orthogonal, norm**2) / (1 + np.maximum(cosine, 0.0)), 0.0, 1.0)
    return np.where((norm > 0) & (start_norm > 0), distance, np.where(norm + start_norm > 0, 1.0, 0.0))


def _movement(terms: _Terms, start: _Terms, changes: _Terms) -> Float[np.ndarray, " time"]:
    moved = _difference(terms, start, changes, (np.zeros(1), np.zeros(1)), 1.0)
    return _ratio(np.sqrt(np.maximum(_square(moved), 0.0)), np.sqrt(_square(start)))


def _split(
    terms: _Terms, start: _Terms, moved: _Terms, kept: float
) -> tuple[Float[np.ndarray, " time"], Float[np.ndarray, " time"]]:
    """Coefficient of K_0 in the orthogonal projection of K on it, and the squared norm of the remainder.

    Args:
        terms: terms of K.
        start: terms of K_0.
        moved: A - kept A_0 and C - kept C_0 of each term.
        kept: 1 if `moved` contains the changes since time 0, 0 if it contains the terms of K.
    """
    growth, square = _along_largest(moved, start), _square(start)
    remainder = _difference(terms, start, moved, growth, kept)
    projection, rest = _ratio(_inner(remainder, start), square), _square(remainder)
    if np.any(projection**2 * square > _LARGE_PROJECTION * rest):
        # one term does not tell how the kernel changes; a remainder far larger than its orthogonal part loses digits
        growth = _sum(growth, projection)
        remainder = _difference(terms, start, moved, growth, kept)
        projection, rest = _ratio(_inner(remainder, start), square), _square(remainder)
    across = np.maximum(rest - projection**2 * square, 0.0)
    return kept + growth[0] + growth[1] + projection, across


def _sum(growth: _Growth, more: Float[np.ndarray, " time"]) -> _Growth:
    """Add a number to an unevaluated sum, without rounding.

    Source: Knuth (1997), The Art of Computer Programming, volume 2, section 4.2.2.
    """
    total = growth[0] + more
    part = total - growth[0]
    return total, growth[1] + ((growth[0] - (total - part)) + (more - part))


def _along_largest(moved: _Terms, start: _Terms) -> _Growth:
    """Relative change, along itself, of the trained factor of the largest term at time 0.

    There is one state at time 0, or one for each state if these belong to different networks.
    """
    sizes = np.array([_square([term]) for term in start])
    sides = [1 if layer == len(start) - 1 else 0 for layer in range(len(start))]
    growths = np.array([_along(m[side], s[side]) for m, s, side in zip(moved, start, sides, strict=True)])
    largest = np.broadcast_to(np.argmax(sizes, axis=0), growths.shape[-1])
    once, again = np.take_along_axis(growths, largest[None, None], axis=0)[0]
    return once, again


def _along(change: Float[np.ndarray, "_ _ _"], factor: Float[np.ndarray, "_ _ _"]) -> _Growth:
    """Coefficient of a factor in its change, and the correction of the rounding error of this coefficient."""
    square = np.einsum("tij,tij->t", factor, factor)
    once = _ratio(np.sum(change * factor, axis=(1, 2)), square)
    again = _ratio(np.sum((change - once[:, None, None] * factor) * factor, axis=(1, 2)), square)
    return once, again


def _difference(terms: _Terms, start: _Terms, moved: _Terms, growth: _Growth, kept: float) -> _Terms:
    """Difference K - g K_0 with g = kept + growth, as a sum of small terms.

    The terms are (A - g A_0) (x) C + g A_0 (x) (C - C_0), and A_0 (x) (C - g C_0) for the last layer, whose A is
    constant.
    """
    once, again = (g[:, None, None] for g in growth)
    terms_of_difference: _Terms = []
    for layer, (a_0, c_0) in enumerate(start[:-1]):
        c = terms[layer][1]
        change = moved[layer][1] if kept else c - c_0
        terms_of_difference += [(moved[layer][0] - once * a_0 - again * a_0, c), ((kept + once + again) * a_0, change)]
    a_0, c_0 = start[-1]
    return [*terms_of_difference, (a_0, moved[-1][1] - once * c_0 - again * c_0)]


def _with_changes(modal_weights: ModalWeights) -> tuple[_Terms, _Terms, _Terms]:
    """Terms at all times, those at time 0, and the differences of both."""
    terms, start = _weighted(modal_weights), _weighted(modal_weights.start)
    return terms, start, _changes(modal_weights, terms, start)


def _changes(modal_weights: ModalWeights, terms: _Terms, start: _Terms) -> _Terms:
    """Changes A - A_0 and C - C_0 of each term, from accurate changes of the Gram matrices if these are known."""
    if modal_weights.gram_changes is not None:
        out, into = modal_weights.gram_changes
        zeros = np.zeros((1, *into.shape[1:])), np.zeros((1, *out.shape[1:]))
        return _with_unseen(_with_inputs([(out, zeros[0]), (zeros[1], into)], modal_weights), 0.0, 0.0)
    return [(a - a_0, c - c_0) for (a, c), (a_0, c_0) in zip(terms, start, strict=True)]


def _ratio(numerator: Float[np.ndarray, "..."], denominator: Float[np.ndarray, "..."]) -> Float[np.ndarray, " time"]:
    """Quotient, with 0 where the denominator is zero."""
    quotient = np.zeros(np.broadcast_shapes(numerator.shape, denominator.shape))
    return np.divide(numerator, denominator, out=quotient, where=denominator > 0)


def _grams(modal_weights: ModalWeights) -> _Terms:
    """Factors A_l and B_l^T B_l in the singular bases of the task; empty products are identities."""
    n_out, rank = modal_weights.objective.best.shape
    last = len(modal_weights.layers) - 1
    terms: _Terms = []
    for layer in range(last + 1):
        above, below = np.eye(n_out)[None], np.eye(rank)[None]
        if layer < last:
            product = modal_weights.above(layer)
            above = product @ product.transpose(0, 2, 1)
        if layer:
            product = modal_weights.below(layer)
            below = product.transpose(0, 2, 1) @ product
        terms.append((above, below))
    if last == 0:  # the kernel of one layer is constant; repeat it for all times
        above, below = (np.repeat(factor, len(modal_weights.strengths), axis=0) for factor in terms[0])
        terms = [(above, below)]
    return terms


def _weighted(modal_weights: ModalWeights) -> _Terms:
    """Terms with C_l = (X X^T)^{1/2} B_l^T B_l (X X^T)^{1/2}, whose inner products are those over the samples."""
    objective, samples = modal_weights.objective, modal_weights.objective.samples
    weight = objective.rest_variance * (1 if samples is None else len(samples.inputs))
    out, into = (basis.shape[0] - basis.shape[1] for basis in (objective.u, objective.v))
    return _with_unseen(_with_inputs(_grams(modal_weights), modal_weights), np.sqrt(out), weight * np.sqrt(into))


def _with_unseen(terms: _Terms, output_norm: float, input_norm: float) -> _Terms:
    """Append a row and a column to the factors, which represent all dimensions that the network does not use.

    Only the identities are non-zero there, with the given norms.
    """
    padded, last = [(_padded(a), _padded(c)) for a, c in terms], len(terms) - 1
    padded[last][0][:, -1, -1] = output_norm
    padded[0][1][:, -1, -1] = input_norm
    return padded


def _padded(matrices: Float[np.ndarray, "time size size"]) -> Float[np.ndarray, "time larger larger"]:
    """Matrices with one more row and column of zeros; np.pad takes ten times as long for small ones."""
    n_times, size = matrices.shape[:2]
    padded = np.zeros((n_times, size + 1, size + 1))
    padded[:, :-1, :-1] = matrices
    return padded


def _with_inputs(terms: _Terms, modal_weights: ModalWeights) -> _Terms:
    root = modal_weights.objective.inputs_root
    return [(a, times_root(times_root(c, root).transpose(0, 2, 1), root)) for a, c in terms]


def _inner(first: _Terms, second: _Terms) -> Float[np.ndarray, " time"]:
    """Inner products of two sums of Kronecker products."""
    return reduce(np.add, [_product(one, other) for one in first for other in second])


def _square(terms: _Terms) -> Float[np.ndarray, " time"]:
    """Squared norms of a sum of Kronecker products."""
    mixed = [2 * _product(one, other) for one, other in combinations(terms, 2)]
    return reduce(np.add, mixed + [_product(term, term) for term in terms])


def _product(one: _Term, other: _Term) -> Float[np.ndarray, " time"]:
    """Inner products of two Kronecker products, <A, B><C, D>."""
    return np.einsum("tij,tij->t", one[0], other[0]) * np.einsum("tij,tij->t", one[1], other[1])
