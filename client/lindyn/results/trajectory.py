"""Trajectories and other replies as numpy arrays with their provenance."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from lindyn._public import public
from lindyn.errors import UnknownNameError
from lindyn.results.evaluation import Evaluation, evaluation_from_parts
from lindyn.results.files import Labelled
from lindyn.results.io import Parts
from lindyn.results.labelled import trajectory_dataset
from lindyn.results.labels import lambda_text, origin, regime_words
from lindyn.results.named import Named
from lindyn.results.replied import Replied
from lindyn.results.table import Columns, columns, selected, variables_over_time
from lindyn.wire.array import FloatArray
from lindyn.wire.trajectory import RegimeReply, TrajectoryReply
from lindyn.wire.tree import JSON, Tree, flatten, unflatten
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from lindyn.results.plots import TrajectoryPlots

    class _Quantities:
        """The quantities that are one array, for type checkers: `Trajectory` looks them up by name."""

        loss: FloatArray
        """Loss, (time,)."""
        excess_loss: FloatArray
        """Loss above the irreducible loss, (time,)."""
        loss_rate: FloatArray
        """Time derivative of the loss, (time,), per unit of time."""
        output: FloatArray
        """Network function, (time, out, in)."""
        input_representation: FloatArray
        """W1^T W1, (time, in, in)."""
        output_representation: FloatArray
        """WL WL^T, (time, out, out)."""
        qqt: FloatArray
        """Outer product of the stacked weights of two layers, (time, in + out, in + out)."""
        singular_values: FloatArray
        """Singular values of the network function, (time, mode)."""
        mode_strengths: FloatArray
        """Strengths of the network function along the modes of the task, (time, mode)."""
        ntk: FloatArray
        """Neural tangent kernel, (time, out x sample, out x sample)."""
        ntk_distance: FloatArray
        """One minus the cosine similarity of the kernel with the initial one, (time,)."""
        ntk_norm: FloatArray
        """Frobenius norm of the kernel, (time,)."""
        ntk_movement: FloatArray
        """Frobenius distance of the kernel from the initial one over its norm, (time,)."""
        rsm_input: FloatArray
        """Similarity of the samples in the first hidden layer, (time, sample, sample)."""
        rsm_output: FloatArray
        """Similarity of the samples in the last hidden layer, (time, sample, sample)."""
        weight_norms: FloatArray
        """Frobenius norms of the layers' weights, (time, layer)."""
        effective_rank: FloatArray
        """Exponential of the entropy of the normalised singular values of the network function, (time,)."""
        sharpness: FloatArray
        """Largest eigenvalue of the Hessian of the loss with respect to all weights, (time,)."""
else:
    _Quantities = object

_LOSSES = "evaluation.loss"
"""Path of the array of an evaluation."""

Quantity = FloatArray | Mapping[str, FloatArray] | list[FloatArray]


@public
@dataclass(frozen=True, repr=False, eq=False)
class Trajectory(Replied, Labelled, Named, _Quantities):
    """A learning trajectory; its quantities are attributes and items, `t.loss` and `t["loss"]`, with time first.

    Attributes:
        times: (time,), in the unit of `reply.time_constant`.
        quantities: arrays by name; `weights` is a list with one array for each layer, and `balance`, `alignment` and
            `task_specificity` are mappings.
        reply: the rest of the reply: key, method and reason, lambda, regime, seeds, diagnostics, warnings, version.
        cache: `hit`, `miss` or `coalesced`, as the service reports; `file` for a trajectory loaded from a file.
        evaluation: losses of the tasks of `evaluate`, and when it is best to stop; None without these.
    """

    times: FloatArray
    quantities: Mapping[str, Quantity]
    reply: TrajectoryReply
    cache: str
    evaluation: Evaluation | None = None

    @property
    def weights(self) -> list[FloatArray]:
        """One array (time, width l+1, width l) for each layer."""
        return cast("list[FloatArray]", self._quantity("weights"))

    @property
    def alignment(self) -> Mapping[str, FloatArray]:
        """`input` and `output`, (time, mode): similarity of the network's singular vectors to the task's, 0 to 1.

        Modes of equal strength share the score of their subspace; NaN where the task or the network has no such mode.
        """
        return cast("Mapping[str, FloatArray]", self._quantity("alignment"))

    @property
    def task_specificity(self) -> Mapping[str, FloatArray]:
        """`input` and `output`, (time,): task specificity of both representations."""
        return cast("Mapping[str, FloatArray]", self._quantity("task_specificity"))

    @property
    def balance(self) -> Mapping[str, FloatArray]:
        """`lambda` and `residual`, (time,), or (time, pair of layers) for more than two layers."""
        return cast("Mapping[str, FloatArray]", self._quantity("balance"))

    @property
    def regime(self) -> RegimeReply | None:
        """The verdict `rich`, `lazy` or `between` with its numbers; None where it cannot be told."""
        return self.reply.regime

    @property
    def plot(self) -> "TrajectoryPlots":
        """Pictures, such as `t.plot.loss()`.

        Raises:
            MissingLibraryError: matplotlib is not installed.
        """
        from lindyn.results.plots import TrajectoryPlots  # noqa: PLC0415 (imports matplotlib)

        return TrajectoryPlots(self.times, self.arrays(), self.reply)

    def arrays(self) -> dict[str, FloatArray]:
        """Return all arrays by path, such as `loss`, `balance.lambda`, `weights.0` and `evaluation.loss`."""
        losses = {} if self.evaluation is None else {_LOSSES: self.evaluation.loss}
        return flatten(self.quantities) | losses

    def targets(self, name: str) -> FloatArray:
        """Return the `singular_values` or `mode_strengths` of the best network function, (mode,); else empty."""
        return self.reply.targets(name)

    def to_xarray(self) -> "xr.Dataset":
        """Return a dataset with named dimensions; its attributes hold descriptions, units and the provenance.

        Raises:
            MissingLibraryError: xarray is not installed.
        """
        return trajectory_dataset(self.times, self.arrays(), self.reply, self.metadata)

    def to_dataframe(self, *names: str) -> "pd.DataFrame":
        """Return a table over time; matrices have a column for each entry, counted from 1.

        Args:
            names: the arrays in it, such as `loss` and `singular_values`, by default all.

        Raises:
            UnknownNameError: the trajectory has no such array; this is also a KeyError.
            MissingLibraryError: pandas is not installed.
        """
        return super().to_dataframe(*names).set_index("time")

    @property
    def metadata(self) -> dict[str, JSON]:
        """The reply without its arrays, as a JSON document."""
        document = self.reply.model_dump(by_alias=True, exclude={"times", "quantities", "evaluation", "warnings"})
        document["warnings"] = [each.model_dump(exclude_none=True) for each in self.reply.warnings]
        if self.evaluation is None:
            return document
        best = [stop.model_dump() for stop in self.evaluation.best]
        return {**document, "evaluation": {"best": best, "seeds": list(self.evaluation.seeds)}}

    def __getitem__(self, name: str) -> FloatArray:
        """Return an array by its name; parts of nested quantities are `balance.lambda` and `weights.0`.

        Raises:
            UnknownNameError: the trajectory has no such array; this is also a KeyError.
        """
        items: dict[str, Quantity] = {**self.quantities, **self.arrays()}
        if name not in items:
            raise UnknownNameError(not_part_of("trajectory", name, items))
        return cast("FloatArray", items[name])

    if not TYPE_CHECKING:  # so that a mistyped quantity is an error of the type checker

        def __getattr__(self, name: str) -> Quantity:
            """Return a quantity by its name."""
            return self._quantity(name)

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *self.quantities]

    def __repr__(self) -> str:
        reply = self.reply
        widths = "-".join(map(str, reply.dims))
        balance = "" if reply.lam is None else f" lambda = {lambda_text(reply.lam)},"
        names = ", ".join(self.quantities)
        regime = "" if reply.regime is None else f"\n  regime: {regime_words(reply.regime)}"
        told = "" if self.evaluation is None else f"\n  {self.evaluation!r}"
        warnings = "".join(f"\n  warning {warning.code}: {warning.detail}" for warning in reply.warnings)
        return (
            f"<Trajectory {widths},{balance} {len(self.times)} times, {reply.method} ({origin(self.cache)})\n"
            f"  quantities: {names}\n  {reply.reason}{regime}{told}{warnings}>"
        )

    def _repr_html_(self) -> str:
        from lindyn.results.html import trajectory_html  # noqa: PLC0415 (needed in notebooks only)

        return trajectory_html(self.times, self.arrays(), self.reply, self.cache)

    def _parts(self) -> Parts:
        return self.metadata, {"times": self.times, **self.arrays()}

    def _document(self) -> Mapping[str, object]:
        document = {**self.metadata, "times": self.times, "quantities": self.quantities}
        if self.evaluation is None:
            return document
        evaluation = cast("Mapping[str, object]", self.metadata["evaluation"])
        return {**document, "evaluation": {**evaluation, "loss": self.evaluation.loss}}

    def _columns(self, names: Sequence[str]) -> Columns:
        chosen = selected(names, self.arrays(), "trajectory")
        return columns({"time": self.times}, variables_over_time(chosen), {})

    def _quantity(self, name: str) -> Quantity:
        quantities = self.__dict__.get("quantities", {})  # copying looks up attributes before any is set
        if name not in quantities:
            raise AttributeError(not_part_of("trajectory", name, quantities))
        return quantities[name]


def trajectory_from_parts(metadata: Mapping[str, JSON], arrays: Mapping[str, FloatArray], cache: str) -> Trajectory:
    """Build a trajectory from the JSON part of the reply and its arrays by path, `times` among them."""
    parts = {path: array for path, array in arrays.items() if path not in ("times", _LOSSES)}
    quantities: Mapping[str, Tree] = unflatten(parts)
    reply = TrajectoryReply.model_validate({**metadata, "times": None, "quantities": {}, "evaluation": None})
    evaluation = None
    if _LOSSES in arrays:
        evaluation = evaluation_from_parts(metadata["evaluation"], arrays[_LOSSES], arrays["times"])
    return Trajectory(arrays["times"], cast("Mapping[str, Quantity]", quantities), reply, cache, evaluation)
