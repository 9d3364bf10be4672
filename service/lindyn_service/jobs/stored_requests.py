"""Requests of jobs as worker processes know them: read once by each, remembered, and called by their digest afterwards.

So the service parses none of them, and sends a long one but once to each worker.
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

SHORT_BYTES = 2**16  # to send so much again costs less than to ask whether it is known
_REMEMBERED_BYTES = 2**25  # of requests in each worker, whose plans take some times as many
_LEAST_BYTES = 2**14  # which a plan takes beside its request

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True)
class StoredRequest:
    """A request as it was stored, or only what it is called by.

    Attributes:
        kind: of the job.
        digest: of the bytes.
        limits: on what it may ask for.
        document: the bytes; None where the worker is expected to remember them.
    """

    kind: str
    digest: bytes
    limits: SweepLimits
    document: bytes | None

    @classmethod
    def of(cls, kind: str, document: bytes, limits: SweepLimits) -> "StoredRequest":
        """A whole request."""
        return cls(kind, hashlib.sha256(document).digest(), limits, document)

    @property
    def name(self) -> "StoredRequest":
        """The same without its bytes."""
        return replace(self, document=None)

    @property
    def is_short(self) -> bool:
        """Whether its bytes need not be spared."""
        return self.document is None or len(self.document) <= SHORT_BYTES


class _Plans:
    """The plans of the requests that this process was asked about last; in Dask's workers, by several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._plans: LRUCache[StoredRequest, tuple[int, Plan]] = LRUCache(_REMEMBERED_BYTES, lambda kept: kept[0])

    def find(self, request: StoredRequest) -> Plan | None:
        with self._lock:
            kept = self._plans.get(request.name)
        if kept is not None:
            return kept[1]
        if request.document is None:
            return None
        plan = plan_of(request.kind, request.document, request.limits)
        size = min(len(request.document) + _LEAST_BYTES, _REMEMBERED_BYTES)
        with self._lock:
            self._plans[request.name] = size, plan
        return plan


@functools.cache
def _plans() -> _Plans:
    return _Plans()


def with_plan(request: StoredRequest, function: Callable[[Plan, *Ts], T], *args: *Ts) -> tuple[T] | None:
    """Call a function with the plan of a request; for worker processes.

    Returns:
        What it returned, alone in a tuple; None where the request came without its bytes and is not remembered.

    Raises:
        DamagedJobError: the request cannot be read.
    """
    plan = _plans().find(request)
    return None if plan is None else (function(plan, *args),)
