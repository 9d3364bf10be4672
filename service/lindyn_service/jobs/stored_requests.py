"""Cache of parsed requests of jobs in worker processes: each worker parses a request once, and finds it by its digest.

The service itself parses no stored request, and sends a long one only once to each worker.
"""

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from threading import Lock
from typing import TypeVar, TypeVarTuple

from cachetools import LRUCache

from lindyn_service.jobs.job_limits import SweepLimits
from lindyn_service.jobs.plan import Plan, plan_of

SHORT_BYTES = 2**16  # sending a request of this size again costs less than a call that finds it missing
_CACHE_BYTES = 2**25  # of requests in each worker; their plans take a few times as many
_PLAN_BYTES = 2**14  # of a plan, besides its request

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True)
class StoredRequest:
    """A request as it was stored, or only its digest.

    Attributes:
        kind: kind of the job.
        digest: SHA-256 of the document.
        limits: limits of sweeps.
        document: the request in JSON; None if the worker is expected to have its plan.
    """

    kind: str
    digest: bytes
    limits: SweepLimits
    document: bytes | None

    @classmethod
    def of(cls, kind: str, document: bytes, limits: SweepLimits) -> "StoredRequest":
        """Return a request with its document."""
        return cls(kind, hashlib.sha256(document).digest(), limits, document)

    @property
    def without_document(self) -> "StoredRequest":
        """The same request without its document, which identifies it."""
        return replace(self, document=None)

    @property
    def is_short(self) -> bool:
        """Whether the document may be sent with every call."""
        return self.document is None or len(self.document) <= SHORT_BYTES


class _Plans:
    """The plans that this process used last; threads of a Dask worker share them."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._plans: LRUCache[StoredRequest, tuple[int, Plan]] = LRUCache(_CACHE_BYTES, lambda entry: entry[0])

    def find(self, request: StoredRequest) -> Plan | None:
        with self._lock:
            entry = self._plans.get(request.without_document)
        if entry is not None:
            return entry[1]
        if request.document is None:
            return None
        plan = plan_of(request.kind, request.document, request.limits)
        size = min(len(request.document) + _PLAN_BYTES, _CACHE_BYTES)
        with self._lock:
            self._plans[request.without_document] = size, plan
        return plan


@functools.cache
def _plans() -> _Plans:
    return _Plans()


def with_plan(request: StoredRequest, function: Callable[[Plan, *Ts], T], *args: *Ts) -> tuple[T] | None:
    """Call a function with the plan of a request; for worker processes.

    Returns:
        The return value of the function in a tuple, or None if the request has no document and its plan is not cached.

    Raises:
        DamagedJobError: the request cannot be parsed.
    """
    plan = _plans().find(request)
    return None if plan is None else (function(plan, *args),)
