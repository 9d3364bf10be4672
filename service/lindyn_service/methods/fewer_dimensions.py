"""Reduction of problems to the dimensions that their networks use, where this keeps the answer."""

from dataclasses import replace

from lindyn_service.dynamics.reduction import Reduction, reduction
from lindyn_service.dynamics.reduction import unreduced as trivial_reduction
from lindyn_service.methods.base import LearningProblem


def reduced(problem: LearningProblem, *, linear: bool = True) -> Reduction:
    """Reduce a problem with drawn weights to the dimensions that its network uses.

    Weights of the request are not reduced: an overlap of exactly zero would become a rounding error, which grows.

    Args:
        problem: problem of any network.
        linear: whether the hidden units are linear; nonlinear ones need samples.
    """
    if problem.drawn and problem.wide is None:
        smaller = reduction(problem.weights, problem.moments, linear=linear)
        if smaller.is_smaller:
            return smaller
    return unreduced(problem)


def unreduced(problem: LearningProblem) -> Reduction:
    """Keep all dimensions; layers that represent a wide hidden layer are given its width."""
    trivial = trivial_reduction(problem.weights, problem.moments)
    if problem.wide is None:
        return trivial
    return replace(trivial, widths=(trivial.widths[0], problem.wide.hidden, trivial.widths[-1]))


def layers_of(problem: LearningProblem) -> str:
    """Return the number of layers in words."""
    number = len(problem.weights)
    return "1 layer" if number == 1 else f"{number} layers"


def remark(problem: Reduction) -> str:
    """Return the part of an answer's reason about a reduction; empty if no dimension is left out."""
    if problem.widths[1:-1] != tuple(len(w) for w in problem.weights[:-1]) and not problem.is_smaller:
        return " of random weights in the limit of a wide hidden layer"
    if not problem.is_smaller:
        return ""
    widths = [problem.weights[0].shape[1], *(len(w) for w in problem.weights)]
    return f", in the {'-'.join(map(str, widths))} dimensions that weights and data span"
