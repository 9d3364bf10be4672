"""The result of a fit."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeAlias

from pydantic import Field, RootModel

from lindyn.wire.array import Arrays, FloatArray
from lindyn.wire.base import JSONField, Reply
from lindyn.wire.job import TableReply

BySubject = float | dict[str, float | None] | None
"""A number, or one by the name of each subject; null where the observations do not determine it."""

Interval = tuple[float, float]

# The client puts arrays into these fields, which validation leaves as they are; null in a model without estimates.
if TYPE_CHECKING:
    Matrix: TypeAlias = FloatArray
    """An array."""
    Curves: TypeAlias = list[FloatArray]
    """One array for each observation."""
else:
    Matrix = Curves = Arrays


_ABSENT: Any = None


class EstimatedParameter(Reply):
    """A number that was estimated."""

    path: str
    subject: Annotated[str | None, Field(description="Whose number it is; null if all share it.")] = None
    scale: Literal["linear", "log"] = "linear"


class ModelProblem(Reply):
    """Why a model could not be fitted."""

    code: str
    detail: str


class EstimateWarning(Reply):
    """A warning about the estimates of a model."""

    code: Annotated[str, Field(description="`unidentifiable`, `at-bound`, `several-minima` or `not-converged`.")]
    detail: str
    parameters: Annotated[list[str], Field(description="Paths of the parameters that it is about.")] = Field(
        default_factory=list[str]
    )


class ProfileReply(Reply):
    """The profile likelihood of a parameter, by its values in ascending order."""

    values: Matrix
    log_likelihood_ratios: Annotated[Matrix, Field(description="Log-likelihood less that of the estimates.")]


class FittedModelReply(Reply):
    """The estimates of a model, or the reason why there are none."""

    name: str
    problem: Annotated[
        ModelProblem | None, Field(description="Why the model could not be fitted; then all else is absent.")
    ] = None
    parameters: Annotated[list[EstimatedParameter], Field(description="In the order of covariance and profiles.")]
    estimates: Annotated[
        dict[str, BySubject], Field(description="By path, and where they are those of subjects, by subject.")
    ] = Field(default_factory=dict[str, BySubject])
    standard_errors: Annotated[
        dict[str, BySubject], Field(description="From the Fisher information; null where it is not determined.")
    ] = Field(default_factory=dict[str, BySubject])
    intervals: Annotated[
        dict[str, Interval | dict[str, Interval]], Field(description="By profile likelihood, within the bounds.")
    ] = Field(default_factory=dict[str, Interval | dict[str, Interval]])
    covariance: Annotated[Matrix, Field(description="(parameter, parameter); null where it is not determined.")] = (
        _ABSENT
    )
    log_likelihood: float | None = None
    chi2: Annotated[
        float | None, Field(description="Sum of squared residuals in units of sigma; of trials, the deviance.")
    ] = None
    dof: Annotated[int | None, Field(description="Number of values less number of parameters.")] = None
    sigma: Annotated[
        float | None, Field(description="Estimated standard deviation of the values; null where it was given.")
    ] = None
    aic: float | None = None
    bic: float | None = None
    condition: Annotated[
        float | None,
        Field(description="Condition number of the Fisher matrix of relative changes; null if it is singular."),
    ] = None
    fitted: Annotated[Curves, Field(description="Expected values, for each observation.")] = _ABSENT
    fitted_standard_errors: Annotated[Curves, Field(description="Their standard errors, for each observation.")] = (
        _ABSENT
    )
    residuals: Annotated[Curves, Field(description="Values less expected values, for each observation.")] = _ABSENT
    profiles: list[ProfileReply] = Field(default_factory=list[ProfileReply])
    evaluations: Annotated[int | None, Field(description="Number of evaluations in all descents.")] = None
    starts: int | None = None
    descents: Annotated[int | None, Field(description="Number of starts that have a curve.")] = None
    warnings: list[EstimateWarning] = Field(default_factory=list[EstimateWarning])


class RankedModel(Reply):
    """A model in the ranking by Akaike's criterion."""

    model: str
    aic: float
    difference: Annotated[float, Field(description="To the criterion of the best model.")]
    weight: Annotated[float, Field(description="Akaike weight: relative likelihood among the models.")]


class FitReply(Reply):
    """The result of a fit. In npz, arrays are named by their paths, such as `models.0.fitted.0`."""

    job: str
    kind: Literal["fit"]
    models: Annotated[list[FittedModelReply], Field(description="`full` first, then those of the request.")]
    ranking: Annotated[list[RankedModel], Field(description="Models that could be fitted, the best first.")]
    level: Annotated[float, Field(description="Coverage of the intervals.")]
    request: Annotated[dict[str, JSONField], Field(description="The request, with drawn seeds and defaults filled in.")]
    version: str


class JobResult(RootModel[TableReply | FitReply]):
    """The result of a job: labelled arrays of a sweep or an experiment, or the estimates of a fit."""
