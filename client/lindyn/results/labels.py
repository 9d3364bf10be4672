"""Descriptions, symbols and units of quantities."""

from typing import NamedTuple


class Label(NamedTuple):
    """A description, a symbol and a unit; only times and rates have one."""

    words: str
    symbol: str = ""
    units: str = "1"


TIME = Label("time", "t", "unit of time_constant")

_LABELS = {
    "loss": Label("loss", "L"),
    "excess_loss": Label("loss above its minimum", "L - c"),
    "loss_rate": Label("rate of the loss", "dL/dt", "1 / unit of time_constant"),
    "output": Label("network function", "W₂W₁"),
    "input_representation": Label("input representation", "W₁ᵀW₁"),
    "output_representation": Label("output representation", "W₂W₂ᵀ"),
    "qqt": Label("QQᵀ of the stacked weights", "QQᵀ"),
    "weights": Label("weights of a layer", "W"),
    "singular_values": Label("singular values learned", "s"),
    "mode_strengths": Label("mode strengths learned", "uᵀW₂W₁v"),
    "alignment": Label("alignment with the task's modes"),
    "ntk": Label("neural tangent kernel", "K"),
    "ntk_distance": Label("NTK distance from time 0", "1 - cos(K(0), K(t))"),
    "ntk_norm": Label("NTK norm", "‖K‖"),
    "ntk_movement": Label("NTK movement", "‖K(t) - K(0)‖ / ‖K(0)‖"),
    "rsm_input": Label("similarity of samples in the first hidden layer"),
    "rsm_output": Label("similarity of samples in the last hidden layer"),
    "task_specificity": Label("task specificity of a representation"),
    "balance": Label("balance of adjacent layers", "λ"),
    "weight_norms": Label("norms of the layers' weights", "‖W‖"),
    "effective_rank": Label("effective rank of the network function"),
    "sharpness": Label("sharpness: largest eigenvalue of the Hessian"),
    "evaluation": Label("loss on other data", "L"),
    "final_loss": Label("loss at the end"),
    "convergence_time": Label("time to convergence", units="unit of time_constant"),
    "kernel_distance": Label("NTK distance from time 0"),
    "task_specificity_input": Label("task specificity, input"),
    "task_specificity_output": Label("task specificity, output"),
    "deviation": Label("deviation from training"),
    "network.lambda": Label("balance λ"),
    "network.seed": Label("seed of the weights"),
    "network.scale": Label("scale of the weights"),
    "time": TIME,
    "times": TIME,
}


def label(path: str) -> Label:
    """Return the label of a quantity or of a part of one, such as `balance.lambda`; by default its name."""
    return _LABELS.get(path) or _LABELS.get(path.partition(".")[0]) or Label(path)
