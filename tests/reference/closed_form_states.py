"""Writes closed_form_states.json: observables of balanced networks from the definition of the solution, in 120 digits.

Run from anywhere: python tests/reference/closed_form_states.py (some seconds).
"""

import json
import sys
from pathlib import Path

import mpmath as mp
import numpy as np

sys.path.append(str(Path(__file__).parents[1]))

from support.problems import far_apart
from support.riccati import State, states

SEED, COUNT, WIDEST = 1, 100, 4
DIGITS = 20


def written(state: State) -> dict:
    """Output rounded to float64, and numbers in more digits than that."""
    numbers = {name: value for name, value in vars(state).items() if name != "output"}
    return {"output": state.output.tolist()} | {name: mp.nstr(value, DIGITS) for name, value in numbers.items()}


def case(problem, times) -> dict:
    """A problem and its states."""
    matrices = {name: getattr(problem, name).tolist() for name in ("w1", "w2", "sigma_yx")}
    true = states(problem.w1, problem.w2, problem.sigma_yx, problem.lam, times)
    return {**matrices, "lam": problem.lam, "times": times.tolist(), "states": [written(state) for state in true]}


if __name__ == "__main__":
    rng = np.random.default_rng(SEED)
    cases = [case(*far_apart(rng, WIDEST, [-1, 0, 1])) for _ in range(COUNT)]
    about = "P = Q Q^T from its definition in 120 digits and more, for tau = 1 and X = I; see tests/support/riccati.py"
    lines = ",\n".join(json.dumps(each) for each in cases)
    path = Path(__file__).with_suffix(".json")
    path.write_text(f'{{"about": {json.dumps(about)}, "cases": [\n{lines}\n]}}\n')
