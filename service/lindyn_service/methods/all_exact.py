"""Choice among the exact solvers: balanced and wide layers, modes that learn alone, and a single layer."""

from dataclasses import dataclass, replace

from lindyn_service.methods.balanced_decay import BalancedDecaySolver
from lindyn_service.methods.base import Applicable, LearningProblem, Method, Refusal
from lindyn_service.methods.exact import ExactSolver
from lindyn_service.methods.fewer_dimensions import reduced
from lindyn_service.methods.mode_wise import ModeWiseSolver
from lindyn_service.methods.one_layer import OneLayerRun


@dataclass(frozen=True)
class AllExactSolver:
    """The first of the exact solvers that covers a problem.

    Attributes:
        brief: whether a refusal has the finding of the first solver only, as in the reason of an answer by another
            method.
    """

    brief: bool = False

    def examine(self, problem: LearningProblem) -> Applicable | Refusal:
        """Try the solvers in order; a refusal has the findings of all of them and the remedy of the first.

        If the first solver refuses numbers that float64 cannot square, this is the only finding, since all solvers
        refuse them.
        """
        if len(problem.weights) == 1:
            return OneLayerRun(problem, reduced(problem))
        solvers: tuple[Method, ...] = (ExactSolver(), ModeWiseSolver())
        if problem.weight_decay:
            solvers = (ModeWiseSolver(), BalancedDecaySolver())
        refusals: list[Refusal] = []
        for solver in solvers:
            verdict = solver.examine(problem)
            if not isinstance(verdict, Refusal):
                return verdict
            refusals.append(verdict)
        findings = refusals[:1] if self.brief or refusals[0].exceeds_range else refusals
        return replace(refusals[0], finding="; ".join(refusal.finding for refusal in findings))
