"""What a lab does on its first day with lindyn, typed strictly: ask, look, keep, sweep, and await."""

import asyncio
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

import lindyn

OUT = Path("out")


def main() -> None:
    """Run all of it against a private service."""
    OUT.mkdir(exist_ok=True)
    with lindyn.Client.local(workers=1) as client:
        run = learn(client)
        draw(run).savefig(OUT / "first_steps.png")  # pyright: ignore[reportUnknownMemberType] (matplotlib's)
        kept = keep(run)
        loaded = lindyn.load(kept)
        assert isinstance(loaded, lindyn.Trajectory)
        print(f"the loss of {kept.name} ends at {loaded.loss[-1]:.4f}")
        print(f"lambda with the least movement of the kernel: {laziest(client):g}")
        print(refused(client))
    print(f"three networks at once end at {asyncio.run(learn_three()).round(4)}")


def learn(client: lindyn.Client) -> lindyn.Trajectory:
    """Ask how a network learns, from weights of our own."""
    rng = np.random.default_rng(0)
    w1, w2 = 0.1 * rng.standard_normal((8, 8)), 0.1 * rng.standard_normal((8, 8))
    return client.trajectory(
        network=lindyn.weights(w1, w2),
        task=lindyn.semantic(levels=3),
        times=np.linspace(0, 80, 200),
        quantities=["loss", "singular_values", "ntk_distance", "weights", "balance"],
    )


def draw(run: lindyn.Trajectory) -> Figure:
    """Three pictures in one figure."""
    figure = Figure(figsize=(12, 3.5), layout="constrained")
    loss, modes, ntk = figure.subplots(1, 3)
    run.plot.loss(loss, label=run.reply.method)
    run.plot.modes(modes)
    run.plot.ntk(ntk, color="black")
    return figure


def keep(run: lindyn.Trajectory) -> Path:
    """Write everything to a file; labels, units and origin go with it."""
    dataset = run.to_xarray()
    late = dataset["loss"][-1]
    table = run.to_dataframe()
    widths = [layer.shape[1:] for layer in run.weights]
    print(
        f"loss {float(late):.4f} at the end, {len(table)} rows, layers {widths}, lambda {run.balance['lambda'][0]:.3f}"
    )
    return run.save(OUT / "first_steps.nc")


def laziest(client: lindyn.Client) -> float:
    """Sweep over lambda and seeds."""
    job = client.sweep(
        base={"network": lindyn.balanced([4, 4, 4], lam=0.0), "task": lindyn.spectrum([2, 1]), "times": {"stop": 20}},
        axes={"network.lambda": np.linspace(-4, 4, 5), "network.seed": range(3)},
        collect=["kernel_distance", "final_loss"],
    )
    result = job.result(progress=False)
    movement = result.kernel_distance.mean(axis=result.dims["kernel_distance"].index("network.seed"))
    return float(result.coordinates["network.lambda"][np.argmin(movement)])


def refused(client: lindyn.Client) -> str:
    """Exceptions carry what the service says."""
    try:
        client.trajectory(network=lindyn.balanced([4, 5, 4], lam=1.0), task=np.eye(4), times=[0.0, 1.0])
    except lindyn.InfeasibleBalanceError as error:
        return f"refused with {error.problem.status}: {error.problem.errors[0].path}"
    return "not refused"


async def learn_three() -> lindyn.FloatArray:
    """Ask several questions at once."""
    async with await lindyn.AsyncClient.local(workers=2) as client:
        runs = await asyncio.gather(
            *(
                client.trajectory(network=lindyn.balanced([8, 8, 8], lam=lam), task=lindyn.semantic(), times=[0.0, 9.0])
                for lam in (-1.0, 0.0, 1.0)
            )
        )
    return np.array([run.loss[-1] for run in runs])


if __name__ == "__main__":
    main()
