"""Descriptions, symbols and units of quantities."""

from typing import NamedTuple

from lindyn.wire.trajectory import RegimeReply


class Label(NamedTuple):
    """A description, a symbol and a unit; only times and rates have one."""

    words: str
    symbol: str = ""
    units: str = "1"


TIME = Label("time", "t", "unit of time_constant")

THEORY = "theory"
"""Name of the curve that the others are compared with."""

COMPARED = {
    THEORY: "theory",
    "corrected": "theory for this learning rate",
    "linear": "linear training",
    "relu": "ReLU training",
    "tanh": "tanh training",
}
"""Curves of comparisons in words."""

_LABELS = {
    "loss": Label("loss", "L"),
    "excess_loss": Label("loss above its minimum", "L - c"),
    "loss_rate": Label("rate of the loss", "dL/dt", "1 / unit of time_constant"),
    "output": Label("network function", "W₂W₁"),
    "input_representation": Label("input representation", "W₁ᵀW₁"),
    "output_representation": Label("output representation", "W₂W₂ᵀ"),
    "qqt": Label("QQᵀ of the stacked weights", "QQᵀ"),
    "weights": Label("weights of a layer", "W"),
    "singular_values": Label("singular values of the network", "s"),
    "mode_strengths": Label("mode strengths learned", "uᵀW₂W₁v"),
    "alignment": Label("alignment with the task's modes"),
    "ntk": Label("neural tangent kernel", "K"),
    "ntk_distance": Label("NTK distance from time 0", "1 - cos(K(0), K(t))"),
    "ntk_norm": Label("NTK norm", "‖K‖"),
    "ntk_movement": Label("NTK movement", "‖K(t) - K(0)‖ / ‖K(0)‖"),
    "rsm_input": Label("similarity of samples in the first hidden layer"),
    "rsm_output": Label("similarity of samples in the last hidden layer"),
    "task_specificity": Label("task specificity of a representation"),
    "balance.lambda": Label("balance λ", "λ"),
    "balance.residual": Label("residual of the balance"),
    "balance": Label("balance of adjacent layers", "λ"),
    "weight_norms": Label("norms of the layers' weights", "‖W‖"),
    "effective_rank": Label("effective rank of the network function"),
    "sharpness": Label("sharpness (largest eigenvalue)"),
    "rate": Label("rate of the loss", "dL/dt", "1 / unit of time_constant"),
    "forgetting": Label("forgetting", "L - L(end of the own training)"),
    "converged": Label("state as t goes to infinity"),
    "evaluation": Label("loss on other data", "L"),
    "final_loss": Label("loss at the end"),
    "convergence_time": Label("time to convergence", units="unit of time_constant"),
    "kernel_distance": Label("NTK distance from time 0"),
    "task_specificity_input": Label("task specificity, input"),
    "task_specificity_output": Label("task specificity, output"),
    "deviation": Label("deviation from training"),
    "balance_residual": Label("residual of the balance"),
    "residual": Label("residual of the balance"),
    "relative_residual": Label("relative residual of the balance"),
    "lambda_eff": Label("|λ| of a wide network"),
    "isotropy": Label("distance from isotropy"),
    "predicted.mean": Label("mean of W₂ᵀW₂ - W₁W₁ᵀ, predicted"),
    "predicted.variance": Label("variance of W₂ᵀW₂ - W₁W₁ᵀ, predicted"),
    "sampled.mean": Label("mean of W₂ᵀW₂ - W₁W₁ᵀ, sampled"),
    "sampled.variance": Label("variance of W₂ᵀW₂ - W₁W₁ᵀ, sampled"),
    "network.lambda": Label("balance λ"),
    "lambda": Label("balance λ"),
    "network.seed": Label("seed of the weights"),
    "network.scale": Label("scale of the weights"),
    "time": TIME,
    "times": TIME,
}

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def label(path: str) -> Label:
    """Return the label of a quantity or of a part of one, such as `balance.lambda`; by default its name in words."""
    name, _, rest = path.partition(".")
    layer = rest.partition(".")[0]
    if name == "weights" and layer.isdecimal():
        number = str(int(layer) + 1)
        return Label(f"weights of layer {number}", f"W{number.translate(_SUBSCRIPTS)}")
    return _LABELS.get(path) or _LABELS.get(name) or Label(path.replace("_", " "))


_ROUNDING = 1e-14
_ORIGINS = {"hit": "from the cache", "miss": "computed now", "coalesced": "computed for several", "file": "from a file"}


def lambda_text(lam: float) -> str:
    """Return a balance with six digits, or 0 if it is a rounding error of weights of usual size."""
    return "0" if abs(lam) < _ROUNDING else f"{lam:.6g}"


def origin(cache: str) -> str:
    """Return where a result comes from in words."""
    return _ORIGINS.get(cache, cache)


def regime_words(regime: RegimeReply) -> str:
    """Return the verdict on a regime with its numbers."""
    numbers = f"NTK movement {regime.ntk_movement:.3g}, NTK distance {regime.kernel_distance:.3g} at the end"
    return f"{regime.verdict} ({numbers})"
