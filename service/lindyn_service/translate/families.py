"""Requests that differ in the numbers of a balanced network only, and what is prepared once for all of them."""

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

_MUCH_SMALLER = 4  # factor of a width by which networks alone are solved in fewer dimensions, which blocks are not
_UNDERSTOOD = {"network", "task", "times", "time_constant", "quantities", "method"}
_ENTRIES = 2**21  # of the network functions of a block at all times: about 50 milliseconds
_MOST = 1024  # networks of a block


@dataclass(frozen=True)
class Family:
    """A request whose network can be computed in blocks, with others of the same widths, task and times.

    Attributes:
        request: one of the requests.
        network: its network.
        moments: of the task.
        white: the white-input equivalent of the task.
        times: ascending, non-negative.
    """

    request: TrajectoryRequest
    network: BalancedNetwork
    moments: Moments
    white: WhiteTask
    times: FloatArray

    @property
    def dims(self) -> tuple[int, int, int]:
        """Widths, of the span of the inputs in place of these."""
        return (self.white.sigma_yx.shape[1], *self.network.dims[1:])

    @property
    def block_size(self) -> int:
        """Number of networks that are computed together."""
        entries = len(self.times) * self.dims[0] * self.dims[2]
        return max(1, min(_MOST, _ENTRIES // entries))

    def block(self, lam: FloatArray, scale: FloatArray, seeds: Sequence[int], time_constant: float) -> Block:
        """Draw networks, with balances of one sign."""
        w1, w2 = many_balanced_weights(self.dims, lam, scale, [rng(seed) for seed in seeds])
        return Block(w1, w2, lam, self.white, self.moments, time_constant, self.times)

    def replicates(self, seeds: Sequence[int]) -> Block:
        """Draw networks that differ in their seeds."""
        lam, scale = (np.full(len(seeds), value) for value in (self.network.lam, self.network.scale))
        return self.block(lam, scale, seeds, self.request.time_constant)


def is_plain(request: TrajectoryRequest) -> bool:
    """Return whether a request has no field beyond those that every method understands."""
    return request.model_fields_set <= _UNDERSTOOD


def family_of(request: TrajectoryRequest, moments: Moments) -> Family | None:
    """Return the family of a request; None for one whose networks are computed one by one.

    A request with a field that blocks do not know is computed by the methods that know it.

    Args:
        request: for one of the networks.
        moments: of its task.
    """
    network = request.network
    if not isinstance(network, BalancedNetwork) or not may_be_in_blocks(request):
        return None
    white = white_equivalent(moments)
    return None if white is None else Family(request, network, moments, white, request.resolved_times())


def may_be_in_blocks(request: TrajectoryRequest) -> bool:
    """Return whether networks of a request are computed in blocks if its inputs are white."""
    network = request.network
    if not isinstance(network, BalancedNetwork) or network.aligned or not is_plain(request):
        return False
    if not isinstance(request.method, AutoMethod | ExactMethod):
        return False
    kept = reduced_dims(network, request.task)
    return all(width <= _MUCH_SMALLER * left for width, left in zip(network.dims, kept, strict=True))
