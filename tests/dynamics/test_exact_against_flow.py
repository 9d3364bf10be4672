"""The closed form and the integration of the flow are one trajectory, up to what the conditioning reports."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.oracle import qqt, relative_error
from support.problems import drawn, qqt_at

from lindyn_service.dynamics.flow import Flow
from lindyn_service.dynamics.gauge import true_weights
from lindyn_service.dynamics.reach import reach

EPS = np.finfo(float).eps
RTOL = 1e-11


def integrated(problem, times):
    """w1 and w2 at the times, in one batch."""
    weights = (problem.w1, problem.w2)
    largest = max(np.max(np.abs(w)) for w in weights)
    flow = Flow(weights, problem.sigma_yx, None, rtol=RTOL, atol=RTOL * largest)
    [(_, layers)] = flow.batches(times)
    return layers


def doubt(problem, phase):
    """Relative error that rounding of the weights explains, as `reach` reports it."""
    known = reach(problem.solve())
    overlap = 0.0 if known.smallest_overlap is None else 1 / known.smallest_overlap
    # what has no overlap still has that of a rounding error, which grows while all else decays
    return overlap + (EPS * np.exp(2 * phase) if known.missed else 0.0)


@settings(max_examples=60, deadline=None)
@given(problem=drawn(largest=6), phases=st.lists(st.floats(0, 12), min_size=1, max_size=3).map(sorted))
def test_representations(problem, phases):
    assume(problem.rate > 0)
    allowed = doubt(problem, phases[-1])
    assume(allowed < 1e-6)
    times = np.array(phases) / problem.rate
    solution = problem.solve()
    for i, (w1, w2) in enumerate(zip(*integrated(problem, times), strict=True)):
        assert relative_error(qqt_at(solution, times[i]), qqt(w1, w2)) <= 1e-9 + 100 * allowed


@settings(max_examples=15, deadline=None)
@given(problem=drawn(largest=6), phases=st.lists(st.floats(0, 12), min_size=1, max_size=3).map(sorted))
def test_weights(problem, phases):
    assume(problem.rate > 0)
    allowed = doubt(problem, phases[-1])
    assume(allowed < 1e-6)
    times = np.array(phases) / problem.rate
    found = true_weights(problem.solve(), problem.w1, problem.w2, times)
    w1, w2 = integrated(problem, times)
    for i in range(len(times)):
        got, expected = (np.vstack([first.T, second]) for first, second in ((found.w1[i], found.w2[i]), (w1[i], w2[i])))
        assert relative_error(got, expected) <= 1e-9 + 100 * allowed
