"""Which fits are taken: paths that lead to numbers, curves that exist, and work within the limits."""

from dataclasses import replace

import numpy as np
import pytest
from support.documents import put
from support.fits import LIMITS, admitted, request, three_parameters

from lindyn_service.errors import InvalidRequestError, ServiceError, TooLargeError

TIMES = [0.5, 1.0, 2.0, 4.0]
FIT = request(TIMES, [4.0, 3.0, 2.0, 1.0], sigma=0.1)


def refused(document, limits=LIMITS):
    with pytest.raises(ServiceError) as caught:
        admitted(document, limits)
    return caught.value


def free(path, *bounds, **changes):
    return [{"path": path, "bounds": list(bounds), **changes}]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("network.lamda", "did you mean 'lambda'?"),
        ("network.depth", "is not a field of a trajectory request"),
        ("nowhere.at.all", "does not exist"),
        ("network.dims.0", "no number that can vary"),
        ("network.dims", "no number that can vary"),
        ("network.seed", "expected an integer"),
        ("network.aligned", "expected true or false"),
        ("network.kind", "no number that can vary"),
        ("network", "no number that can vary"),
        ("task", "no number that can vary"),
        ("method", "expected 'auto'"),
        ("time_constant.x", "time_constant"),
    ],
)
def test_parameters_that_do_not_exist_or_are_no_numbers(path, text):
    document = put(FIT, "free", free(path, 0.5, 1.5))
    document["base"]["network"] |= {"lambda": 0.5}
    error = refused(document)
    assert isinstance(error, InvalidRequestError)
    assert error.errors[0][0] == "free.0.path"
    assert text in error.errors[0][1], error.errors


@pytest.mark.parametrize("path", ["network.lambda", "time_constant", "weight_decay", "task.0.1", "learning_rates.0"])
def test_every_number_of_the_base_request_can_be_free(path):
    document = put(FIT, "free", free(path, 0.5, 1.5))
    document["base"]["network"] |= {"lambda": 0.5}
    document["base"] |= {"learning_rates": [1.0, 2.0]}
    assert admitted(document).free[0].path == path


@pytest.mark.parametrize(
    ("quantity", "text"),
    [
        ("los", "did you mean 'loss'?"),
        ("output", "3 x 3 numbers at each time; name one number, such as output.0.0"),
        ("singular_values", "such as singular_values.0"),
        ("singular_values.3", "is no index of 3 entries"),
        ("singular_values.x", "is no index of 3 entries"),
        ("singular_values.00", "is no index of 3 entries"),
        ("loss.0", "more parts than the quantity"),
        ("alignment", "such as alignment.input.0"),
        ("alignment.x", "has the parts input, output"),
        ("weights", "such as weights.0.0.0"),
        ("weights.0", "such as weights.0.0.0"),
        ("weights.2.0.0", "is no index of 2 entries"),
    ],
)
def test_quantities_that_are_not_one_number_at_each_time(quantity, text):
    error = refused(put(FIT, "observations.0.quantity", quantity))
    assert error.errors[0][0] == "observations.0.quantity"
    assert text in error.errors[0][1], error.errors


@pytest.mark.parametrize("quantity", ["ntk_norm", "alignment.input.1", "weights.1.2.0", "balance.residual", "qqt.5.0"])
def test_quantities_that_are(quantity):
    assert admitted(put(FIT, "observations.0.quantity", quantity))


@pytest.mark.parametrize(
    ("path", "value", "where", "text"),
    [
        ("base.network.dims", [3, 4], "base.network.dims", "has three"),
        ("base.network", "balanced", "free.0.path", "leads through 'network', which has no parts"),
        ("base.task", [[1.0]], "base.task", "the network's widths require"),
        ("base.tsk", 1, "base.tsk", "unknown"),
        ("base.method", {"kind": "flow", "rtol": 1.0}, "base.method.rtol", "expected at most"),
        ("base.network.dims", [3, 4, 3], "free.0.bounds", "lambda > 0 needs hidden <= out"),
        ("free", free("weight_decay", -1.0, 1.0, start=0.5), "free.0.bounds", "expected at least 0; narrow the bounds"),
        ("free", free("network.scale", -1.0, 1.0, start=0.5), "free.0.bounds", "narrow the bounds"),
        ("models", [{"name": "a", "set": {"network.lamda": 1.0}}], "models.0.set.network.lamda", "unknown"),
        ("models", [{"name": "a", "set": {"network.scale": -1.0}}], "models.0.set.network.scale", "expected"),
        ("models", [{"name": "a", "set": {"x.y": 1.0}}], "models.0.set.x.y", "does not exist"),
        (
            "models",
            [{"name": "a", "set": {"network.kind": "wide", "network.scheme": "he"}, "free": ["network.scale"]}],
            "models.0.free",
            "is not a field",
        ),
    ],
    ids=str,
)
def test_what_is_wrong_with_the_base_or_a_model(path, value, where, text):
    document = put(FIT, path, value)
    if where != "free.0.bounds" or path == "free":
        document["base"]["network"] = (
            {"lambda": 0.5, **document["base"]["network"]}
            if isinstance(document["base"]["network"], dict)
            else document["base"]["network"]
        )
    error = refused(document)
    assert any(each.startswith(where) for each, _ in error.errors), error.errors
    assert any(text in detail for _, detail in error.errors), error.errors


def test_seeds_that_are_left_out_are_drawn():
    document = put(
        FIT, "models", [{"name": "a", "set": {"network": {"kind": "random", "dims": [3, 2, 3], "scheme": "he"}}}]
    )
    del document["base"]["network"]["seed"]
    stored = admitted(document)
    assert isinstance(stored.base["network"]["seed"], int)
    assert isinstance(stored.models[0].set["network"]["seed"], int)


def test_arrays_anywhere():
    document = put(FIT, "base.task", np.eye(3, dtype=np.float32))
    assert admitted(document).base["task"] == np.eye(3).tolist()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"point_flops": 1e3}, "a curve is estimated to take"),
        ({"job_flops": 1e6}, "LINDYN_MAX_JOB_FLOPS"),
        ({"points": 10}, "descents and profiles, the limit is 10"),
        ({"request_bytes": 100}, "bytes as JSON, the limit is 100"),
        ({"result_bytes": 100}, "the result is estimated to take"),
    ],
    ids=str,
)
def test_fits_that_are_too_large_name_the_limit(changes, text):
    error = refused(FIT, replace(LIMITS, **changes))
    assert isinstance(error, TooLargeError)
    assert text in error.detail


def test_work_grows_with_starts_parameters_and_models():
    from lindyn_service.jobs.fit_plan import FitPlan
    from lindyn_service.operations.fit_costs import fit_cost
    from lindyn_service.translate.fit_models import models_of

    def cost(document):
        stored = admitted(document)
        return fit_cost(stored, models_of(stored))

    few = cost({**FIT, "starts": 2})
    assert cost({**FIT, "starts": 8}) > 1.5 * few
    assert cost({**FIT, "starts": 2, "models": [{"name": "same"}]}) == pytest.approx(2 * few)
    one = put({**FIT, "starts": 2}, "free", three_parameters()[:1])
    one["base"]["network"]["scale"] = 0.2
    assert cost(one) < few / 2
    plan = FitPlan(admitted(FIT), 10**8)
    assert plan.flops_per_point * plan.total == pytest.approx(cost(FIT))
