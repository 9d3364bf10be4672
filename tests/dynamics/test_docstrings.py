"""Every public part of the mathematics says what it is, where it comes from and what shapes it takes."""

import ast
import inspect
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest

import lindyn_service.dynamics

FILES = sorted(Path(inspect.getfile(lindyn_service.dynamics)).parent.glob("*.py"))
TREES = {file.stem: ast.parse(file.read_text()) for file in FILES}


def is_public(node):
    return not node.name.startswith("_")


def public(*kinds):
    """Public definitions at module level."""
    nodes = [(stem, node) for stem, tree in TREES.items() for node in tree.body if isinstance(node, kinds)]
    return [pytest.param(stem, node, id=f"{stem}.{node.name}") for stem, node in nodes if is_public(node)]


def functions_of(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def methods_of(node):
    """Public methods of a class; functions have none."""
    body = node.body if isinstance(node, ast.ClassDef) else []
    return [each for each in body if isinstance(each, ast.FunctionDef) and is_public(each)]


def private_functions(tree):
    return {node.name: node for node in functions_of(tree) if not is_public(node)}


def raised(node, helpers, seen=()):
    """Names of the exceptions that a body raises, itself or in private functions of its module."""
    for each in ast.walk(node):
        if isinstance(each, ast.Raise) and each.exc is not None:
            yield ast.unparse(each.exc.func if isinstance(each.exc, ast.Call) else each.exc)
        name = getattr(each.func, "attr", getattr(each.func, "id", None)) if isinstance(each, ast.Call) else None
        if name in helpers and name not in seen:
            yield from raised(helpers[name], helpers, (*seen, name))


def has_bare_array(annotation):
    """Whether np.ndarray stands anywhere but inside Float[...], Int[...] or Bool[...]."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) in {"Float", "Int", "Bool"}:
        return False
    if isinstance(annotation, ast.Attribute) and annotation.attr == "ndarray":
        return True
    return any(map(has_bare_array, ast.iter_child_nodes(annotation)))


def annotations_of(function):
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    found = {each.arg: each.annotation for each in named if each is not None}
    return {name: value for name, value in {**found, "return": function.returns}.items() if value is not None}


@pytest.mark.parametrize("stem", [stem for stem in TREES if stem != "__init__"])
def test_modules_say_what_they_are(stem):
    assert ast.get_docstring(TREES[stem])


@pytest.mark.parametrize(("stem", "node"), public(ast.FunctionDef, ast.ClassDef))
def test_begins_with_one_sentence(stem, node):
    for each in (node, *methods_of(node)):
        docstring = ast.get_docstring(each)
        assert docstring, f"{stem}.{each.name} has no docstring"
        assert docstring.split("\n\n")[0].endswith("."), f"{stem}.{each.name}"


@pytest.mark.parametrize(("stem", "node"), public(ast.FunctionDef))
def test_functions_end_with_their_source(stem, node):
    last = ast.get_docstring(node).split("\n\n")[-1]
    assert last.startswith("Source: "), f"{stem}.{node.name}"
    assert last.rstrip().endswith("."), f"{stem}.{node.name}"


@pytest.mark.parametrize(("stem", "node"), public(ast.FunctionDef, ast.ClassDef))
def test_what_raises_says_so(stem, node):
    helpers = private_functions(TREES[stem])
    for each in methods_of(node) if isinstance(node, ast.ClassDef) else [node]:
        documented = ast.get_docstring(each)
        for error in raised(each, helpers):
            assert "Raises:" in documented, f"{stem}.{each.name}"
            assert error in documented.split("Raises:")[1], f"{stem}.{each.name} raises {error}"


@pytest.mark.parametrize(("stem", "node"), public(ast.FunctionDef))
def test_documented_arguments_are_those_of_the_signature(stem, node):
    """Where arguments are listed, none is left out and none is made up; their order is that of the signature."""
    lines = ast.get_docstring(node).split("\n")
    if "Args:" not in lines:
        return
    section = []
    for line in lines[lines.index("Args:") + 1 :]:
        if not line.startswith(" "):
            break
        section.append(line)
    listed = [line.strip().split(":")[0] for line in section if not line.startswith("     ")]
    signature = [each.arg for each in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    assert listed == signature, f"{stem}.{node.name}"


@pytest.mark.parametrize("stem", TREES)
def test_arrays_in_signatures_have_shapes(stem):
    bare = [
        f"{function.name}({name})"
        for function in functions_of(TREES[stem])
        for name, annotation in annotations_of(function).items()
        if has_bare_array(annotation)
    ]
    assert not bare


@pytest.mark.parametrize("stem", TREES)
def test_arrays_in_fields_have_shapes(stem):
    classes = [node for node in ast.walk(TREES[stem]) if isinstance(node, ast.ClassDef)]
    fields = [field for node in classes for field in node.body if isinstance(field, ast.AnnAssign)]
    assert not [ast.unparse(field) for field in fields if has_bare_array(field.annotation)]


@pytest.mark.parametrize("stem", TREES)
def test_containers_of_arrays_are_documented(stem):
    """An alias such as Layers is followed by a string that says what it holds, or it spells out the shapes."""
    for node, following in pairwise([*TREES[stem].body, None]):
        if isinstance(node, ast.Assign) and has_bare_array(node.value):
            assert isinstance(following, ast.Expr), ast.unparse(node)
            assert isinstance(following.value, ast.Constant), ast.unparse(node)


@pytest.mark.parametrize(("stem", "node"), public(ast.FunctionDef))
def test_shapes_are_checked_while_tests_run(stem, node):
    """The import hook has wrapped the function: an argument of the wrong kind is refused by its annotation."""
    function = getattr(import_module(f"lindyn_service.dynamics.{stem}"), node.name)
    assert inspect.unwrap(function) is not function


def test_the_checks_find_what_they_look_for():
    tree = ast.parse("""
def f(a: np.ndarray, *, b: tuple[np.ndarray, ...]) -> dict[str, Float[np.ndarray, "x"]]:
    def inside():
        _helper()
    raise ValueError("no")
def _helper():
    raise KeyError
""")
    function = tree.body[0]
    bare = {name: has_bare_array(annotation) for name, annotation in annotations_of(function).items()}
    assert bare == {"a": True, "b": True, "return": False}
    assert set(raised(function, private_functions(tree))) == {"ValueError", "KeyError"}
    assert len(TREES) > 20
