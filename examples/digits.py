"""Exact learning of handwritten digits by a linear network, for lambda in {-5, 0, 5}: a table and a picture.

The data are the 1,797 images of 8 x 8 pixels that ship with scikit-learn. The service whitens the pixels; three of them
are zero in all images, so that the inputs span 61 of 64 dimensions.
"""

# pyright: basic
# (scikit-learn and matplotlib have incomplete types)

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits

import lindyn

LAMBDAS = (-5.0, 0.0, 5.0)
COLOURS = ("#0072b2", "#000000", "#d55e00")  # distinguishable with any colour vision (Okabe and Ito)
PICTURE = Path("out/digits.png")


def main() -> None:
    """Compute trajectories with a private service, print the table and draw the picture."""
    inputs, labels = load_digits(return_X_y=True)
    targets = np.eye(10)[labels]
    with lindyn.Client.local() as client:
        runs = [learn(client, np.asarray(inputs), targets, lam) for lam in LAMBDAS]
    print_table(runs)
    PICTURE.parent.mkdir(exist_ok=True)
    draw(runs).savefig(PICTURE, dpi=120)
    print(f"\npicture: {PICTURE}")


def learn(
    client: lindyn.Client, inputs: lindyn.FloatArray, targets: lindyn.FloatArray, lam: float
) -> lindyn.Trajectory:
    """Compute one trajectory at 400 times between 0.01 and 1,000 time constants."""
    return client.trajectory(
        network={"kind": "balanced", "dims": [64, 10, 10], "lambda": lam, "scale": 0.05, "seed": 1},
        task={"kind": "data", "inputs": inputs, "targets": targets, "whiten": True},
        times={"start": 0.01, "stop": 1000, "num": 400, "spacing": "log"},
        quantities=["loss", "excess_loss", "singular_values", "balance"],
    )


def print_table(runs: list[lindyn.Trajectory]) -> None:
    """Print the times at which each network has learned 90 % and 99.9 % of what can be learned."""
    print("lambda   loss at start   loss at end   90 % learned at   99.9 % learned at   worst |B - lambda I|")
    for lam, run in zip(LAMBDAS, runs, strict=True):
        remaining = run.excess_loss / run.excess_loss[0]
        early, late = (run.times[np.argmax(remaining < level)] for level in (0.1, 1e-3))
        residual = run["balance.residual"].max()
        print(f"{lam:6.0f}{run.loss[0]:16.4f}{run.loss[-1]:14.4f}{early:18.2f}{late:20.2f}{residual:23.0e}")
    print(f"\n{runs[0].reply.method}: {runs[0].reply.reason}")


def draw(runs: list[lindyn.Trajectory]) -> Figure:
    """Draw the loss of all runs, and the learned and target singular values of each run."""
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    loss, *modes = figure.subplots(1, 4)
    for lam, run, colour, axes in zip(LAMBDAS, runs, COLOURS, modes, strict=True):
        loss.semilogx(run.times, run.loss, color=colour, label=f"λ = {lam:g}")
        axes.semilogx(run.times, run.singular_values, color=colour, linewidth=1)
        for target in run.reply.diagnostics["task_singular_values"]:
            axes.axhline(target, color="0.7", linewidth=0.6, zorder=0)
        axes.set(title=f"λ = {lam:g}", xlabel="time (τ)", ylim=(0, 0.36))
    loss.set(title="loss", xlabel="time (τ)", ylabel="mean squared error / 2", ylim=(0.1, 0.6))
    loss.legend(frameon=False, ncols=3, loc="upper center", columnspacing=1, handlelength=1)
    modes[0].set_ylabel("singular values of W₂W₁")
    return figure


if __name__ == "__main__":
    main()
