"""Trees of arrays: JSON documents whose leaves may also be numpy arrays.

A path names a leaf by the fields and the list indices above it, joined by dots, such as `network.weights.0`.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import TypeAlias, cast

import numpy as np
import numpy.typing as npt

Array: TypeAlias = np.ndarray
"""An array of any shape and type."""

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
"""A JSON value."""

Tree: TypeAlias = "bool | int | float | str | Array | Sequence[Tree] | Mapping[str, Tree] | None"
"""A JSON value that may hold arrays anywhere."""

_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")  # no list that fits into memory has a longer index


class PathError(ValueError):
    """A path does not fit a tree.

    Attributes:
        path: the path.
        detail: the reason, as the predicate of a sentence about the path.
    """

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(path, detail)
        self.path = path
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.path!r} {self.detail}"


def split(tree: Mapping[str, Tree]) -> tuple[dict[str, JSON], dict[str, Array]]:
    """Separate a tree into a JSON document and its arrays by path, in the order of the tree.

    A list is separated only if all its items are arrays; an array among other items becomes nested lists. A list or a
    mapping that holds nothing but arrays is omitted from the document, because `unflatten` restores it.
    """
    arrays: dict[str, Array] = {}
    return _without_arrays("", tree, arrays), arrays


def flatten(tree: Mapping[str, Tree]) -> dict[str, Array]:
    """Return the arrays of a tree by path, in the order of the tree."""
    return split(tree)[1]


def unflatten(arrays: Mapping[str, Array], document: dict[str, JSON] | None = None) -> dict[str, Tree]:
    """Build the tree whose arrays have these paths: the inverse of `split`.

    Args:
        arrays: arrays by path, in any order. A numeric part of a path is an index where the path makes a new list.
        document: the rest of the tree; it is changed in place and returned.

    Raises:
        PathError: a path leads through a leaf, or skips an index of a list.
    """
    tree = cast("dict[str, Tree]", {} if document is None else document)
    for path in sorted(arrays, key=_index_order(arrays)):
        _insert(tree, path, arrays[path])
    return tree


def replaced(tree: Mapping[str, Tree], path: str, value: Tree) -> dict[str, Tree]:
    """Return a copy of a tree that has another value at a path, where a field may be new.

    Only the lists and mappings above the leaf are copied.

    Raises:
        PathError: the path leads through a leaf or a missing field, or names no item of a list.
    """
    copy = dict(tree)
    node: dict[str, Tree] | list[Tree] = copy
    *parents, leaf = path.split(".")
    for name in parents:
        child = _copied(_child(node, name, path), name, path)
        _set(node, name, child, path)
        node = child
    _set(node, leaf, value, path)
    return copy


def arrays_from_lists(name: str, value: JSON) -> Tree:
    """Convert the nested lists of a field to float64 arrays, where null becomes NaN.

    `weights` is a list of matrices of different shapes, and becomes a list of arrays.
    """
    if isinstance(value, Mapping):
        return {field: arrays_from_lists(field, child) for field, child in value.items()}
    if name == "weights" and isinstance(value, list):
        return [array_from_lists(matrix) for matrix in value]
    return array_from_lists(value)


def array_from_lists(value: JSON) -> npt.NDArray[np.float64]:
    """Convert nested lists of equal lengths to a float64 array, where null becomes NaN."""
    return np.array(cast("npt.ArrayLike", value), dtype=np.float64)


def list_index(name: str) -> int | None:
    """Return the list index that a part of a path can be, or None; an index has one spelling, without leading zeros."""
    return int(name) if _INDEX.fullmatch(name) else None


def _without_arrays(prefix: str, tree: Mapping[str, Tree], arrays: dict[str, Array]) -> dict[str, JSON]:
    document: dict[str, JSON] = {}
    for name, child in tree.items():
        if isinstance(child, np.ndarray):
            arrays[f"{prefix}{name}"] = child
            continue
        rest = _document_part(f"{prefix}{name}.", child, arrays)
        held_only_arrays = isinstance(child, Mapping | list | tuple) and len(child) > 0 and not rest
        if not held_only_arrays:
            document[name] = rest
    return document


def _document_part(prefix: str, node: Tree, arrays: dict[str, Array]) -> JSON:
    if isinstance(node, Mapping):
        return _without_arrays(prefix, node, arrays)
    if not isinstance(node, list | tuple) or not any(isinstance(item, Mapping | list | Array) for item in node):
        return cast("JSON", node)
    matrices = {f"{prefix}{i}": item for i, item in enumerate(node) if isinstance(item, np.ndarray)}
    if len(matrices) == len(node):
        arrays.update(matrices)
        return []
    return [
        item.tolist() if isinstance(item, np.ndarray) else _document_part(f"{prefix}{i}.", item, arrays)
        for i, item in enumerate(node)
    ]


def _index_order(paths: Iterable[str]) -> Callable[[str], tuple[int, list[int]]]:
    """Return a sort key that puts indices in ascending order and leaves top-level fields in the order of the paths."""
    ranks: dict[str, int] = {}
    for path in paths:
        ranks.setdefault(path.partition(".")[0], len(ranks))
    return lambda path: (ranks[path.partition(".")[0]], [list_index(part) or 0 for part in path.split(".")])


def _insert(tree: dict[str, Tree], path: str, array: Array) -> None:
    *parents, leaf = path.split(".")
    node: Tree = tree
    for name, following in pairwise([*parents, leaf]):
        node = _child_or_new(node, name, path, {} if list_index(following) is None else [])
    if isinstance(node, dict):
        node[leaf] = array
    elif isinstance(node, list) and list_index(leaf) == len(node):
        node.append(array)
    else:
        raise PathError(path, "does not fit the metadata or skips an index")


def _child_or_new(node: Tree, name: str, path: str, empty: Tree) -> Tree:
    if isinstance(node, dict):
        return node.setdefault(name, empty)
    index = list_index(name)
    if isinstance(node, list) and index is not None and index < len(node):
        return node[index]
    raise PathError(path, "leads through a value that has no such part")


def _child(node: dict[str, Tree] | list[Tree], name: str, path: str) -> Tree:
    if isinstance(node, list):
        return node[_item_index(node, name, path)]
    if name not in node:
        raise PathError(path, f"leads through {name!r}, which does not exist")
    return node[name]


def _copied(node: Tree, name: str, path: str) -> dict[str, Tree] | list[Tree]:
    if isinstance(node, Mapping):
        return dict(node)
    if isinstance(node, list):
        return list(node)
    raise PathError(path, f"leads through {name!r}, which has no parts")


def _set(node: dict[str, Tree] | list[Tree], name: str, value: Tree, path: str) -> None:
    if isinstance(node, list):
        node[_item_index(node, name, path)] = value
    else:
        node[name] = value


def _item_index(items: Sequence[Tree], name: str, path: str) -> int:
    index = list_index(name)
    if index is None or index >= len(items):
        raise PathError(path, f"names item {name!r} of a list of {len(items)}")
    return index
