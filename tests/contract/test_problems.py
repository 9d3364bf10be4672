"""Refusals: status, code, path, what was got, what is allowed, what to do; one shape on all routes."""

import json
import re
import zipfile

import numpy as np
import pytest
from support.archives import message, npy, zipped
from support.documents import EYE, document, put
from support.holding import held
from support.service import NPZ, TRAJECTORIES, as_npz, ask, post, problem, said

pytestmark = pytest.mark.live

JSON = "application/json"
ANALYSES = ["/v1/initializations", "/v1/balance", "/v1/balance/statistics", "/v1/limits", "/v1/continual"]
ANALYSES += ["/v1/ensembles", "/v1/designs"]
JOB = "/v1/jobs/none"
ROUTES = {
    TRAJECTORIES: ["POST"],
    f"{TRAJECTORIES}/{64 * '0'}": ["GET"],
    **{path: ["POST"] for path in ANALYSES},
    "/v1/sweeps": ["POST"],
    "/v1/fits": ["POST"],
    "/v1/experiments": ["GET"],
    "/v1/experiments/none": ["POST"],
    "/v1/jobs": ["GET"],
    JOB: ["GET", "DELETE"],
    f"{JOB}/result": ["GET"],
    f"{JOB}/figure.svg": ["GET"],
    f"{JOB}/figure.png": ["GET"],
    f"{JOB}/figure.pdf": ["GET"],
    f"{JOB}/figure.json": ["GET"],
    f"{JOB}/events": ["GET"],
    "/healthz": ["GET"],
    "/readyz": ["GET"],
    "/v1/about": ["GET"],
    "/openapi.json": ["GET"],
    "/": ["GET"],
    "/docs": ["GET"],
}
FOR_PEOPLE = ("/openapi.json", "/", "/docs")
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def network(n_in, n_hidden, n_out, lam=1.0):
    return {"kind": "balanced", "dims": [n_in, n_hidden, n_out], "lambda": lam, "seed": 1}


@pytest.mark.parametrize(
    "path", ["/v1", "/nothing", "/v1/trajectories/a/b", "/healthz/x", "/docs/x", "/explorer/", "/nothing%0A", "/%ff"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_unknown_paths(service, method, path):
    assert path.split("%")[0] in problem(service.request(method, path), 404, "not-found")["detail"]


@pytest.mark.parametrize("path", ROUTES)
def test_unsupported_methods(service, path):
    for method in METHODS:
        if method not in ROUTES[path]:
            response = service.request(method, path)
            assert method in problem(response, 405, "method-not-allowed")["detail"]
            assert set(response.headers["allow"].split(", ")) - {"HEAD"} == set(ROUTES[path])


def test_the_openapi_document_has_all_routes(service):
    """Besides itself and the pages for people, the document lists the routes in the tables of this file."""
    paths = service.get("/openapi.json").json()["paths"]
    parameters = {64 * "0": "{key}", "jobs/none": "jobs/{job_id}", "none": "{name}"}
    known = {path: {method.lower() for method in methods} for path, methods in ROUTES.items()}
    for value, parameter in parameters.items():
        known = {path.replace(value, parameter): methods for path, methods in known.items()}
    assert {path: set(operations) for path, operations in paths.items()} == {
        path: methods for path, methods in known.items() if path not in FOR_PEOPLE
    }


@pytest.mark.parametrize("key", [64 * "0", "x", 64 * "g", 5000 * "a", "%0A", "%00", "%ff", "..", "*", "a.json", "é"])
def test_keys_without_a_stored_answer(service, key):
    body = problem(service.get(f"{TRAJECTORIES}/{key}"), 404, "not-found")
    assert "post the request again" in body["detail"] or "not found" in body["detail"]
    assert len(body["detail"]) < 500


@pytest.mark.parametrize(
    ("content_type", "got"),
    [
        (None, "none"),
        ("", "none"),
        ("text/plain", "text/plain"),
        ("application/x-www-form-urlencoded", "application/x-www-form-urlencoded"),
        ("multipart/form-data; boundary=x", "multipart/form-data"),
        ("application/octet-stream", "application/octet-stream"),
        ("application/jsonl", "application/jsonl"),
    ],
)
def test_unsupported_content_types(service, content_type, got):
    headers = {} if content_type is None else {"Content-Type": content_type}
    body = problem(service.post(TRAJECTORIES, content=b"{}", headers=headers), 415, "unsupported-media-type")
    for text in (f"got content type {got};", JSON, NPZ):
        assert text in body["detail"]


@pytest.mark.parametrize("content_type", [JSON, "application/json; charset=utf-8", "Application/JSON"])
def test_content_types_of_json(service, content_type):
    response = service.post(TRAJECTORIES, json=document(), headers={"Content-Type": content_type})
    assert response.status_code == 200


DEEP = b"[" * 100_000


@pytest.mark.parametrize(
    ("content_type", "content", "text"),
    [
        (JSON, b"", "the body is not JSON"),
        (JSON, b"{", "the body is not JSON"),
        (JSON, b'{"times": [0, 1,]}', "line 1 column 17"),
        (JSON, b"{'times': 1}", "the body is not JSON"),
        (JSON, b"\xff\xfe", "the body is not JSON"),
        (JSON, b'"\xff"', "the body is not JSON"),
        (JSON, b'"\\ud800"', "the body is not JSON"),
        (JSON, b"{} {}", "the body is not JSON"),
        (JSON, b'{"time_constant": 1' + 5000 * b"0" + b"}", "the body is not JSON"),
        (JSON, b'{"times": [1.0], "times": [2.0]}', "the field 'times' occurs twice in one object; give it once"),
        (JSON, b'{"network": {"lambda": 1, "lambda": 2}}', "the field 'lambda' occurs twice"),
        (JSON, b'{"base": [1, {"x": ":"}, [{"y": 1, "\\u0079": 2}]]}', "the field 'y' occurs twice"),
        (JSON, DEEP, "the body is not JSON"),
        (JSON, as_npz(document()), "the body is not JSON"),
        (NPZ, b"", "np.savez(file, metadata=json_text, **arrays)"),
        (NPZ, b"{}", "np.savez(file, metadata=json_text, **arrays)"),
        (NPZ, as_npz(document())[:-1], "np.savez"),
        (NPZ, zipped([("times.npy", npy([0.0]))]), "no entry 'metadata'"),
        (NPZ, message([1]), "must hold a JSON object, got list"),
        (NPZ, message({}, times=np.array([print], dtype=object)), "entry 'times.npy' of shape (1,) and type object"),
        (NPZ, message({}, zipfile.ZIP_LZMA), "neither stored nor deflated"),
        (NPZ, message({}, zipfile.ZIP_DEFLATED, times=np.zeros(2**23)), "67108864 bytes are read"),
        (NPZ, message({}, **{f"x{i}": 0.0 for i in range(256)}), "at most 256 entries"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_malformed_bodies(service, content_type, content, text):
    response = service.post(TRAJECTORIES, content=content, headers={"Content-Type": content_type})
    body = problem(response, 400, "malformed-body")
    assert text in body["detail"]
    assert body["errors"] == []


@pytest.mark.parametrize(
    ("changes", "path", "texts"),
    [
        ({"more": 1}, "more", ["unknown"]),
        ({"network": {**network(2, 2, 2), "more": 1}}, "network.more", ["unknown"]),
        ({"network": {}}, "network.kind", ["required"]),
        ({"network": {"kind": "deep"}}, "network.kind", ["got 'deep'", "'weights', 'balanced', 'random'"]),
        ({"network": network(2, 0, 2)}, "network.dims.1", ["got 0", "at least 1"]),
        ({"network": network(2, 10**400, 2)}, "network.dims.1", ["more than 80 digits", "at most 100000"]),
        ({"network": network(2, True, 2)}, "network.dims.1", ["got true", "integer"]),
        ({"network": network(2, 2, 2, "1")}, "network.lambda", ["got '1'", "number"]),
        ({"network": network(2, 2, 2, False)}, "network.lambda", ["got false", "number"]),
        ({"network": network(2, 2, 2, float("nan"))}, "network.lambda", ["got nan", "finite"]),
        ({"network": network(2, 2, 2, -1e71)}, "network.lambda", ["got -1e+71", "at least -1e+70"]),
        ({"network": {"kind": "weights", "weights": [EYE, [[1, 2, 3]]]}}, "network.weights", ["takes 3", "has 2"]),
        ({"network": {"kind": "weights", "weights": [EYE, [[1, 2], [3]]]}}, "network.weights.1", ["lengths (1 and 2)"]),
        ({"network": {"kind": "weights", "weights": [EYE, [[1e71, 2]]]}}, "network.weights.1", ["1e+71 at [0, 0]"]),
        ({"task": [[1.0, float("inf")], [0.0, 1.0]]}, "task", ["got inf at [0, 1]", "finite"]),
        ({"task": [[1.0, True], [0.0, 1.0]]}, "task", ["got boolean among the entries at [0]", "numbers"]),
        ({"task": [[], []]}, "task", ["empty", "(2, 0)"]),
        ({"task": [[1.0, 2.0]]}, "task.sigma_yx", ["got shape (1, 2)", "(2, 2)"]),
        ({"task": {"kind": "semantic", "levels": 2}}, "task.levels", ["got 2", "4 items", "width is 2"]),
        ({"task": {"kind": "spectrum", "singular_values": [1, -1]}}, "task.singular_values", ["got -1", ">= 0"]),
        ({"times": [0, float("nan")]}, "times", ["got nan at [1]", "finite"]),
        ({"times": [1, 0]}, "times", ["got 0.0 after 1.0", "ascend"]),
        ({"times": {"stop": 1, "spacing": "log"}}, "times", ["got start = 0", "start > 0"]),
        ({"times": {"stop": 1, "num": 10**6 + 1}}, "times.num", ["got 1000001", "at most 1000000"]),
        ({"time_constant": 0}, "time_constant", ["got 0", "at least 1e-70"]),
        ({"quantities": ["loss", "accuracy"]}, "quantities.1", ["got 'accuracy'", "'loss'", "'balance'"]),
        ({"method": "euler"}, "method", ["got 'euler'", "'auto', 'exact', 'flow', 'descent'"]),
    ],
    ids=lambda value: str(value)[:40],
)
def test_invalid_fields(service, changes, path, texts):
    content = json.dumps(document() | changes)  # NaN and Infinity as Python writes them
    body = problem(service.post(TRAJECTORIES, content=content, headers={"Content-Type": JSON}), 422, "invalid-request")
    assert {error["path"] for error in body["errors"]} == {path}
    assert body["detail"] == f"{path} is invalid"
    for text in texts:
        assert text in said(body)


@pytest.mark.parametrize("content", [b"null", b"[]", b"3", b'"x"', b"true"])
def test_json_that_is_not_an_object(service, content):
    response = service.post(TRAJECTORIES, content=content, headers={"Content-Type": JSON})
    body = problem(response, 422, "invalid-request")
    assert body["errors"][0]["path"] == ""
    assert body["detail"] == "the body is invalid"
    assert "expected an object" in body["errors"][0]["detail"]


def test_every_invalid_field_is_listed(service):
    body = problem(post(service, {"more": 1, "time_constant": -1, "times": []}), 422, "invalid-request")
    assert {error["path"] for error in body["errors"]} == {"more", "time_constant", "times", "network", "task"}
    assert body["detail"] == "network, task, times and 2 more are invalid"


def test_a_field_with_two_errors_is_named_once(service):
    whole = document() | {"task": {"kind": "semantic", "levels": 3}}
    body = problem(post(service, whole), 422, "invalid-request")
    assert [error["path"] for error in body["errors"]] == ["task.levels", "task.levels"]
    assert body["detail"] == "task.levels is invalid"
    body = problem(post(service, document(time_constant=0, more=1)), 422, "invalid-request")
    assert body["detail"] == "time_constant and more are invalid"


@pytest.mark.parametrize(
    ("changes", "path", "near"),
    [
        ({"quantities": ["singular_value"]}, "quantities.0", "singular_values"),
        ({"quantites": ["loss"]}, "quantites", "quantities"),
        ({"method": "exat"}, "method", "exact"),
    ],
)
def test_mistyped_names_are_reported_once_with_the_nearest_name(service, changes, path, near):
    response = post(service, document() | changes)
    body = problem(response, 422, "invalid-request")
    assert [error["path"] for error in body["errors"]] == [path]
    assert response.text.count(f"did you mean '{near}'?") == 1
    assert response.text.count(f"'{near}'") == 2


@pytest.mark.parametrize(
    ("name", "array", "path", "text"),
    [
        ("times", np.array([0.0, np.nan]), "times", "got nan at [1]"),
        ("times", np.array(["0", "1"]), "times", "got an array of <U1"),
        ("times", np.array([False, True]), "times", "got an array of bool"),
        ("times", np.array([1, 2], "M8[D]"), "times", "got an array of datetime64[D], expected real numbers"),
        ("times", np.array([b"0", b"1"]), "times", "got an array of |S1, expected real numbers"),
        ("times", np.array([0, 1j]), "times", "got an array of complex128, expected real numbers"),
        ("times", np.eye(2), "times", "got 2 dimensions, expected 1"),
        ("task.sigma_yx", np.ones((2, 3)), "task.sigma_yx", "got shape (2, 3)"),
        ("task.sigma_yx", np.ones((2, 0)), "task.sigma_yx", "got an empty array of shape (2, 0)"),
        ("task.sigma_xx.0", np.ones(2), "task.sigma_xx.0", "does not fit the metadata"),
        ("task.inputs", np.eye(2), "task.inputs", "unknown"),
        ("network.dims.7", np.array(2), "network.dims.7", "skips an index"),
        ("network.kind.0", np.array(2), "network.kind.0", "does not fit the metadata"),
        ("network.kind", np.zeros(2), "network.kind", "got a value of type ndarray"),
        ("time_constant", np.array("1"), "time_constant", "got '1', expected a number"),
        ("time_constant", np.array(True), "time_constant", "got true, expected a number"),
        ("quantities." + "9" * 5000, np.array(1), "quantities." + "9" * 66 + "...", "does not fit the metadata"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_invalid_arrays(service, name, array, path, text):
    content = message(document(), **{name.replace(".", "__"): array})
    body = problem(service.post(TRAJECTORIES, content=content, headers={"Content-Type": NPZ}), 422, "invalid-request")
    assert [error["path"] for error in body["errors"]] == [path]
    assert text in body["errors"][0]["detail"]


@pytest.mark.parametrize("metadata", ['{"\\ud800": 1}', '{"method": "\\ud800"}', '{"network": {"kind": "\\ud800"}}'])
def test_metadata_with_lone_surrogates(service, metadata):
    content = zipped([("metadata.npy", npy(metadata))])
    problem(service.post(TRAJECTORIES, content=content, headers={"Content-Type": NPZ}), 400, "malformed-body")


def correlation(**fields):
    return {"kind": "correlation", "sigma_yx": [[1.0, 0.0], [0.0, 2.0]], **fields}


@pytest.mark.parametrize(
    ("task", "path", "texts"),
    [
        (correlation(sigma_xx=[[1.0, 0.5], [0.0, 1.0]]), "task.sigma_xx", ["not symmetric"]),
        (correlation(sigma_xx=[[1.0, 2.0], [2.0, 1.0]]), "task.sigma_xx", ["eigenvalue -1", "no eigenvalues below 0"]),
        (
            correlation(sigma_xx=[[1.0, 0.0], [0.0, 0.0]]),
            "task.sigma_yx",
            ["directions in which sigma_xx has no inputs"],
        ),
        (correlation(sigma_yy_trace=4.9), "task.sigma_yy_trace", ["got 4.9", "at least 5"]),
        (correlation(sigma_xx=[[2, 0], [0, 2]], sigma_yy_trace=2), "task.sigma_yy_trace", ["got 2", "at least 2.5"]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_moments_of_no_data(service, task, path, texts):
    body = problem(post(service, document(task="spectrum") | {"task": task}), 422, "invalid-request")
    assert [error["path"] for error in body["errors"]] == [path]
    for text in texts:
        assert text in body["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("dims", "lam", "inequality"),
    [
        ((3, 4, 2), 1.5, "lambda > 0 needs hidden <= out, got lambda = 1.5, hidden = 4, out = 2"),
        ((3, 4, 5), -1.5, "lambda < 0 needs hidden <= in, got lambda = -1.5, hidden = 4, in = 3"),
    ],
)
def test_infeasible_balance(service, dims, lam, inequality):
    task = {"kind": "regression", "samples": 20, "seed": 1}
    body = problem(
        post(service, document() | {"network": network(*dims, lam), "task": task}), 422, "infeasible-balance"
    )
    assert body["detail"] == inequality
    assert body["errors"] == [{"path": "network.lambda", "detail": "no balanced weights exist for these widths"}]


def test_infeasible_balance_within_the_span_of_the_inputs(service):
    """Two samples span two of three dimensions, where three hidden units cannot have lambda < 0."""
    task = {"kind": "data", "inputs": [[1, 0, 0], [1, 1, 0]], "targets": [[1, 2, 3], [3, 2, 1]], "whiten": True}
    body = problem(
        post(service, document() | {"network": network(3, 3, 3, -1), "task": task}), 422, "infeasible-balance"
    )
    assert "lambda < 0 needs hidden <= in" in body["detail"]
    assert "the inputs span 2 of 3 dimensions" in body["detail"]


def weights(*layers):
    return {"kind": "weights", "weights": [np.asarray(layer).tolist() for layer in layers]}


def test_not_balanced(service):
    rng = np.random.default_rng(5)
    w1, w2 = rng.standard_normal((3, 4)), rng.standard_normal((5, 3))
    whole = document(method="exact") | {"network": weights(w1, w2), "task": rng.standard_normal((5, 4)).tolist()}
    detail = problem(post(service, whole), 422, "not-balanced")["detail"]
    b = w2.T @ w2 - w1 @ w1.T
    lam = np.trace(b) / 3
    residual = np.linalg.norm(b - lam * np.eye(3))
    relative = residual / (np.sum(w1**2) + np.sum(w2**2))
    number = r"(-?[\d.]+(?:e-?\d+)?)"
    said = re.search(rf"are {number} away .* = {number} over .* tolerance {number}\).* lambda is {number}; ", detail)
    assert np.isclose(float(said[1]), relative, rtol=5e-3, atol=0)
    assert np.isclose(float(said[2]), residual, rtol=5e-6, atol=0)
    assert float(said[3]) == 1e-13
    assert np.isclose(float(said[4]), lam, rtol=1e-7, atol=0)
    assert len(said[4]) <= 11
    assert "use method flow, or a balanced network of that lambda" in detail


@pytest.mark.parametrize(("off", "fits"), [(2e-14, True), (1e-13, True), (1e-10, False), (1e-7, False)])
def test_the_tolerance_of_balance(service, off, fits):
    """It is 1e-13, relative to ||W1||^2 + ||W2||^2 = 6.5."""
    whole = document(method="exact") | {"network": weights(np.diag([1.0, 1.0 + off]), np.diag([1.5, 1.5]))}
    response = post(service, whole)
    if fits:
        assert response.status_code == 200
        measured = response.json()["diagnostics"]["relative_balance_residual"]
        assert np.isclose(measured, np.sqrt(2) * off / 6.5, rtol=0.02, atol=0)
    else:
        problem(response, 422, "not-balanced")


def test_three_layers_have_no_closed_form(service):
    """The rotation of the layers mixes the modes."""
    task = [[2.0, 0.0], [0.0, 1.0]]
    whole = document(method="exact") | {"network": weights([[0.6, 0.8], [-0.8, 0.6]], EYE, EYE), "task": task}
    detail = problem(post(service, whole), 422, "not-applicable")["detail"]
    assert "two weight layers, got 3; " in detail
    assert detail.endswith("use method flow")


@pytest.mark.parametrize("network", [weights(EYE, EYE, EYE), {"kind": "random", "dims": [2] * 4, "scheme": "he"}])
def test_a_quantity_of_two_layers(service, network):
    whole = document(quantities=["loss", "qqt"]) | {"network": network, "task": EYE}
    body = problem(post(service, whole), 422, "invalid-request")
    assert [error["path"] for error in body["errors"]] == ["quantities"]
    for text in ("got qqt", "two layers", "a network of 3", "input_representation and output_representation"):
        assert text in body["errors"][0]["detail"]


@pytest.mark.parametrize(
    ("task", "variances"),
    [
        (correlation(sigma_xx=[[1.0, 0.0], [0.0, 3.0]]), [1, 3]),
        ({"kind": "data", "inputs": [[2.0, 0.0], [0.0, 1.0]], "targets": EYE, "whiten": False}, [2, 0.5]),
    ],
    ids=["correlation", "data"],
)
def test_coloured_inputs(service, task, variances):
    distance = np.linalg.norm(variances - np.mean(variances)) / np.linalg.norm(variances)
    whole = document(method="exact") | {"network": network(2, 2, 2), "task": task}
    detail = problem(post(service, whole), 422, "not-applicable")["detail"]
    assert f"sigma_xx is {distance:.3g} away from a multiple of the identity" in detail
    assert "use method flow, or whiten the inputs" in detail


def test_weights_outside_the_span_of_the_inputs(service):
    task = {"kind": "data", "inputs": [[1.0, 0.0], [2.0, 0.0]], "targets": EYE, "whiten": True}
    whole = document(method="exact") | {"network": weights([[3.0, 4.0]], [[5.0], [0.0]]), "task": task}
    detail = problem(post(service, whole), 422, "not-applicable")["detail"]
    assert "span 1 of 2 dimensions and 0.8 of the first layer" in detail


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        (
            {"network": network(300, 300, 300), "times": {"stop": 1, "num": 1000}},
            ["bytes of answer", "1.8e+09", "limit is 2.68e+08", "fewer times, quantities, steps or samples"],
        ),
        (
            {"network": network(4000, 4000, 4000), "times": {"stop": 1, "num": 50}, "quantities": ["loss"]},
            [
                "floating-point operations",
                "limit is 2e+12",
                "fewer times, quantities, steps or samples, or for smaller widths",
            ],
        ),
        (
            {"network": network(50, 5, 50), "task": {"kind": "regression", "samples": 10_000_000, "seed": 1}},
            ["bytes of working memory", "2.4e+10", "limit is 4.29e+09", "for smaller widths"],
        ),
    ],
    ids=["answer", "flops", "memory"],
)
def test_too_large(service, changes, texts):
    spectrum = {"kind": "spectrum", "singular_values": [1.0], "seed": 1}
    detail = problem(post(service, document() | {"task": spectrum} | changes), 422, "too-large")["detail"]
    for text in texts:
        assert text in detail


def test_the_answer_that_is_too_large_as_json_may_fit_as_npz(small):
    """A number takes 20 bytes in JSON and 8 in npz."""
    whole = document(task="spectrum", quantities=["output"]) | {
        "network": network(40, 2, 40),
        "times": {"stop": 1, "num": 200},
    }
    problem(post(small, whole), 422, "too-large")
    assert post(small, whole, accept="npz").status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("body", ["json", "npz"])
def test_bodies_over_the_limit(small, body, chunked):
    content = (
        as_npz(document() | {"times": [0.0] * 600}) if body == "npz" else json.dumps(document(more="x" * 4000)).encode()
    )
    assert len(content) > 4000
    headers = {"Content-Type": NPZ if body == "npz" else JSON}
    sent = (content[i : i + 1000] for i in range(0, len(content), 1000)) if chunked else content
    detail = problem(small.post(TRAJECTORIES, content=sent, headers=headers), 413, "body-too-large")["detail"]
    assert "more than 4000 bytes, the limit" in detail
    assert post(small, document()).status_code == 200


def test_the_limit_of_the_body_is_inclusive(small):
    whole = json.dumps(document()).encode()
    for size, status in ((4000, 200), (4001, 413)):
        response = small.post(TRAJECTORIES, content=whole.ljust(size), headers={"Content-Type": JSON})
        assert response.status_code == status


def test_many_parts_of_json(service):
    """Parsing them would take seconds and block the event loop."""
    content = b'{"times": [' + b"[]," * 10**6 + b"[]]}"
    body = problem(service.post(TRAJECTORIES, content=content, headers={"Content-Type": JSON}), 413, "body-too-large")
    assert "1000004 arrays, objects and fields, the limit is 200000 for JSON; send npz" in body["detail"]


def test_an_archive_may_not_expand_beyond_the_limit_either(small):
    content = message({}, zipfile.ZIP_DEFLATED, times=np.zeros(1000))
    assert len(content) < 4000
    body = problem(small.post(TRAJECTORIES, content=content, headers={"Content-Type": NPZ}), 400, "malformed-body")
    assert "4000 bytes are read" in body["detail"]


def test_requests_are_refused_if_no_worker_is_free(small, small_service):
    """There is one worker and no queue: a request during another computation is refused."""
    with held(small_service, put(document(), "network.seed", 1)) as answer:
        busy = post(small, put(document(), "network.seed", 2))
        assert "Try again in" in problem(busy, 503, "busy")["detail"]
    assert answer.result().status_code == 200


@pytest.mark.parametrize("given", ["abc", "A-Z_0.9", 64 * "x"])
def test_request_ids_are_returned(service, given):
    for path, (method, *_) in [*ROUTES.items(), ("/nothing", ["GET"])]:
        response = service.request(method, path, headers={"X-Request-ID": given})
        assert response.headers.get_list("x-request-id") == [given]
        if response.status_code >= 400:
            assert response.json()["request_id"] == given


@pytest.mark.parametrize("given", ["", 65 * "x", "a b", "a\tb", "é".encode(), "a;b", "<x>"])
def test_unsafe_request_ids_are_replaced(service, given):
    one, other = (service.get("/healthz", headers={"X-Request-ID": given}).headers["x-request-id"] for _ in "ab")
    assert re.fullmatch("[0-9a-f]{16}", one)
    assert one != other


def test_the_service_still_answers(service):
    assert ask(service, document())["method"] == "exact"
