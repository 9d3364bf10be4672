"""Results of continual learning and of limits: arrays, tables, files, cards and pictures."""

import json

import numpy as np
import pytest
from scipy.io import loadmat

import lindyn

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_window")]

TASKS = [np.diag([3.0, 2.0, 1.0]), np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 0.5], [0.0, -1.0, 0.0]]), -np.eye(3)]
NETWORK = lindyn.balanced([3, 3, 3], lam=0.5, scale=0.3, seed=1)


@pytest.fixture(scope="module")
def course(client) -> lindyn.Continual:
    return client.continual(network=NETWORK, tasks=[{"task": task, "duration": 4.0} for task in TASKS], num=6)


@pytest.fixture(scope="module")
def ends(client) -> lindyn.Limits:
    return client.limits(network=NETWORK, task=TASKS[0])


def test_courses_are_the_trajectory_of_each_task_from_where_the_last_one_ended(client, course):
    weights = client.initialization(NETWORK).weights
    for number, (task, segment) in enumerate(zip(TASKS, course.segments, strict=True)):
        run = client.trajectory(
            network=lindyn.weights(*weights), task=task, times=np.linspace(0, 4, 6), quantities=["loss", "weights"]
        )
        during = slice(segment.first, segment.last + 1)
        np.testing.assert_allclose(course.times[during], 4.0 * number + run.times, atol=1e-12)
        np.testing.assert_allclose(course.loss[number, during], run.loss, rtol=1e-8, atol=1e-12)
        weights = [layer[-1] for layer in run.weights]
    np.testing.assert_array_equal(course.final_loss[:, 0], course.loss[0, [each.last for each in course.segments]])
    assert course.lam == 0.5
    assert course.best_stopping[0].task == 0
    with pytest.raises(lindyn.UnknownNameError, match="'forgeting' is not part of this answer, did you mean 'forget"):
        course["forgeting"]


def test_courses_are_drawn(course):
    axes = course.plot.loss()
    curves = [line for line in axes.get_lines() if len(line.get_xdata()) == 18]
    for line, losses in zip(curves, course.loss, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), np.c_[course.times, losses])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["task 1", "task 2", "task 3"]
    ends = [line.get_xdata()[0] for line in axes.get_lines() if line not in curves]
    np.testing.assert_allclose(ends, [4, 8])
    assert course.plot.forgetting().get_ylabel() == "forgetting"
    assert course.plot("rate").get_ylabel() == "rate of the loss"
    with pytest.raises(lindyn.UnknownNameError, match="did you mean 'loss'"):
        course.plot("los")


def test_limits_are_drawn(client, ends):
    (image,) = ends.plot.converged().get_images()
    np.testing.assert_allclose(image.get_array()[3:, :3], TASKS[0], atol=1e-10)
    np.testing.assert_array_equal(image.get_array()[:3, :3], ends.converged.input_representation)
    task = np.arange(12.0).reshape(4, 3)  # of rank 2, learned by two hidden units in two phases
    narrow = client.limits(network=lindyn.balanced([3, 2, 4], lam=0.5, seed=1), task=task)
    axes = narrow.plot("rates")
    drawn = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
    strengths = np.linalg.svd(task, compute_uv=False)[:2]
    np.testing.assert_allclose(drawn["slow, positive λ"], strengths**2 / 0.5)
    assert axes.get_yscale() == "log"
    with pytest.raises(lindyn.UnknownNameError, match="did you mean 'rates'"):
        ends.plot("rate")


def test_labels_and_tables(course, ends):
    found = course.to_xarray()
    assert found.loss.dims == ("task", "time")
    np.testing.assert_array_equal(found.forgetting, course.forgetting)
    table = course.to_dataframe()
    np.testing.assert_array_equal(table["time"], course.times)
    np.testing.assert_array_equal(table["loss_2"], course.loss[1])
    assert list(course.to_dataframe("rate").columns) == ["time", "rate_1", "rate_2", "rate_3"]
    found = ends.to_xarray()
    assert found["converged.output"].dims == ("out", "in")
    row = ends.to_dataframe().iloc[0]
    assert row["convergence_time"] == ends.convergence_time
    assert row["lambda"] == ends.lam == 0.5
    assert row["converged.output_2_1"] == ends.converged.output[1, 0]


@pytest.mark.parametrize("suffix", [".npz", ".nc"])
def test_files(course, ends, tmp_path, suffix):
    again = lindyn.load(course.save(tmp_path / f"course{suffix}"))
    assert isinstance(again, lindyn.Continual)
    for name in ("times", "loss", "rate", "forgetting", "final_loss"):
        np.testing.assert_array_equal(again[name], course[name])
    assert again.segments == course.segments
    assert repr(again) == repr(course)
    again = lindyn.load(ends.save(tmp_path / f"ends{suffix}"))
    assert isinstance(again, lindyn.Limits)
    assert again.convergence_time == ends.convergence_time
    for sign in ("positive", "negative"):
        one, other = (getattr(each.lambda_to_infinity, sign) for each in (again, ends))
        np.testing.assert_array_equal(one.slow_rates, other.slow_rates)
        np.testing.assert_array_equal(one.fast_limit, other.fast_limit)


def test_files_for_other_programs(course, ends, tmp_path):
    read = loadmat(course.save(tmp_path / "course.mat"), simplify_cells=True)
    np.testing.assert_array_equal(read["forgetting"], course.forgetting)
    assert json.loads(read["metadata"])["segments"][1]["task"] == 1
    document = json.loads(course.save(tmp_path / "course.json").read_text())
    assert document["forgetting"][1][0] is None
    assert document["loss"] == course.loss.tolist()
    assert (tmp_path / "course.csv").name == course.save(tmp_path / "course.csv").name
    head = (tmp_path / "course.csv").read_text().splitlines()[0]
    assert head.split(",") == [
        "time",
        *(f"{name}_{task}" for name in ("loss", "rate", "forgetting") for task in (1, 2, 3)),
    ]
    read = loadmat(ends.save(tmp_path / "ends.mat"), simplify_cells=True)
    np.testing.assert_array_equal(read["converged"]["output"], ends.converged.output)


def test_they_say_what_they_hold(course, ends):
    for said in (repr(course), course._repr_html_()):
        assert "task 2" in said
        assert f"{course.loss[1, -1]:.3g}" in said
    for said in (repr(ends), ends._repr_html_()):
        assert "rank 3 of 3" in said
        assert f"{ends.convergence_time:.6g}" in said
