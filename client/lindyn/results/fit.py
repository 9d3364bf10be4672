"""Results of fits: estimates of each model, their ranking, tables and pictures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from lindyn._public import public
from lindyn.errors import UnknownNameError
from lindyn.results.files import Saved
from lindyn.results.io import Parts
from lindyn.results.named import Named
from lindyn.results.replied import Replied
from lindyn.results.table import Columns, selected
from lindyn.wire.array import FloatArray
from lindyn.wire.fit_reply import BySubject, EstimateWarning, FitReply, FittedModelReply, Interval, RankedModel
from lindyn.wire.tree import JSON, Tree, array_from_lists, split, unflatten
from lindyn.wire.wording import not_part_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FIT = "fit"
"""Kind of the jobs."""

_ARRAYS = ("covariance", "fitted", "fitted_standard_errors", "residuals")
_IN_PROFILES = ("values", "log_likelihood_ratios")


@public
@dataclass(frozen=True, repr=False, eq=False)
class Fit(Replied, Saved, Named):
    """Estimates of each model: `fit.estimates` are those of the full one, `fit["lazy"]` is another model.

    Attributes:
        models: models by name, `full` first, each with `estimates`, `standard_errors`, `intervals`, `covariance`,
            `log_likelihood`, `chi2`, `dof`, `sigma`, `aic`, `bic`, `condition`, `fitted`, `residuals` (one array for
            each observation), `profiles` and `warnings`; or with the `problem` for which it could not be fitted.
        reply: the whole reply, with the request and its drawn seeds.
    """

    models: Mapping[str, FittedModelReply]
    reply: FitReply

    @property
    def full(self) -> FittedModelReply:
        """The model in which all parameters are free."""
        return next(iter(self.models.values()))

    @property
    def best(self) -> FittedModelReply:
        """The model with the least value of Akaike's criterion."""
        return self.models[self.reply.ranking[0].model]

    @property
    def ranking(self) -> list[RankedModel]:
        """The models that could be fitted, the best first, with differences and weights."""
        return self.reply.ranking

    @property
    def estimates(self) -> Mapping[str, BySubject]:
        """Estimates of the full model by path, and where they are those of subjects, by subject."""
        return self.full.estimates

    @property
    def standard_errors(self) -> Mapping[str, BySubject]:
        """Standard errors of the full model."""
        return self.full.standard_errors

    @property
    def intervals(self) -> Mapping[str, Interval | dict[str, Interval]]:
        """Intervals of the full model, by profile likelihood."""
        return self.full.intervals

    @property
    def warnings(self) -> Sequence[EstimateWarning]:
        """Warnings about the estimates of the full model."""
        return self.full.warnings

    @property
    def observations(self) -> list[dict[str, Any]]:
        """The observations of the request, with arrays for times and values."""
        given = cast("list[dict[str, Any]]", self.reply.request["observations"])
        return [{**each, "times": np.array(each["times"]), "values": np.array(each["values"])} for each in given]

    def table(self) -> str:
        """Return estimates, standard errors and intervals of all models, and the ranking, as text."""
        return "\n".join(
            [
                *(line for model in self.models.values() for line in [_title(model), *map(_row, rows_of(model))]),
                "ranking by AIC: " + ", ".join(f"{each.model} (+{each.difference:.2f})" for each in self.ranking),
            ]
        )

    def plot(self, model: str | None = None) -> "Figure":
        """Draw data, fitted curves with bands of one standard error, residuals, and the profiles of the parameters.

        Args:
            model: name of the model; by default the full one.

        Raises:
            MissingLibraryError: matplotlib is not installed.
            UnknownNameError: there is no such model, or it could not be fitted.
        """
        from lindyn.results.axes import check_name  # noqa: PLC0415 (imports matplotlib)
        from lindyn.results.fit_plots import fit_figure  # noqa: PLC0415 (imports matplotlib)

        check_name(model)
        chosen = self.full if model is None else self[model]
        if chosen.problem is not None:
            raise UnknownNameError(f"the model {chosen.name!r} could not be fitted: {chosen.problem.detail}")
        return fit_figure(self.observations, chosen)

    @property
    def document(self) -> dict[str, Any]:
        """The reply as a JSON document whose curves, covariances and profiles are arrays."""
        return self.reply.model_dump(by_alias=True)

    def __getitem__(self, name: str) -> FittedModelReply:
        """Return a model by its name.

        Raises:
            UnknownNameError: there is no such model; this is also a KeyError.
        """
        if name not in self.models:
            raise UnknownNameError(not_part_of("fit", name, self.models))
        return self.models[name]

    def __repr__(self) -> str:
        warnings = "".join(f"\n  warning {each.code}: {each.detail}" for each in self.warnings)
        return f"<Fit of {len(self.models)} models\n{self.table()}{warnings}>"

    def _repr_html_(self) -> str:
        from lindyn.results.html import fit_html  # noqa: PLC0415 (needed in notebooks only)

        rows = {name: list(rows_of(model)) for name, model in self.models.items()}
        return fit_html(rows, self.reply)

    def _parts(self) -> Parts:
        return split(cast("dict[str, Tree]", self.document))

    def _document(self) -> Mapping[str, object]:
        return self.document

    def _columns(self, names: Sequence[str]) -> Columns:
        """Return a row for each parameter of each model."""
        rows = [(model.name, *row) for model in self.models.values() for row in rows_of(model)]
        found: Columns = {
            "model": [row[0] for row in rows],
            "parameter": [row[1] for row in rows],
            "estimate": np.array([row[2] for row in rows]),
            "standard_error": np.array([np.nan if row[3] is None else row[3] for row in rows]),
            "low": np.array([row[4][0] for row in rows]),
            "high": np.array([row[4][1] for row in rows]),
        }
        return selected(names, found, "table")


def rows_of(model: FittedModelReply) -> Iterator[tuple[str, float, float | None, Interval]]:
    """Yield the name, estimate, standard error and interval of each parameter of a model."""
    for each in model.parameters if model.problem is None else ():
        estimate, error, interval = (
            _of(found[each.path], each.subject) for found in (model.estimates, model.standard_errors, model.intervals)
        )
        name = each.path if each.subject is None else f"{each.path} of {each.subject}"
        yield name, cast("float", estimate), cast("float | None", error), cast("Interval", interval)


def _of(value: object, subject: str | None) -> object:
    return value if subject is None else cast("Mapping[str, object]", value)[subject]


def _title(model: FittedModelReply) -> str:
    if model.problem is not None:
        return f"{model.name}: not fitted ({model.problem.detail})"
    sigma = "" if model.sigma is None else f", sigma {model.sigma:.3g}"
    return f"{model.name}: AIC {model.aic:.2f}, BIC {model.bic:.2f}, log-likelihood {model.log_likelihood:.2f}{sigma}"


def _row(row: tuple[str, float, float | None, Interval]) -> str:
    name, estimate, error, (low, high) = row
    spread = "not determined" if error is None else f"± {error:.2g}"
    return f"  {name:<24} {estimate:>10.4g} {spread:<14} [{low:.4g}, {high:.4g}]"


def fit_from_parts(metadata: Mapping[str, JSON], arrays: Mapping[str, FloatArray]) -> Fit:
    """Build a fit from the JSON part of the reply and its arrays by path."""
    return _fit(unflatten(arrays, dict(metadata)))


def fit_from_document(document: Mapping[str, JSON]) -> Fit:
    """Build a fit from a reply in JSON."""
    models = cast("Sequence[dict[str, Any]]", document["models"])
    return _fit({**document, "models": [_with_arrays(model) for model in models]})


def _with_arrays(model: Mapping[str, Any]) -> dict[str, Tree]:
    """Return a model with arrays for its curves, covariance and profiles."""
    found: dict[str, Any] = dict(model)
    for name in _ARRAYS:
        if found.get(name) is not None:
            value = found[name]
            found[name] = (
                array_from_lists(value) if name == "covariance" else [array_from_lists(each) for each in value]
            )
    profiles = cast("Sequence[Mapping[str, JSON]]", found.get("profiles", ()))
    found["profiles"] = [{name: array_from_lists(each[name]) for name in _IN_PROFILES} for each in profiles]
    return found


def _fit(document: Mapping[str, Tree]) -> Fit:
    reply = FitReply.model_validate(document)
    return Fit({model.name: model for model in reply.models}, reply)
