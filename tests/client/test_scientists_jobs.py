"""What scientists do most, in the lines that they would write, each against a real service.

A test runs the source of its job; `lines` limits its length. Arrays of the user's own are given as variables.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import pyplot as plt
from scipy.integrate import solve_ivp
from scipy.io import loadmat
from support.processes import Service

import lindyn

pytestmark = [pytest.mark.live, pytest.mark.usefixtures("no_window")]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def c(job_service: Service) -> Iterator[lindyn.Client]:
    with lindyn.Client(job_service.url) as client:
        yield client


def run(source: str, lines: int, **variables: Any) -> dict[str, Any]:
    """Run the lines of a job, which may have at most so many, and return its variables."""
    code = source.strip("\n")
    assert len(code.splitlines()) <= lines
    assert max(map(len, code.splitlines())) <= 120
    names = {"lindyn": lindyn, "np": np, "plt": plt, **variables}
    exec(code, names)
    return names


def test_a_own_initialisation_on_coloured_data_lazy_or_rich(c):
    rng = np.random.default_rng(0)
    w1, w2 = 0.05 * rng.standard_normal((50, 20)) / np.sqrt(20), 0.05 * rng.standard_normal((10, 50)) / np.sqrt(50)
    x = rng.standard_normal((200, 20)) * np.geomspace(1, 3, 20)
    y = x @ rng.standard_normal((20, 10)) / 20
    found = run(
        """
network, task = lindyn.weights(w1, w2), lindyn.data(x, y, whiten=False)
run = c.trajectory(network=network, task=task, times={"stop": 20}, quantities=["loss", "ntk_movement"])
print(run)
left, right = plt.subplots(1, 2)[1]
run.plot.loss(left), run.plot.ntk(right)
""",
        5,
        c=c,
        w1=w1,
        w2=w2,
        x=x,
        y=y,
    )
    result = found["run"]
    assert result.regime.verdict == "rich"
    assert "regime: rich (NTK movement " in repr(result)
    loss = np.sum((x @ w1.T @ w2.T - y) ** 2) / (2 * len(x))
    np.testing.assert_allclose(found["left"].get_lines()[0].get_ydata()[0], loss, rtol=1e-10)
    moved = found["right"].get_lines()[0].get_ydata()
    assert moved[-1] == pytest.approx(movement(w1, w2, x, y, 20.0), rel=1e-6)
    assert found["right"].get_ylabel() == "NTK movement"


def movement(w1, w2, x, y, duration):
    """Relative movement of the kernel over all samples by its definition, with the flow from another integrator."""
    n, split = len(x), w1.size
    sigma_xx, sigma_yx = x.T @ x / n, y.T @ x / n

    def layers(flat):
        return flat[:split].reshape(w1.shape), flat[split:].reshape(w2.shape)

    def flow(_time, flat):
        first, second = layers(flat)
        error = sigma_yx - second @ first @ sigma_xx
        return np.concatenate([(second.T @ error).ravel(), (error @ first.T).ravel()])

    def kernel(first, second):
        of_first = np.kron(second @ second.T, x @ x.T)
        return of_first + np.kron(np.eye(len(second)), x @ first.T @ first @ x.T)

    start = np.concatenate([w1.ravel(), w2.ravel()])
    ends = solve_ivp(flow, (0, duration), start, method="DOP853", rtol=1e-9, atol=1e-11, t_eval=[duration]).y[:, 0]
    before = kernel(w1, w2)
    return np.linalg.norm(kernel(*layers(ends)) - before) / np.linalg.norm(before)


def test_b_mean_and_band_of_the_loss_over_seeds_at_five_lambdas(c):
    base = {
        "network": {"kind": "balanced", "dims": [3, 3, 3], "scale": 0.3},
        "task": lindyn.spectrum([3, 2, 1], seed=1),
        "times": {"stop": 5, "num": 20},
    }
    found = run(
        """
axes = {"network.lambda": [-4, -1, 0, 1, 4], "network.seed": range(50)}
r = c.sweep(base=base, axes=axes, collect="loss").result()
ax = r.plot.line("loss", hue="network.lambda")
""",
        3,
        c=c,
        base=base,
    )
    axes = found["ax"]
    lines = axes.get_lines()
    assert axes.get_xlabel() == "time"
    assert "(mean over network.seed;\nband: 10 to 90 %)" in axes.get_ylabel()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["-4", "-1", "0", "1", "4"]
    assert len(lines) == len(axes.collections) == 5
    one_by_one = [
        c.trajectory(
            network=lindyn.balanced([3, 3, 3], lam=4, scale=0.3, seed=seed),
            task=base["task"],
            times=base["times"],
        ).loss
        for seed in range(50)
    ]
    np.testing.assert_allclose(lines[4].get_xdata(), np.linspace(0, 5, 20))
    np.testing.assert_allclose(lines[4].get_ydata(), np.mean(one_by_one, axis=0), rtol=1e-9)
    band = axes.collections[4].get_paths()[0].vertices
    for time, low, high in zip(np.linspace(0, 5, 20), *np.percentile(one_by_one, [10, 90], axis=0), strict=True):
        heights = band[np.isclose(band[:, 0], time), 1]
        np.testing.assert_allclose([heights.min(), heights.max()], [low, high], rtol=1e-9)


def test_c_phase_diagram_as_pdf(c):
    base = {
        "network": {"kind": "balanced", "dims": [3, 3, 3]},
        "task": lindyn.spectrum([3, 2, 1], seed=1),
        "times": {"stop": 20, "num": 2},
    }
    found = run(
        """
axes = {"network.lambda": np.linspace(-4, 4, 9), "network.scale": np.geomspace(0.01, 1, 7), "network.seed": range(4)}
r = c.sweep(base=base, axes=axes, collect="ntk_movement").result()
with lindyn.plots.style("paper"): r.plot.heatmap("ntk_movement").figure.savefig("phase.pdf")
""",
        3,
        c=c,
        base=base,
    )
    axes, bar = plt.gcf().axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("balance λ", "scale of the weights")
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    (mesh,) = axes.collections
    expected = found["r"].ntk_movement.mean(axis=2).T
    np.testing.assert_allclose(mesh.get_array().reshape(7, 9), expected, rtol=1e-12)
    assert "NTK movement" in bar.get_ylabel()
    x, y = mesh.get_coordinates()[0, :, 0], mesh.get_coordinates()[:, 0, 1]
    np.testing.assert_allclose(x, np.arange(-4.5, 5))
    np.testing.assert_allclose(np.diff(np.log(y)), np.log(100) / 6)
    assert fonts("phase.pdf") == {b"TrueType"}


def fonts(path):
    """Kinds of the fonts that are embedded in a file."""
    content = Path(path).read_bytes()
    assert content.startswith(b"%PDF")
    assert b"/FontFile2" in content
    kinds = {b"TrueType" for part in (b"/CIDFontType2", b"/TrueType") if b"/Subtype " + part in content}
    return kinds | ({b"Type3"} if b"/Subtype /Type3" in content else set())


def test_d_lambda_and_tau_of_a_noisy_curve(c):
    true = c.trajectory(
        network=lindyn.balanced([2, 2, 2], lam=1.5, scale=0.3, seed=1),
        task=lindyn.spectrum([2.0, 1.0], seed=1),
        times=np.linspace(0, 10, 40),
        time_constant=2.5,
    )
    noisy = true.loss + 0.01 * np.random.default_rng(3).standard_normal(40)
    base = {
        "network": {"kind": "balanced", "dims": [2, 2, 2], "scale": 0.3, "seed": 1},
        "task": lindyn.spectrum([2.0, 1.0], seed=1),
    }
    found = run(
        """
curve = {"quantity": "loss", "times": t, "values": noisy}
fit = c.fit(base=base, observations=curve, free={"network.lambda": (0.05, 20), "time_constant": (0.2, 20)}).result()
print(fit)
fit.plot()
""",
        4,
        c=c,
        base=base,
        t=true.times,
        noisy=noisy,
    )
    for path, value in (("network.lambda", 1.5), ("time_constant", 2.5)):
        low, high = found["fit"].intervals[path]
        assert low < value < high
        assert high - low < value
    assert "network.lambda" in repr(found["fit"])


def test_e_figure_4_4_with_a_curve_of_ones_own(c):
    lambdas = [-20.0, -10.0, -1.0, 1.0, 10.0, 20.0]
    mine = np.array([30.0, 120.0, 600.0, 500.0, 110.0, 25.0])
    found = run(
        """
job = c.experiment("figure-4.4", lambdas=lambdas, trials=4)
result, ax = job.result(), job.draw().axes[0]
ax.plot(lambdas, mine, "k*", label="my network"), ax.legend()
ax.figure.savefig("figure-4.4.pdf")
""",
        4,
        c=c,
        lambdas=lambdas,
        mine=mine,
    )
    axes = found["ax"]
    drawn = {line.get_label(): line for line in axes.get_lines()}
    np.testing.assert_array_equal(drawn["my network"].get_ydata(), mine)
    np.testing.assert_array_equal(drawn["descent"].get_xdata(), lambdas)
    np.testing.assert_allclose(drawn["descent"].get_ydata(), found["result"]["mean"])
    assert len(axes.get_lines()) == 7  # points, two laws on both sides, error bars, and the own curve
    assert (axes.get_title(), axes.get_yscale()) == ("steps to convergence", "log")
    assert [text.get_text() for text in axes.get_legend().get_texts()][-1] == "my network"
    assert Path("figure-4.4.pdf").read_bytes().startswith(b"%PDF")
    Path("theirs.pdf").write_bytes(found["job"].figure("pdf"))
    assert fonts("theirs.pdf") == {b"TrueType"}


def test_f_a_trajectory_for_a_colleague(c):
    result = c.trajectory(
        network=lindyn.balanced([3, 2, 3], lam=0.5, scale=0.3, seed=1),
        task=lindyn.spectrum([3, 2], seed=1),
        times=np.linspace(0, 3, 7),
        quantities=["loss", "singular_values", "output", "balance", "weights", "alignment"],
    )
    for name in ("x.mat", "x.csv"):
        run(f'run.save("{name}")', 1, run=result)
    read = loadmat("x.mat", simplify_cells=True)
    np.testing.assert_array_equal(read["times"], result.times)
    np.testing.assert_array_equal(read["output"], result.output)
    np.testing.assert_array_equal(read["balance"]["lambda"], result.balance["lambda"])
    for layer in (0, 1):
        np.testing.assert_array_equal(read["weights"][layer], result.weights[layer])
    with Path("x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["time"]) for row in rows] == result.times.tolist()
    assert [float(row["loss"]) for row in rows] == result.loss.tolist()
    assert [float(row["singular_values_2"]) for row in rows] == result.singular_values[:, 1].tolist()
    assert [float(row["output_3_1"]) for row in rows] == result.output[:, 2, 0].tolist()
    assert [float(row["weights.1_3_2"]) for row in rows] == result.weights[1][:, 2, 1].tolist()
    assert [float(row["balance.lambda"]) for row in rows] == result.balance["lambda"].tolist()
    assert len(rows[0]) == 1 + sum(array[0].size for array in result.arrays().values())


def test_g_theory_beside_relu_over_seeds(c):
    found = run(
        """
network, task = lindyn.random([4, 8, 3], "he"), lindyn.regression(40, seed=1)
r = c.compare(network=network, task=task, learning_rate=0.02, steps=200, seeds=20, activations=["relu"])
print(r.words())
ax = r.plot()
""",
        4,
        c=c,
    )
    result, axes = found["r"], found["ax"]
    assert result.losses["relu"].shape == (20, 101)
    drawn = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
    np.testing.assert_allclose(drawn["theory"], result.losses["theory"].mean(axis=0))
    np.testing.assert_allclose(drawn["ReLU training"], result.losses["relu"].mean(axis=0))
    linear, relu = (result.deviation(name)[0] for name in ("linear", "relu"))
    assert linear < 0.05 < relu
