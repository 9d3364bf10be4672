"""Families of requests that differ only in lambda, scale, seed or time constant of a balanced network."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lindyn.wire.array import FloatArray
from lindyn.wire.method import AutoMethod, ExactMethod
from lindyn.wire.network import BalancedNetwork
from lindyn.wire.trajectory import TrajectoryRequest
from lindyn_service.dynamics.initialization import many_balanced_weights
from lindyn_service.dynamics.tasks import Moments
from lindyn_service.dynamics.white_inputs import WhiteTask
from lindyn_service.methods.blocks import Block, white_equivalent
from lindyn_service.translate.problem import rng
from lindyn_service.translate.spans import reduced_dims

_MAX_REDUCTION = 4  # blocks keep all dimensions; a larger reduction of a width makes single networks faster
_PLAIN_FIELDS = {"network", "task", "times", "time_constant", "quantities", "method"}
_MAX_ENTRIES = 2**21  # of the network functions of a block at all times, which take about 50 milliseconds
_MAX_NETWORKS = 1024  # in a block


@dataclass(frozen=True)
class Family:
    """Requests with the same widths, task and times, whose networks can be computed in blocks.

    Attributes:
        request: any of the requests.
        network: network of this request.
        moments: moments of the task.
        white: the equivalent white-input task.
        times: ascending, non-negative.
    """

    request: TrajectoryRequest
    network: BalancedNetwork
    moments: Moments
    white: WhiteTask
    times: FloatArray

    @property
    def dims(self) -> tuple[int, int, int]:
        """Widths (in, hidden, out), where the dimension of the span of the inputs replaces their number."""
        return (self.white.sigma_yx.shape[1], *self.network.dims[1:])

    @property
    def block_size(self) -> int:
        """Number of networks that are computed together."""
        entries = len(self.times) * self.dims[0] * self.dims[2]
        return max(1, min(_MAX_NETWORKS, _MAX_ENTRIES // entries))

    def block(self, lam: FloatArray, scale: FloatArray, seeds: Sequence[int], time_constant: float) -> Block:
        """Draw networks with given lambda, scale and seeds; all lambda must have the same sign."""
        w1, w2 = many_balanced_weights(self.dims, lam, scale, [rng(seed) for seed in seeds])
        return Block(w1, w2, lam, self.white, self.moments, time_constant, self.times)

    def replicates(self, seeds: Sequence[int]) -> Block:
        """Draw networks that differ in their seeds."""
        lam, scale = (np.full(len(seeds), value) for value in (self.network.lam, self.network.scale))
        return self.block(lam, scale, seeds, self.request.time_constant)


def is_plain(request: TrajectoryRequest) -> bool:
    """Return whether a request has only fields that blocks support: no learning rates, schedule or weight decay."""
    return request.model_fields_set <= _PLAIN_FIELDS


def family_of(request: TrajectoryRequest, moments: Moments) -> Family | None:
    """Return the family of a request; None if its networks have to be computed one by one.

    Args:
        request: request of one of the networks.
        moments: moments of its task.
    """
    network = request.network
    if not isinstance(network, BalancedNetwork) or not may_be_in_blocks(request):
        return None
    white = white_equivalent(moments)
    return None if white is None else Family(request, network, moments, white, request.resolved_times())


def may_be_in_blocks(request: TrajectoryRequest) -> bool:
    """Return whether networks of a request can be computed in blocks, provided that its inputs are white."""
    network = request.network
    if not isinstance(network, BalancedNetwork) or network.aligned or not is_plain(request):
        return False
    if not isinstance(request.method, AutoMethod | ExactMethod):
        return False
    kept = reduced_dims(network, request.task)
    return all(width <= _MAX_REDUCTION * left for width, left in zip(network.dims, kept, strict=True))
