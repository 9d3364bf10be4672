"""The public names and their signatures, compared with a file: `python tests/client/test_api.py` writes it."""

import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import lindyn
from lindyn._questions import AsyncQuestions, Questions
from lindyn.results.analysis import Fields
from lindyn.results.analysis_plots import AnalysisPlots
from lindyn.results.comparison_plots import ComparisonPlots
from lindyn.results.continual_plots import ContinualPlots
from lindyn.results.design_plots import DesignPlots
from lindyn.results.ensemble_plots import EnsemblePlots
from lindyn.results.files import Labelled, Saved
from lindyn.results.limits_plots import LimitsPlots
from lindyn.results.named import Named
from lindyn.results.plots import TrajectoryPlots
from lindyn.results.replied import Replied
from lindyn.results.sweep_plots import SweepPlots

MIXINS = (Questions, AsyncQuestions, Fields, Saved, Labelled, Named, Replied)
PLOTS = {
    "Analysis.plot": AnalysisPlots,
    "Comparison.plot": ComparisonPlots,
    "Continual.plot": ContinualPlots,
    "Design.plot": DesignPlots,
    "Ensemble.plot": EnsemblePlots,
    "Limits.plot": LimitsPlots,
    "SweepResult.plot": SweepPlots,
    "Trajectory.plot": TrajectoryPlots,
}
SNAPSHOT = Path(__file__).parent / "public_api.txt"


def lines() -> Iterator[str]:
    """One line for each public name, with its methods below it."""
    named = {name: getattr(lindyn, name) for name in lindyn.__all__}
    for name, found in sorted({**named, **PLOTS, "plots.style": lindyn.plots.style}.items()):
        if inspect.isclass(found):
            bases = ", ".join(base.__name__ for base in found.__bases__ if base not in (object, *MIXINS))
            yield f"class {name}({bases})"
            yield from sorted(f"    {line}" for line in members(found))
        else:
            yield f"def {name}{signature(found)}" if inspect.isfunction(found) else name


def members(kind: type) -> Iterator[str]:
    bases = [base for base in reversed(kind.__mro__) if base in MIXINS and base is not kind]
    inherited = {name: value for base in bases for name, value in vars(base).items()}
    for name, value in (inherited | dict(vars(kind))).items():
        if name.startswith("_") and name not in ("__init__", "__call__"):
            continue
        if isinstance(value, property):
            yield f"property {name}"
        elif isinstance(value, classmethod | staticmethod):
            yield f"classmethod {name}{signature(value.__func__)}"
        elif inspect.isfunction(value):
            yield f"{'async ' * inspect.iscoroutinefunction(value)}def {name}{signature(value)}"
    if "__dataclass_fields__" in vars(kind):
        yield from (f"field {name}" for name in kind.__dataclass_fields__)


def signature(function: Callable[..., object]) -> str:
    """Names, kinds and defaults; the text of types differs between versions of numpy."""
    found = inspect.signature(function)
    bare = [each.replace(annotation=inspect.Parameter.empty) for each in found.parameters.values()]
    return str(found.replace(parameters=bare, return_annotation=inspect.Signature.empty))


def test_the_public_api_is_unchanged() -> None:
    assert list(lines()) == SNAPSHOT.read_text().splitlines(), "if that is meant: python tests/client/test_api.py"


def test_all_public_names_exist() -> None:
    assert lindyn.__all__ == sorted(lindyn.__all__, key=lambda name: (name.islower(), name))
    assert set(dir(lindyn)) == {*lindyn.__all__, "__version__"}
    assert not hasattr(lindyn, "nothing")
    assert all(getattr(lindyn, name).__doc__ for name in lindyn.__all__ if name != "FloatArray")


def test_public_names_belong_to_the_package() -> None:
    """In tracebacks and pickles, whichever module defines them."""
    members = {name: getattr(lindyn, name) for name in lindyn.__all__ if name not in ("FloatArray", "plots")}
    assert {name: member.__module__ for name, member in members.items() if member.__module__ != "lindyn"} == {}
    command = "from lindyn.errors import RequestError; print(RequestError)"  # before the package was asked for the name
    said = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, timeout=120, check=True)
    assert said.stdout == "<class 'lindyn.RequestError'>\n"
    assert pickle.dumps(lindyn.balanced).count(b"builders") == 0


if __name__ == "__main__":
    SNAPSHOT.write_text("\n".join(lines()) + "\n")
