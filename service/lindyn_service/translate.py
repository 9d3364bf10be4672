"""From a request to an encoded answer: the only file that knows both the messages and the arrays. Runs in a worker."""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
# (JSON has no static types)

from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
import orjson

from lindyn.wire import npz
from lindyn.wire.network import BalancedNetwork, WeightsNetwork
from lindyn.wire.task import CorrelationTask, DataTask, RegressionTask, SemanticTask, SpectrumTask
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.dynamics import tasks
from lindyn_service.dynamics.balance import broken_inequality
from lindyn_service.dynamics.initialization import Directions, balanced_weights
from lindyn_service.dynamics.isotropy import Coloured, WhiteTask, white_task
from lindyn_service.dynamics.modes import modes
from lindyn_service.errors import InfeasibleBalanceError, InvalidRequestError, NotApplicableError
from lindyn_service.methods.base import Outcome, Problem
from lindyn_service.methods.choose import choose
from lindyn_service.methods.exact import TOLERANCE

VERSION = version("lindyn")

SOLVER = f"{VERSION}/1"
"""Part of every key; raise the number when an answer's bytes change within a version."""

Format = Literal["json", "npz"]

_NETWORK_STREAM, _TASK_STREAM = 0, 1  # equal seeds of network and task must not give equal numbers


def answer(request: TrajectoryRequest, key: str, form: Format) -> bytes:
    """Solve a normalised request and encode the answer.

    Raises:
        ServiceError: the request is invalid in a way that needs its numbers, or no method covers it.
    """
    moments = _moments(request)
    problem = Problem(
        weights=_weights(request.network, moments),
        moments=moments,
        time_constant=request.time_constant,
        times=request.resolved_times(),
        quantities=tuple(request.quantities),
        lam=request.network.lam if isinstance(request.network, BalancedNetwork) else None,
    )
    outcome = choose(request.method, problem).run()
    return encode(_document(request, key, problem, outcome), form)


def encode(document: Mapping[str, Any], form: Format) -> bytes:
    """Write an answer as JSON, or as npz with its quantities and times as arrays."""
    if form == "json":
        return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    arrays = {"times": np.asarray(document["times"]), **_flat(document["quantities"])}
    metadata = {name: value for name, value in document.items() if name not in ("times", "quantities")}
    return npz.pack(orjson.loads(orjson.dumps(metadata, option=orjson.OPT_SERIALIZE_NUMPY)), arrays)


def transcode(body: bytes, form: Format) -> bytes:
    """Write an answer of the other format in this one."""
    if form == "npz":
        document = orjson.loads(body)
        return encode({**document, "quantities": _as_arrays(document["quantities"])}, form)
    metadata, arrays = npz.unpack(body, largest_bytes=2 * len(body))
    times = arrays.pop("times")
    return encode(_ordered({**metadata, "times": times, "quantities": _nested(arrays)}), form)


def _document(request: TrajectoryRequest, key: str, problem: Problem, outcome: Outcome) -> dict[str, Any]:
    return {
        "key": key,
        "method": outcome.method,
        "reason": outcome.reason,
        "lambda": outcome.lam,
        "dims": list(request.dims),
        "seed": getattr(request.network, "seed", None),
        "task_seed": getattr(request.task, "seed", None),
        "time_constant": request.time_constant,
        "times": problem.times,
        "quantities": outcome.quantities,
        "diagnostics": outcome.diagnostics,
        "warnings": [asdict(warned) for warned in outcome.warnings],
        "version": VERSION,
    }


def _moments(request: TrajectoryRequest) -> tasks.Moments:
    n_in, n_out = request.dims[0], request.dims[-1]
    match request.task:
        case CorrelationTask(sigma_yx=sigma_yx, sigma_xx=sigma_xx, sigma_yy_trace=trace):
            _check_moments(sigma_yx, sigma_xx, trace)
            return tasks.Moments(sigma_yx, sigma_xx, trace)
        case DataTask(inputs=inputs, targets=targets, whiten=whiten):
            return tasks.from_data(inputs, targets, whiten=whiten)
        case RegressionTask(samples=samples, seed=seed):
            return tasks.regression(n_in, n_out, samples, _rng(seed, _TASK_STREAM))
        case SemanticTask(levels=levels):
            return tasks.semantic(levels)
        case SpectrumTask(singular_values=values, seed=seed):
            return tasks.spectrum(n_in, n_out, values, _rng(seed, _TASK_STREAM))


def _check_moments(sigma_yx: np.ndarray, sigma_xx: np.ndarray | None, trace: float | None) -> None:
    """Refuse second moments that no data have."""
    if sigma_xx is None:
        explained = float(np.sum(sigma_yx * sigma_yx))
    else:
        size = float(np.max(np.abs(sigma_xx)))
        if not np.allclose(sigma_xx, sigma_xx.T, rtol=0, atol=TOLERANCE * size):
            raise _invalid("task.sigma_xx", "got a matrix that is not symmetric, X X^T / P is")
        eigenvalues, vectors = np.linalg.eigh(sigma_xx)
        if eigenvalues[0] < -TOLERANCE * size:
            raise _invalid("task.sigma_xx", f"got the eigenvalue {eigenvalues[0]:.3g}, X X^T / P has none below 0")
        present = eigenvalues > TOLERANCE * size
        along = sigma_yx @ vectors
        if np.linalg.norm(along[:, ~present]) > TOLERANCE * np.linalg.norm(along):
            raise _invalid("task.sigma_yx", "got correlations with directions in which sigma_xx has no inputs")
        with np.errstate(over="ignore"):  # no trace is enough then
            explained = float(np.sum(along[:, present] ** 2 / eigenvalues[present]))
    if trace is not None and trace < explained * (1 - TOLERANCE):
        raise _invalid(
            "task.sigma_yy_trace",
            f"got {trace:.17g}, data with these correlations have at least {explained:.17g}",
        )


def _weights(network: WeightsNetwork | BalancedNetwork, moments: tasks.Moments) -> tuple[np.ndarray, ...]:
    match network:
        case WeightsNetwork(weights=weights):
            return tuple(weights)
        case BalancedNetwork():
            return _balanced(network, moments)


def _balanced(network: BalancedNetwork, moments: tasks.Moments) -> tuple[np.ndarray, ...]:
    """Draw the weights within the span of the inputs: what lies outside never learns."""
    white = white_task(moments, TOLERANCE)
    basis = white.basis if isinstance(white, WhiteTask) else None
    n_in, n_hidden, n_out = network.dims
    rank = n_in if basis is None else basis.shape[1]
    broken = broken_inequality(network.lam, rank, n_hidden, n_out)
    if broken is not None:
        within = "" if rank == n_in else f" (the inputs span {rank} of {n_in} dimensions)"
        raise InfeasibleBalanceError(broken + within, (("network.lambda", broken + within),))
    w1, w2 = balanced_weights(
        (rank, n_hidden, n_out),
        network.lam,
        network.scale,
        _rng(network.seed, _NETWORK_STREAM),
        _directions(white, network.lam) if network.aligned else None,
    )
    return (w1 if basis is None else w1 @ basis.T), w2


def _directions(white: WhiteTask | Coloured, lam: float) -> Directions:
    if isinstance(white, Coloured):
        raise NotApplicableError(
            f"aligned weights need white inputs, sigma_xx is {white.residual:.3g} away from a multiple of the identity "
            "(relative); whiten the inputs or draw weights that are not aligned"
        )
    found = modes(white.sigma_yx, lam)
    return Directions(found.u, found.v)


def _rng(seed: int | None, stream: int) -> np.random.Generator:
    if seed is None:
        raise ValueError("a normalised request has its seeds drawn")
    return np.random.default_rng([stream, seed])


def _invalid(path: str, detail: str) -> InvalidRequestError:
    return InvalidRequestError(f"{path}: {detail}", ((path, detail),))


def _flat(quantities: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Name nested arrays by their path, `balance.lambda`."""
    flat: dict[str, np.ndarray] = {}
    for name, value in quantities.items():
        inner = _flat(value) if isinstance(value, Mapping) else {"": value}
        flat |= {f"{name}.{key}".rstrip("."): array for key, array in inner.items()}
    return flat


def _nested(flat: Mapping[str, np.ndarray]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for path, array in flat.items():
        name, _, key = path.partition(".")
        if key:
            nested.setdefault(name, {})[key] = array
        else:
            nested[name] = array
    return nested


def _as_arrays(quantities: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _as_arrays(value) if isinstance(value, Mapping) else np.array(value, dtype=np.float64)
        for name, value in quantities.items()
    }


def _ordered(document: Mapping[str, Any]) -> dict[str, Any]:
    """Put fields where `_document` has them, so that both ways to a format give the same bytes."""
    tail = ("times", "quantities", "diagnostics", "warnings", "version")
    return {name: document[name] for name in (*(n for n in document if n not in tail), *tail)}
