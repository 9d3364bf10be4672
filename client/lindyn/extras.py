"""How to install what parts of the package need. Client and service say it in the same words; nothing is imported."""

from importlib.metadata import version


def how_to_install(*extras: str, release: str | None = None) -> str:
    """Say what to type: lindyn is installed from a clone or from a wheel, no index has it.

    Args:
        extras: optional parts, such as `service` and `notebook`.
        release: a version other than the installed one.
    """
    part = f"[{','.join(extras)}]" if extras else ""
    wheel = f"lindyn-{release or version('lindyn')}-py3-none-any.whl"
    clone = "a clone of lindyn" if release is None else f"a clone of lindyn {release}"
    return f"in {clone} run pip install '.{part}', beside a wheel pip install '{wheel}{part}'"
