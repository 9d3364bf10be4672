"""Errors about values and names: short, without duplicates, with the nearest name, and without words of pydantic."""

import numpy as np
import pytest
from support.documents import NETWORKS, document, message, put
from support.rules import UNUSUAL_VALUES, broken

from lindyn.wire.balance import BalanceRequest, InitializationRequest
from lindyn.wire.conflicts import conflicts, conflicts_of_tasks
from lindyn.wire.continual import ContinualRequest
from lindyn.wire.document import InvalidDocumentError, read
from lindyn.wire.job import ExperimentRequest
from lindyn.wire.sweep import SCALARS, SweepRequest
from lindyn.wire.trajectory import QUANTITIES, TrajectoryRequest
from lindyn.wire.wording import nearest, with_choices

SWEEP = {"base": {}, "axes": [{"path": "network.lambda", "values": [1]}]}
AS_IN_TORCH = "transposed? W1 is (hidden, in) as in torch"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("singular_value", "singular_values"),
        ("Singular-Values", "singular_values"),
        ("LOSS", "loss"),
        ("los", "loss"),
        ("weight_norm", "weight_norms"),
        ("ntk_dist", "ntk_distance"),
        ("specificity", "task_specificity"),
        ("qq", "qqt"),
        ("temperature", None),
        ("", None),
        (7, None),
        (None, None),
        ("loss" * 100, None),
    ],
)
def test_nearest_names(name, near):
    assert nearest(name, QUANTITIES) == near


def test_names_that_differ_in_digits_are_not_suggested():
    figures = ["figure-3.1", "figure-3.6", "figure-4.8"]
    assert nearest("figure-3.7", figures) is None
    assert nearest("figure-9", figures) is None
    assert nearest("figure_31", figures) == "figure-3.1"
    assert nearest("Figure 4.8", figures) == "figure-4.8"


def test_choices_are_named_once():
    assert (
        with_choices("got 'flo'", "flo", ["flow", "exact"])
        == "got 'flo', did you mean 'flow'? Allowed are 'flow', 'exact'"
    )
    assert with_choices("got 'x'", "x", ["flow"], "there are") == "got 'x', there are 'flow'"
    assert with_choices("got 'f'", "flows", ["flow"], "there are") == "got 'f', did you mean 'flow'? There are 'flow'"


@pytest.mark.parametrize(
    ("path", "value", "where", "near"),
    [
        ("quantities", ["loss", "singular_value"], "quantities.1", "singular_values"),
        ("method", "exakt", "method", "exact"),
        ("method", {"kind": "flows"}, "method.kind", "flow"),
        ("network.kind", "ballanced", "network.kind", "balanced"),
        ("task.kind", "corelation", "task.kind", "correlation"),
        ("times", {"stop": 1, "spacing": "logarithmic"}, "times.spacing", None),
        ("times", {"stop": 1, "spacing": "lin"}, "times.spacing", "linear"),
        ("timeconstant", 1, "timeconstant", "time_constant"),
        ("quantites", [], "quantites", "quantities"),
        ("network.lamda", 1, "network.lamda", "lambda"),
        ("network.lam", 1, "network.lam", "lambda"),
        ("network.dim", 1, "network.dim", "dims"),
        ("task.sigma_xy", 1, "task.sigma_xy", "sigma_yx"),
        ("times", {"stop": 1, "numb": 1}, "times.numb", "num"),
        ("method", {"kind": "descent", "learning_rate": 1, "learningrate": 1}, "method.learningrate", "learning_rate"),
        ("method", {"kind": "flow", "rtoll": 1}, "method.rtoll", "rtol"),
    ],
)
def test_mistyped_names(path, value, where, near):
    """The nearest name is suggested, and all names are listed once."""
    ((found, text),) = broken(TrajectoryRequest, put(document(), path, value)).items()
    assert found == where
    assert ("did you mean" in text) == (near is not None)
    if near is not None:
        assert text.count(f"did you mean '{near}'? Allowed are ") == 1
        assert text.count(f"'{near}'") == 2
    assert text.lower().count("allowed are") == 1


@pytest.mark.parametrize(
    ("model", "whole", "where", "near"),
    [
        (SweepRequest, SWEEP | {"collect": ["final_los"]}, "collect.0", "final_loss"),
        (SweepRequest, SWEEP | {"collect": ["singular_value"]}, "collect.0", "singular_values"),
        (SweepRequest, SWEEP | {"tollerance": 1.0}, "tollerance", "tolerance"),
        (SweepRequest, {"base": {}, "axes": [{"path": "a", "value": [1], "values": [1]}]}, "axes.0.value", "values"),
        (ContinualRequest, message("continual", nums=3), "nums", "num"),
        (BalanceRequest, message("balance", weight=3), "weight", "weights"),
        (InitializationRequest, put(message("initialization"), "task.sigma_xxx", 1), "task.sigma_xxx", "sigma_xx"),
        (ExperimentRequest, {"parameter": {}}, "parameter", "parameters"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistyped_names_in_other_fields(model, whole, where, near):
    ((found, text),) = broken(model, whole).items()
    assert found == where
    assert f"did you mean '{near}'? Allowed are '" in text


def test_names_in_the_second_of_several_tasks():
    tasks = [{"task": {"kind": "semantic", "level": 1}}, {"task": {"kind": "regression", "samples": 1, "sed": 1}}]
    found = broken(ContinualRequest, message("continual", tasks=tasks))
    assert found == {
        "tasks.0.task.level": "this field is unknown, did you mean 'levels'? Allowed are 'kind', 'levels'",
        "tasks.1.task.sed": "this field is unknown, did you mean 'seed'? Allowed are 'kind', 'samples', 'seed'",
    }


def test_errors_list_all_that_a_sweep_can_collect():
    ((_, text),) = broken(SweepRequest, SWEEP | {"collect": ["x"]}).items()
    for name in (*SCALARS, *QUANTITIES):
        assert text.count(f"'{name}'") == 1


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        ("axes.0.path", "a b", "got 'a b', expected text like ^[a-z_0-9]+"),
        ("axes.0.path", "a" * 201, "got 201 characters, expected at most 200"),
        ("axes.0.path", 3, "got 3, expected text"),
        ("axes.0.values", "x", "got 'x', expected a list"),
        ("collect", "loss", "got 'loss', expected a list"),
        ("base", [], "got a value of type list, expected an object"),
    ],
)
def test_values_of_sweeps(path, value, text):
    ((where, said),) = broken(SweepRequest, put(SWEEP, path, value)).items()
    assert where == path
    assert said.startswith(text)


def test_keys_that_are_not_strings():
    ((where, said),) = broken(ExperimentRequest, {"parameters": {1: 2}}).items()
    assert where.startswith("parameters")
    assert said == "got 1, expected text"


def test_errors_have_no_messages_of_pydantic():
    """For unusual values in any field."""
    for whole, model, rule in (
        (document(times="grid", method={"kind": "flow"}), TrajectoryRequest, conflicts),
        (document("weights", "data"), TrajectoryRequest, conflicts),
        (message("continual"), ContinualRequest, conflicts_of_tasks),
        (SWEEP | {"collect": ["loss"]}, SweepRequest, None),
    ):
        for path in whole:
            for value in UNUSUAL_VALUES:
                try:
                    read(model, put(whole, path, value), rule)
                except InvalidDocumentError as error:
                    for _, text in error.errors:
                        assert "Input should" not in text
                        assert text.startswith(("got ", "this field is ", "matrix 1", "log spacing"))


W1, W2 = np.ones((3, 4)), np.ones((2, 3))


@pytest.mark.parametrize("task", [np.ones((2, 4)), {"kind": "regression", "samples": 3}], ids=["matrix", "drawn"])
def test_errors_of_transposed_layers_say_so(task):
    ((where, text),) = broken(
        TrajectoryRequest, document() | {"network": {"kind": "weights", "weights": [W1.T, W2.T]}, "task": task}
    ).items()
    assert where == "network.weights"
    assert text == f"matrix 1 takes 2 inputs but matrix 0 has 4 outputs; widths must chain; {AS_IN_TORCH}"


def test_errors_of_layers_that_do_not_match():
    network = {"kind": "weights", "weights": [np.ones((3, 4)), np.ones((2, 5))]}
    ((_, text),) = broken(TrajectoryRequest, document() | {"network": network}).items()
    assert text == "matrix 1 takes 5 inputs but matrix 0 has 3 outputs; widths must chain"


@pytest.mark.parametrize(
    ("weights", "task", "where", "text"),
    [
        (
            [np.ones((4, 3)), np.ones((3, 4))],
            np.eye(4),
            "task.sigma_yx",
            f"got shape (4, 4), the network's widths require (3, 3); are the weights {AS_IN_TORCH}",
        ),
        (
            [np.ones((4, 3)), np.ones((3, 4))],
            {"kind": "semantic", "levels": 2},
            "task.levels",
            f"got 2, which makes 4 items; the network's input width is 3; are the weights {AS_IN_TORCH}",
        ),
        (
            [W1, W2],
            np.ones((4, 2)),
            "task.sigma_yx",
            "got shape (4, 2), the network's widths require (2, 4); transposed? sigma_yx is (out, in)",
        ),
        ([W1, W2], np.ones((5, 5)), "task.sigma_yx", "got shape (5, 5), the network's widths require (2, 4)"),
        (
            [W1, W2],
            {"kind": "data", "inputs": np.ones((4, 9)), "targets": np.ones((4, 2)), "whiten": True},
            "task.inputs",
            "got 9 columns, the network's input width is 4; transposed? rows are samples",
        ),
    ],
    ids=["weights", "weights for a hierarchy", "task", "neither", "data"],
)
def test_errors_of_transposed_arrays_say_so(weights, task, where, text):
    whole = document() | {"network": {"kind": "weights", "weights": weights}, "task": task}
    with pytest.raises(InvalidDocumentError) as caught:
        read(TrajectoryRequest, whole, conflicts)
    assert caught.value.errors[0] == (where, text)
    assert sum("as in torch" in detail for _, detail in caught.value.errors) == ("as in torch" in text)


def test_errors_of_drawn_networks_do_not_mention_transposition():
    whole = document() | {"network": NETWORKS["balanced"] | {"dims": [3, 3, 4]}, "task": np.ones((3, 4))}
    ((_, text),) = broken(TrajectoryRequest, whole, conflicts).items()
    assert text == "got shape (3, 4), the network's widths require (4, 3); transposed? sigma_yx is (out, in)"


@pytest.mark.parametrize(("value", "name"), [(None, "null"), (True, "true"), (False, "false")])
def test_constants_are_named_as_in_json(value, name):
    """In a field, in a list of numbers, as an array, as the kind of an object, and as a name."""
    cases = [
        (put(document(), "time_constant", value), "time_constant"),
        (put(document(), "network.kind", value), "network.kind"),
        (put(document(), "network", value), "network"),
        (put(document(), "quantities", [value]), "quantities.0"),
        (put(document(), "times", value), "times"),
    ]
    for whole, path in cases:
        texts = broken(TrajectoryRequest, whole)
        assert f"got {name}," in texts[path]
    (text,) = broken(TrajectoryRequest, put(document(), "task", [[1.0, value], [0.0, 1.0]])).values()
    assert f"got {'null' if value is None else 'boolean'} among the entries" in text


def test_fields_have_one_name_each():
    """Models are made with `lam`, since `lambda` is a keyword of Python; documents have the published name."""
    network = {"kind": "balanced", "dims": [2, 2, 2], "lam": 1.0}
    found = broken(TrajectoryRequest, document() | {"network": network})
    assert found["network.lambda"] == "this field is required"
    assert found["network.lam"].startswith("this field is unknown, did you mean 'lambda'?")
