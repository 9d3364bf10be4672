"""Names of the dimensions of all quantities, time first, and of the losses of an evaluation."""

_OF_QUANTITY: dict[str, tuple[str, ...]] = {
    "output": ("out", "in"),
    "input_representation": ("in", "in_2"),
    "output_representation": ("out", "out_2"),
    "qqt": ("row", "row_2"),
    "singular_values": ("mode",),
    "mode_strengths": ("mode",),
    "alignment": ("mode",),
    "ntk": ("out_sample", "out_sample_2"),
    "rsm_input": ("sample", "sample_2"),
    "rsm_output": ("sample", "sample_2"),
    "weight_norms": ("layer",),
}


def dimensions(path: str, n_dimensions: int) -> tuple[str, ...]:
    """Return the names of the dimensions of an array.

    Args:
        path: path of the quantity, such as `output`, `alignment.input` or `weights.0`.
        n_dimensions: number of dimensions of the array; `balance` has one or two.
    """
    name, _, part = path.partition(".")
    if name == "evaluation":
        names = ("evaluated_task", "time")
    elif name == "weights":
        names = ("time", f"width_{int(part) + 1}", f"width_{part}")
    elif name == "balance":
        names = ("time", "pair")
    else:
        names = ("time", *_OF_QUANTITY.get(name, ()))
    return names[:n_dimensions]
