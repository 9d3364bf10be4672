"""Which problems are solved in fewer dimensions than they have."""

from lindyn_service.dynamics.reduction import Reduction, reduction, unreduced
from lindyn_service.methods.base import LearningProblem


def reduced(problem: LearningProblem, *, linear: bool = True) -> Reduction:
    """The problem without the dimensions that its network never uses.

    Given weights stay as they are: an overlap of exactly zero would become a rounding error, which grows.

    Args:
        problem: of any network.
        linear: whether the hidden units are; others need samples.
    """
    if problem.drawn:
        found = reduction(problem.weights, problem.moments, linear=linear)
        if found.is_smaller:
            return found
    return unreduced(problem.weights, problem.moments)


def remark(small: Reduction) -> str:
    """What the reason of an answer says about it; nothing where no dimension is left out."""
    if not small.is_smaller:
        return ""
    widths = [small.weights[0].shape[1], *(len(w) for w in small.weights)]
    return f", in the {'-'.join(map(str, widths))} dimensions that weights and data span"
