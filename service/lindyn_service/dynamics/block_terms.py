"""Terms of the solutions of many networks: rows of the weights as combinations of the pivots, and factors in time.

Rows of the echelon form other than pivots are X times the pivot rows. Those with positive eigenvalues are *missed*, the
others *fade*.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.block_coordinates import BlockCoordinates, BlockModes
from lindyn_service.dynamics.inverse_roots import invert_upper
from lindyn_service.dynamics.phi import phi


@dataclass(frozen=True)
class Terms:
    """Networks that are prepared for evaluation, and whose pivots all grow."""

    start: BlockCoordinates

    @property
    def modes(self) -> BlockModes:
        """Eigenpairs of F."""
        return self.start.modes

    @property
    def n_learned(self) -> int:
        """Number of pivots."""
        return self.start.n_learned

    @property
    def n_modes(self) -> int:
        """Number of modes of the task."""
        return len(self.modes.one.s)

    @property
    def n_own(self) -> int:
        """Number of pivots that are rows of modes."""
        return min(self.n_learned, self.n_modes)

    @cached_property
    def n_missed(self) -> int:
        """Number of growing rows that are not pivots."""
        return int(np.count_nonzero(self.modes.eigenvalues[0, self.n_learned :] > 0))

    @cached_property
    def f(self) -> Float[np.ndarray, "any_network row"]:
        """Eigenvalues of F, a single row if they are the same for all networks."""
        f = self.modes.eigenvalues
        return f[:1] if np.all(f == f[0]) else f

    @cached_property
    def inverse(self) -> Float[np.ndarray, "network pivot pivot"]:
        """Inverse of the pivot rows."""
        leading = self.start.lower[:, : self.n_learned, : self.n_learned]
        return invert_upper(leading.transpose(0, 2, 1)).transpose(0, 2, 1)

    @cached_property
    def x(self) -> Float[np.ndarray, "network other pivot"]:
        """Matrix X of all rows that are not pivots."""
        return self.start.lower[:, self.n_learned :, : self.n_learned] @ self.inverse

    @cached_property
    def constant(self) -> Float[np.ndarray, "pivot pivot network"]:
        """Gram matrices of the inverses."""
        return (self.inverse.transpose(0, 2, 1) @ self.inverse).transpose(1, 2, 0)

    def by_row(
        self, rows: Float[np.ndarray, "any_network row"], times: Float[np.ndarray, "any_times time"]
    ) -> Float[np.ndarray, "_ _ time"]:
        """Products of rates and times."""
        return rows.T[:, :, None] * times

    def integrals(self, rows: slice, times: Float[np.ndarray, "any_times time"]) -> Float[np.ndarray, "_ _ time"]:
        """Integrals of e^{-2 |f| s} over s from 0 to t, for some rows."""
        return times * phi(2 * self.by_row(np.abs(self.f[:, rows]), times))

    def fading(
        self, times: Float[np.ndarray, "any_times time"]
    ) -> tuple[Float[np.ndarray, "minor _ time"], Float[np.ndarray, "major _ time"]]:
        """Decay factors of the fading rows: of each mode, and of the additional rows of the wider side."""
        m, one = self.n_modes, self.modes.one
        n_rows = self.f.shape[1]
        modes = np.exp(-self.by_row(self.f[:, :m], times))
        extra = np.exp(np.minimum(self.by_row(self.f[:, m : n_rows - m], times), 0.0))
        both = np.concatenate([modes, extra])
        return both[: one.n_minor], both[: one.n_major]

    @cached_property
    def sides(self) -> tuple[Float[np.ndarray, "minor pivot network"], Float[np.ndarray, "major pivot network"]]:
        """Matrix X of the fading rows, in both layers."""
        k, m, one = self.n_learned, self.n_modes, self.modes.one
        decay = self.x[:, len(self.x[0]) - m :][:, ::-1]
        minor, major = (np.zeros((n, k, len(self.x))) for n in (one.n_minor, one.n_major))
        minor[:m] = (self.modes.q[:, :, None] * decay).transpose(1, 2, 0)
        major[:m] = -(self.modes.p[:, :, None] * decay).transpose(1, 2, 0)
        wider = minor if one.n_minor > m else major
        first = max(k, m)  # rows beyond the modes that are not pivots
        if self.n_missed <= first - k:
            extra = self.x[:, first - k : len(self.x[0]) - m]
            wider[first:] = extra.transpose(1, 2, 0)
        return minor, major

    def fading_sizes(self, times: Float[np.ndarray, "any_times time"]) -> Float[np.ndarray, "network time"]:
        """Largest ratio of the fading to the growing part of a row of the minor layer."""
        k, m = self.n_learned, self.n_modes
        sizes, growing = np.max(np.abs(self.sides[0][:m]), axis=1), self.modes.p.T
        rates = self.by_row(self.f[:, :m], times) + self.f[:, k - 1, None] * times
        with np.errstate(over="ignore", invalid="ignore"):
            shares = sizes / np.maximum(growing, np.finfo(np.float64).tiny)
            return np.max(shares[:, :, None] * np.exp(-rates), axis=0)

    def missed(self, times: Float[np.ndarray, "any_times time"]) -> Float[np.ndarray, "missed pivot network time"]:
        """Matrix X of the missed rows, which grow more slowly than the pivots."""
        k, excess = self.n_learned, self.modes.excess[: len(self.f)]
        behind = np.maximum(excess[:, None, :k] - excess[:, k : k + self.n_missed, None], 0.0)
        left = np.exp(-behind.transpose(1, 2, 0)[..., None] * times)
        return self.x[:, : self.n_missed].transpose(1, 2, 0)[..., None] * left
