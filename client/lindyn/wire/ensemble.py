"""Ensembles: statistics over networks that differ in their seeds."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, Field, ValidationInfo

from lindyn.wire.array import Arrays
from lindyn.wire.base import LARGEST_SEED, FromNumpy, Reply, Request
from lindyn.wire.trajectory import ReplyWarning, TrajectoryRequest

VariedSeed = Literal["network.seed", "task.seed"]
VARIED_SEEDS: tuple[VariedSeed, ...] = get_args(VariedSeed)

MAX_REPLICATES = 100_000

Level = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, le=1), FromNumpy]


def _in_order(names: list[VariedSeed]) -> list[VariedSeed]:
    """Sort the names in the order of the contract, each once, so that equal requests have equal keys."""
    return [name for name in VARIED_SEEDS if name in names]


def seeded(base: TrajectoryRequest, vary: list[VariedSeed], seed: int) -> TrajectoryRequest:
    """Return the request with this seed in every part that is varied; parts without a seed stay as they are."""
    parts: dict[str, Request] = {}
    for name in vary:
        part = name.partition(".")[0]
        old: Request = getattr(base, part)
        if "seed" in type(old).model_fields:
            parts[part] = old.model_copy(update={"seed": seed})
    return base.model_copy(update=parts) if parts else base


def _first_replicate(base: TrajectoryRequest, info: ValidationInfo) -> TrajectoryRequest:
    """Give the varied parts the first seed, so that seeds which are not used do not change the key."""
    return seeded(base, info.data.get("vary", []), info.data.get("first_seed", 0))


class EnsembleRequest(Request):
    """Request for statistics over many trajectories: the base request with one seed after the other."""

    replicates: Annotated[
        int,
        Field(strict=True, ge=1, le=MAX_REPLICATES, description="Number of networks."),
        FromNumpy,
    ]
    first_seed: Annotated[
        int,
        Field(strict=True, ge=0, le=LARGEST_SEED, description="Replicate i has the seed first_seed + i."),
        FromNumpy,
    ] = 0
    vary: Annotated[
        list[VariedSeed],
        Field(min_length=1, max_length=10, description="The seeds that are set; with both, replicates share neither."),
        AfterValidator(_in_order),
    ] = Field(default_factory=lambda: ["network.seed"])
    base: Annotated[
        TrajectoryRequest,
        Field(description="Request for a trajectory; the seeds that are varied may be missing, and are replaced."),
        AfterValidator(_first_replicate),
    ]
    quantiles: Annotated[
        list[Level],
        Field(
            min_length=1,
            max_length=100,
            description="Levels between 0 and 1. A quantile interpolates linearly between order statistics: that of "
            "level p of n values is at position (n - 1) p (type 7 of Hyndman and Fan).",
        ),
    ] = Field(default_factory=lambda: [0.1, 0.5, 0.9])

    @property
    def seeds(self) -> range:
        """Seeds of the replicates."""
        return range(self.first_seed, self.first_seed + self.replicates)

    def replicate(self, seed: int) -> TrajectoryRequest:
        """Return the request for the trajectory of one replicate."""
        return seeded(self.base, self.vary, seed)


class FailedReplicate(Reply):
    """A replicate that has no trajectory; the statistics leave it out."""

    seed: int
    code: str
    detail: str


class EnsembleWarning(ReplyWarning):
    """A warning about some of the replicates, with the detail of the first of them."""

    replicates: Annotated[int, Field(description="Number of replicates that have a warning with this code.")]


class EnsembleReply(Reply):
    """Statistics over the replicates; arrays are nested lists in JSON, and entries of the archive in npz."""

    key: Annotated[str, Field(description="SHA-256 of the normalised request and the solver's version.")]
    methods: Annotated[dict[str, int], Field(description="Number of replicates by the method that computed them.")]
    dims: list[int]
    replicates: Annotated[int, Field(description="Number of replicates, with those that failed.")]
    seeds: Annotated[list[int], Field(description="Seeds of the replicates, with those that failed.")]
    seed: Annotated[int | None, Field(description="The network's seed if it is not varied.")] = None
    task_seed: Annotated[int | None, Field(description="The task's seed if it is not varied.")] = None
    time_constant: float
    times: Arrays
    quantities: Annotated[
        dict[str, Arrays],
        Field(
            description="For each quantity, or each part of a nested one: `mean`, `std` (divisor n - 1), `quantiles` "
            "(level, time, ...) and `standard_error` (std / sqrt(n)), over the n replicates that did not fail; null "
            "where there are too few values."
        ),
    ]
    quantiles: Annotated[list[float], Field(description="Levels of the quantiles.")]
    saddles: Annotated[int, Field(description="Number of replicates that never learn some mode of the task.")]
    problems: Annotated[list[FailedReplicate], Field(description="Replicates that failed, which are left out.")]
    warnings: list[EnsembleWarning]
    wide: Annotated[
        dict[str, Arrays] | None,
        Field(description="Quantities of the limit of wide random layers, time first; null where there is none."),
    ] = None
    version: str
