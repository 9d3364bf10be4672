"""How to install what parts of the package need. Client and service say it in the same words; nothing is imported."""

from importlib.metadata import PackageNotFoundError, version


def how_to_install(*extras: str, release: str | None = None) -> str:
    """Say what to type: lindyn is installed from a clone or from a wheel, no index has it.

    Args:
        extras: optional parts, such as `service` and `notebook`.
        release: a version other than the installed one.
    """
    part = f"[{','.join(extras)}]" if extras else ""
    clone = "a clone of lindyn" if release is None else f"a clone of lindyn {release}"
    in_clone = f"in {clone} run pip install '.{part}'"
    try:
        wheel = f"lindyn-{release or version('lindyn')}-py3-none-any.whl"
    except PackageNotFoundError:  # not installed, so that it must be a clone which is used
        return in_clone
    return f"{in_clone}, beside a wheel pip install '{wheel}{part}'"
