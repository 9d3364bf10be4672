"""Parameters, cells, tables and pictures of experiments."""

# pyright: reportUnknownMemberType=false
# (matplotlib has incomplete annotations)

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, cast

from lindyn.wire import npz
from lindyn.wire.tree import JSON
from lindyn.wire.wording import cut, json_type, shown_json, with_choices
from lindyn_service.dynamics.descent import DivergedError
from lindyn_service.errors import DivergedDescentError, InvalidRequestError
from lindyn_service.experiments.base import Experiment, Parameter, Values
from lindyn_service.experiments.registry import EXPERIMENTS
from lindyn_service.translate.figure import figure_reply
from lindyn_service.translate.table import Archive, read_table, table

Picture = Literal["svg", "png", "pdf", "json"]

_DOTS_PER_INCH = 150


def parameters(experiment: Experiment, overrides: Mapping[str, JSON]) -> Values:
    """Return all parameters of an experiment: the published ones, except where they are overridden.

    Raises:
        InvalidRequestError: an override is unknown, of the wrong kind or out of bounds.
    """
    errors: list[tuple[str, str]] = []
    for name, value in overrides.items():
        problem = (
            _wrong(experiment.parameters[name], value)
            if name in experiment.parameters
            else with_choices("this parameter is unknown", name, list(experiment.parameters))
        )
        if problem is not None:
            errors.append((f"parameters.{cut(name)}", problem))
    if errors:
        path, detail = errors[0]
        raise InvalidRequestError(f"{path}: {detail}", tuple(errors))
    converted = {name: _as_default(experiment.parameters[name], value) for name, value in overrides.items()}
    return {**experiment.defaults(), **converted}


def compute_cells(name: str, values: Values, numbers: Sequence[int]) -> Iterator[bytes]:
    """Compute some cells of an experiment, and yield the archive of each.

    Args:
        name: name of the experiment.
        values: values of all parameters.
        numbers: numbers of the cells.

    Raises:
        DivergedDescentError: training diverged.
    """
    experiment = EXPERIMENTS[name]
    cells = experiment.cells(values)
    try:
        for i in numbers:
            yield npz.pack({}, experiment.run(values, cells[i]))
    except DivergedError as error:
        raise DivergedDescentError(
            f"training diverged by step {error.step_number} with these parameters; decrease the learning rate or the "
            "scale"
        ) from None


def experiment_table(job: str, name: str, values: Values, records: Iterable[bytes], max_bytes: int) -> Archive:
    """Put all cells of an experiment into one table.

    Raises:
        TooLargeError: the table is larger than allowed.
    """
    results = [npz.unpack(record, largest_bytes=2 * len(record) + 2**16)[1] for record in records]
    content = EXPERIMENTS[name].tabulate(values, results)
    return table(job, name, content, {"parameters": values}, max_bytes=max_bytes)


def experiment_picture(archive: bytes, form: Picture) -> bytes:
    """Draw the table of an experiment."""
    import matplotlib as mpl  # noqa: PLC0415 (slow to import, and seldom used)

    content, rest = read_table(archive)
    kind = cast("str", rest["kind"])
    figure = EXPERIMENTS[kind].draw(content)
    if form == "json":
        return figure_reply(figure).model_dump_json().encode()
    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
    # the ids in SVG files are random without a salt, and journals do not take the fonts of type 3 in PDF files
    with mpl.rc_context({"svg.hashsalt": kind, "pdf.fonttype": 42}):
        figure.savefig(buffer, format=form, dpi=_DOTS_PER_INCH, metadata=metadata)
    return buffer.getvalue()


def _as_default(parameter: Parameter, value: JSON) -> JSON:
    """Convert an override to the number type of the default, as integers where the default is a float."""
    sample = parameter.default[0] if isinstance(parameter.default, list | tuple) else parameter.default
    kind = int if isinstance(sample, int) else float
    return (
        [kind(number) for number in cast("list[float]", value)]
        if isinstance(value, list)
        else kind(cast("float", value))
    )


def _wrong(parameter: Parameter, value: object) -> str | None:
    """Return what is wrong with an override, which must have the type of the default and be within its bounds."""
    is_list = isinstance(parameter.default, list | tuple)
    if is_list != isinstance(value, list):
        return f"got {json_type(type(value))}, expected {'a list of numbers' if is_list else 'a number'}"
    numbers = cast("list[object]", value) if isinstance(value, list) else [value]
    if not 1 <= len(numbers) <= parameter.longest:
        return f"got {len(numbers)} values, expected 1 to {parameter.longest}"
    sample = parameter.default[0] if isinstance(parameter.default, list | tuple) else parameter.default
    kind = int if isinstance(sample, int) else float
    for number in numbers:
        allowed = int if kind is int else int | float
        if isinstance(number, bool) or not isinstance(number, allowed):
            return f"got {shown_json(number)}, expected {'an integer' if kind is int else 'a number'}"
        if not parameter.low <= number <= parameter.high:
            return f"got {shown_json(number)}, expected {parameter.low:g} to {parameter.high:g}"
    return None
