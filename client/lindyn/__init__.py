"""Exact learning dynamics of deep linear networks: the client.

with lindyn.Client.local() as c:
    t = c.trajectory(network=lindyn.balanced([5, 5, 5], lam=2.0), task=sigma_yx, times=times)
    t.loss, t.output, t.plot.loss()

A name is loaded at its first use, so that `import lindyn` imports no other library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lindyn import plots
    from lindyn._async_client import AsyncClient
    from lindyn._client import Client
    from lindyn._jobs import AsyncJobHandle, JobHandle
    from lindyn._teacher import teacher
    from lindyn.builders import (
        balanced,
        data,
        linear_attention,
        lora,
        lora_task,
        one_hot,
        random,
        regression,
        semantic,
        spectrum,
        symmetric,
        weights,
        wide,
    )
    from lindyn.errors import (
        AccessError,
        ArgumentError,
        BusyError,
        ClosedError,
        ConfigurationError,
        DeadlineError,
        DivergedError,
        InfeasibleBalanceError,
        JobCancelledError,
        JobFailedError,
        LindynError,
        LocalServiceError,
        MissingLibraryError,
        NotApplicableError,
        NotBalancedError,
        NotDoneError,
        NotFoundError,
        ProblemError,
        RateLimitedError,
        RequestError,
        ServiceFailedError,
        SlowBodyError,
        TooLargeError,
        UnexpectedReplyError,
        UnknownNameError,
        UnreachableError,
        UnreachableTargetError,
        VersionWarning,
    )
    from lindyn.results.analysis import Analysis
    from lindyn.results.comparison import Comparison
    from lindyn.results.continual import Continual
    from lindyn.results.design import Design
    from lindyn.results.ensemble import Ensemble, Statistics
    from lindyn.results.evaluation import Evaluation
    from lindyn.results.fit import Fit
    from lindyn.results.limits import Limits
    from lindyn.results.load import load
    from lindyn.results.sweep import SweepResult
    from lindyn.results.trajectory import Trajectory
    from lindyn.wire.array import FloatArray

    __version__: str

__all__ = [
    "AccessError",
    "Analysis",
    "ArgumentError",
    "AsyncClient",
    "AsyncJobHandle",
    "BusyError",
    "Client",
    "ClosedError",
    "Comparison",
    "ConfigurationError",
    "Continual",
    "DeadlineError",
    "Design",
    "DivergedError",
    "Ensemble",
    "Evaluation",
    "Fit",
    "FloatArray",
    "InfeasibleBalanceError",
    "JobCancelledError",
    "JobFailedError",
    "JobHandle",
    "Limits",
    "LindynError",
    "LocalServiceError",
    "MissingLibraryError",
    "NotApplicableError",
    "NotBalancedError",
    "NotDoneError",
    "NotFoundError",
    "ProblemError",
    "RateLimitedError",
    "RequestError",
    "ServiceFailedError",
    "SlowBodyError",
    "Statistics",
    "SweepResult",
    "TooLargeError",
    "Trajectory",
    "UnexpectedReplyError",
    "UnknownNameError",
    "UnreachableError",
    "UnreachableTargetError",
    "VersionWarning",
    "balanced",
    "data",
    "linear_attention",
    "load",
    "lora",
    "lora_task",
    "one_hot",
    "plots",
    "random",
    "regression",
    "semantic",
    "spectrum",
    "symmetric",
    "teacher",
    "weights",
    "wide",
]

_MODULES = {
    "AsyncClient": "_async_client",
    "AsyncJobHandle": "_jobs",
    "Client": "_client",
    "JobHandle": "_jobs",
    "Comparison": "results.comparison",
    "Design": "results.design",
    "Ensemble": "results.ensemble",
    "Statistics": "results.ensemble",
    "Evaluation": "results.evaluation",
    "Fit": "results.fit",
    "Analysis": "results.analysis",
    "Continual": "results.continual",
    "Limits": "results.limits",
    "Trajectory": "results.trajectory",
    "SweepResult": "results.sweep",
    "load": "results.load",
    "teacher": "_teacher",
    "FloatArray": "wire.array",
    **dict.fromkeys(
        (
            "balanced",
            "data",
            "linear_attention",
            "lora",
            "lora_task",
            "one_hot",
            "random",
            "regression",
            "semantic",
            "spectrum",
            "symmetric",
            "weights",
            "wide",
        ),
        "builders",
    ),
}


def __getattr__(name: str) -> object:
    if name == "__version__":
        from importlib.metadata import version  # noqa: PLC0415 (slow to import)

        return version("lindyn")
    if name == "plots":
        return import_module("lindyn.plots")
    if name not in __all__:
        raise AttributeError(f"module 'lindyn' has no attribute {name!r}")
    member = getattr(import_module(f"lindyn.{_MODULES.get(name, 'errors')}"), name)
    globals()[name] = member
    return member


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
