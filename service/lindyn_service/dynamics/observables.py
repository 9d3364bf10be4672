"""What is read off the weights at a batch of times; nothing here depends on a rotation of the hidden units."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from lindyn_service.dynamics.exact import Factors

Values = np.ndarray | Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Frame:
    """Weights at some times with what is needed to read them.

    Attributes:
        factors: weights in the singular bases of the task.
        v: right singular vectors in the coordinates of the inputs, (in, rank).
        u: left singular vectors, (out, out).
        s: singular values of the white-input task.
        variance: c of sigma_xx = c I; losses of the white-input task count c times.
        irreducible_loss: added to the excess loss; 0 when it is unknown.
        hidden: width of the hidden layer.
    """

    factors: Factors
    v: Float[np.ndarray, "in rank"]
    u: Float[np.ndarray, "out out"]
    s: Float[np.ndarray, " mode"]
    variance: float
    irreducible_loss: float
    hidden: int

    @cached_property
    def strengths(self) -> Float[np.ndarray, "time out rank"]:
        """The network function in the singular bases of the task, U^T w2 w1 V."""
        return self.factors.out @ self.factors.into.transpose(0, 2, 1)

    @cached_property
    def w1_transposed(self) -> Float[np.ndarray, "time in hidden"]:
        """w1^T up to the rotation of the hidden units."""
        return self.v @ self.factors.into

    @cached_property
    def w2(self) -> Float[np.ndarray, "time out hidden"]:
        """w2 up to the same rotation."""
        return self.u @ self.factors.out


def excess_loss(frame: Frame) -> Float[np.ndarray, " time"]:
    """Loss above the irreducible one, c/2 ||sigma_yx / c - w2 w1||_F^2."""
    error = frame.strengths.copy()
    _diagonals(error)[:, : len(frame.s)] -= frame.s
    return 0.5 * frame.variance * np.einsum("tij,tij->t", error, error)


def loss(frame: Frame) -> Float[np.ndarray, " time"]:
    """Mean squared error over samples, 1/(2P) ||w2 w1 X - Y||_F^2; the excess loss where targets are unknown."""
    return excess_loss(frame) + frame.irreducible_loss


def output(frame: Frame) -> Float[np.ndarray, "time out in"]:
    """Network function w2 w1."""
    return frame.u @ (frame.strengths @ frame.v.T)


def input_representation(frame: Frame) -> Float[np.ndarray, "time in in"]:
    """w1^T w1."""
    return _gram(frame.w1_transposed)


def output_representation(frame: Frame) -> Float[np.ndarray, "time out out"]:
    """w2 w2^T."""
    return _gram(frame.w2)


def qqt(frame: Frame) -> Float[np.ndarray, "time in_plus_out in_plus_out"]:
    """Q Q^T with Q = [w1^T; w2]."""
    return _gram(np.concatenate([frame.w1_transposed, frame.w2], axis=1))


def singular_values(frame: Frame) -> Float[np.ndarray, "time mode"]:
    """Singular values of the network function, descending."""
    return _all_modes(frame, np.linalg.svd(frame.strengths, compute_uv=False))


def mode_strengths(frame: Frame) -> Float[np.ndarray, "time mode"]:
    """Diagonal of U^T w2 w1 V: how much of each mode of the task is learned."""
    return _all_modes(frame, np.diagonal(frame.strengths, axis1=1, axis2=2))


def balance(frame: Frame) -> dict[str, Float[np.ndarray, " time"]]:
    """Nearest lambda of w2^T w2 - w1 w1^T, and the Frobenius distance from it."""
    into, out = frame.factors.into, frame.factors.out
    b = out.transpose(0, 2, 1) @ out - into.transpose(0, 2, 1) @ into
    lam = np.trace(b, axis1=1, axis2=2) / frame.hidden
    reached = b.shape[1]
    _diagonals(b)[:] -= lam[:, None]
    # hidden directions that the factors leave out have no weights: their part of B - lam I is -lam I
    residual = np.sqrt(np.einsum("tij,tij->t", b, b) + (frame.hidden - reached) * lam**2)
    return {"lambda": lam, "residual": residual}


OBSERVABLES: Mapping[str, Callable[[Frame], Values]] = {
    "loss": loss,
    "excess_loss": excess_loss,
    "output": output,
    "input_representation": input_representation,
    "output_representation": output_representation,
    "qqt": qqt,
    "singular_values": singular_values,
    "mode_strengths": mode_strengths,
    "balance": balance,
}


def _all_modes(frame: Frame, values: Float[np.ndarray, "time reached"]) -> Float[np.ndarray, "time mode"]:
    """Zeros for the modes outside the span of the inputs: min(in, out) modes in all."""
    return np.pad(values, ((0, 0), (0, min(len(frame.v), len(frame.u)) - values.shape[1])))


def _diagonals(matrices: Float[np.ndarray, "time rows columns"]) -> Float[np.ndarray, "time diagonal"]:
    """A writeable view of the diagonals."""
    return np.einsum("tii->ti", matrices[:, : matrices.shape[2], : matrices.shape[1]])


def _gram(factor: Float[np.ndarray, "time rows hidden"]) -> Float[np.ndarray, "time rows rows"]:
    return factor @ factor.transpose(0, 2, 1)
