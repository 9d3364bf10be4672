"""Questions that take many trajectories: the methods that both clients have for them."""

from collections.abc import Sequence

from lindyn import _comparison, _endpoints
from lindyn._endpoints import Fields, Free, Models, Network, Task
from lindyn._jobs import AsyncJobHandle, JobHandle
from lindyn._transport.send import AsyncSender, Sender
from lindyn.results.comparison import Comparison
from lindyn.results.design import Design
from lindyn.results.ensemble import Ensemble
from lindyn.results.fit import Fit
from lindyn.wire.tree import Array


class Questions:
    """The methods of the blocking client."""

    _sender: Sender

    def ensemble(
        self,
        *,
        base: Fields,
        replicates: int,
        first_seed: int = 0,
        vary: str | Sequence[str] = "network.seed",
        quantiles: Sequence[float] | Array = (0.1, 0.5, 0.9),
    ) -> Ensemble:
        """Compute statistics over many trajectories that differ in their seeds.

        Args:
            base: the arguments of `trajectory`; the seeds that are varied may be missing.
            replicates: number of networks; the seed of the first one is `first_seed`, of the next one more.
            first_seed: seed of the first network.
            vary: the seeds that are set: `network.seed`, `task.seed`, or both.
            quantiles: levels between 0 and 1.

        Returns:
            For each quantity `mean`, `std` (divisor n - 1), `quantiles` (level, time, ...) and `standard_error`.

        Raises:
            TooLargeError: the ensemble is too large for one request; use a sweep over the seeds.
        """
        return self._sender.send(_endpoints.ensemble(base, replicates, first_seed, vary, quantiles))

    def design(self, *, base: Fields, vary: Fields, target: Fields, tolerance: float = 1e-3) -> Design:
        """Find all values of one parameter at which a scalar meets a target.

        Args:
            base: the arguments of `trajectory`; the parameter that is varied may be missing.
            vary: path of the parameter and its bounds, `{"path": "network.lambda", "bounds": [0.1, 10]}`.
            target: the scalar and its value, `{"scalar": "kernel_distance", "value": 0.5}`: one that sweeps collect, or
                a quantity that is one number, at the last time.
            tolerance: excess loss that defines `convergence_time`.

        Returns:
            `values` at which the target is met, `solutions`, each with `value` and `reached`, and `range`, the smallest
            and the largest scalar, with pictures, tables and files.

        Raises:
            UnreachableTargetError: there is no such value within the bounds; the message gives the range.
        """
        return self._sender.send(_endpoints.design(base, vary, target, tolerance))

    def fit(
        self,
        *,
        base: Fields,
        observations: Fields | Sequence[Fields],
        free: Free,
        models: Models = (),
        starts: int = 8,
    ) -> JobHandle[Fit]:
        """Estimate parameters from observed curves, and compare models.

        Args:
            base: the arguments of `trajectory` without times and quantities; free parameters may be missing.
            observations: curves such as `{"quantity": "loss", "times": t, "values": y, "sigma": 0.01}`, or one curve.
            free: bounds by path, such as `{"network.lambda": (0.01, 10)}`, which are searched by logarithm where both
                are above 0; or fields such as `{"bounds": (-5, 5), "start": 1.0, "per_subject": True}` by path.
            models: models to compare with the full one: `rich`, `lazy`, `shallow`, or fields such as
                `{"name": "slow", "set": {"time_constant": 100}}`.
            starts: number of descents of each model.

        Returns:
            A job; `job.result()` waits for the estimates of all models.
        """
        return JobHandle(self._sender, self._sender.send(_endpoints.fit(base, observations, free, models, starts)))

    def compare(
        self,
        *,
        network: Network,
        task: Task,
        learning_rate: float,
        steps: int,
        seeds: int | Sequence[int] = 10,
        activations: Sequence[str] = ("relu", "tanh"),
        num: int = 100,
    ) -> Comparison:
        """Compare theory with gradient descent of linear, ReLU and tanh networks from the same weights.

        Args:
            network: as for a trajectory; each seed replaces its own.
            task: as for a trajectory, with samples if there are activations.
            learning_rate: of descent.
            steps: number of steps.
            seeds: number of networks, with the seeds 0, 1, ..., or their seeds. Given weights are one network.
            activations: of nonlinear networks that are trained, `relu` and `tanh`.
            num: number of steps at which losses are compared, besides the start.

        Returns:
            All losses, a picture, and how far training is from theory: `print(c.compare(...).words())`.

        Raises:
            DivergedError: the learning rate is too large.
            NotApplicableError: activations need a task with samples.
        """
        plan = _comparison.plan(network, task, learning_rate, steps, seeds, activations, num)
        return plan.result([self._sender.send(call) for call in plan.calls])


class AsyncQuestions:
    """The same as coroutines."""

    _sender: AsyncSender

    async def ensemble(
        self,
        *,
        base: Fields,
        replicates: int,
        first_seed: int = 0,
        vary: str | Sequence[str] = "network.seed",
        quantiles: Sequence[float] | Array = (0.1, 0.5, 0.9),
    ) -> Ensemble:
        """Compute statistics over many trajectories that differ in their seeds."""
        return await self._sender.send(_endpoints.ensemble(base, replicates, first_seed, vary, quantiles))

    async def design(self, *, base: Fields, vary: Fields, target: Fields, tolerance: float = 1e-3) -> Design:
        """Find all values of one parameter at which a scalar meets a target."""
        return await self._sender.send(_endpoints.design(base, vary, target, tolerance))

    async def fit(
        self,
        *,
        base: Fields,
        observations: Fields | Sequence[Fields],
        free: Free,
        models: Models = (),
        starts: int = 8,
    ) -> AsyncJobHandle[Fit]:
        """Estimate parameters from observed curves, and compare models."""
        job = await self._sender.send(_endpoints.fit(base, observations, free, models, starts))
        return AsyncJobHandle(self._sender, job)

    async def compare(
        self,
        *,
        network: Network,
        task: Task,
        learning_rate: float,
        steps: int,
        seeds: int | Sequence[int] = 10,
        activations: Sequence[str] = ("relu", "tanh"),
        num: int = 100,
    ) -> Comparison:
        """Compare theory with gradient descent of linear, ReLU and tanh networks from the same weights."""
        plan = _comparison.plan(network, task, learning_rate, steps, seeds, activations, num)
        return plan.result([await self._sender.send(call) for call in plan.calls])
