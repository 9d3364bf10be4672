"""Which problems are solved in fewer dimensions than they have."""

from dataclasses import replace

from lindyn_service.dynamics.reduction import Reduction, reduction
from lindyn_service.dynamics.reduction import unreduced as trivial_reduction
from lindyn_service.methods.base import LearningProblem


def reduced(problem: LearningProblem, *, linear: bool = True) -> Reduction:
    """The problem without the dimensions that its network never uses.

    Given weights stay as they are: an overlap of exactly zero would become a rounding error, which grows.

    Args:
        problem: of any network.
        linear: whether the hidden units are; others need samples.
    """
    if problem.drawn and problem.wide is None:
        found = reduction(problem.weights, problem.moments, linear=linear)
        if found.is_smaller:
            return found
    return unreduced(problem)


def unreduced(problem: LearningProblem) -> Reduction:
    """The problem as it is; layers that stand for wide ones have the width of these."""
    small = trivial_reduction(problem.weights, problem.moments)
    if problem.wide is None:
        return small
    return replace(small, widths=(small.widths[0], problem.wide.hidden, small.widths[-1]))


def layers_of(problem: LearningProblem) -> str:
    """How many layers a network has, in words."""
    number = len(problem.weights)
    return "1 layer" if number == 1 else f"{number} layers"


def remark(small: Reduction) -> str:
    """What the reason of an answer says about it; nothing where no dimension is left out."""
    if small.widths[1:-1] != tuple(len(w) for w in small.weights[:-1]) and not small.is_smaller:
        return " of random weights in the limit of a wide hidden layer"
    if not small.is_smaller:
        return ""
    widths = [small.weights[0].shape[1], *(len(w) for w in small.weights)]
    return f", in the {'-'.join(map(str, widths))} dimensions that weights and data span"
