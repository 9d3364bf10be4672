"""Docstrings of `dynamics`: every public definition has one, with its source, and arrays have shapes."""

import ast
import inspect
import re
from importlib import import_module
from itertools import pairwise, takewhile
from pathlib import Path

import lindyn_service.dynamics

FILES = sorted(Path(inspect.getfile(lindyn_service.dynamics)).parent.glob("*.py"))
SOURCE = r"\(\d{4}\)|thesis|docs/|torch|as for `\w|arXiv|10\.\d{4}"

TREES = {file.stem: ast.parse(file.read_text()) for file in FILES}


def is_public(node):
    return not node.name.startswith("_")


def public(*kinds):
    """Public definitions at module level, with the names of their modules and their own."""
    nodes = [(stem, node) for stem, tree in TREES.items() for node in tree.body if isinstance(node, kinds)]
    return [(f"{stem}.{node.name}", node) for stem, node in nodes if is_public(node)]


def functions_of(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]


def methods_of(node):
    """Public methods of a class; an empty list for functions."""
    body = node.body if isinstance(node, ast.ClassDef) else []
    return [
        node_of_body for node_of_body in body if isinstance(node_of_body, ast.FunctionDef) and is_public(node_of_body)
    ]


def private_functions(tree):
    return {node.name: node for node in functions_of(tree) if not is_public(node)}


def raised(node, helpers, seen=()):
    """Names of the exceptions that a body raises, directly or in private functions of its module."""
    for each in ast.walk(node):
        if isinstance(each, ast.Raise) and each.exc is not None:
            yield ast.unparse(each.exc.func if isinstance(each.exc, ast.Call) else each.exc)
        name = getattr(each.func, "attr", getattr(each.func, "id", None)) if isinstance(each, ast.Call) else None
        if name in helpers and name not in seen:
            yield from raised(helpers[name], helpers, (*seen, name))


WITH_SHAPES = {"Float", "Complex", "Inexact", "Int", "Bool"}


def has_bare_array(annotation):
    """Whether np.ndarray appears outside Float[...], Int[...] and the like."""
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value) in WITH_SHAPES:
        return False
    if isinstance(annotation, ast.Attribute) and annotation.attr == "ndarray":
        return True
    return any(map(has_bare_array, ast.iter_child_nodes(annotation)))


def annotations_of(function):
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    annotations = {argument.arg: argument.annotation for argument in named if argument is not None}
    return {name: value for name, value in {**annotations, "return": function.returns}.items() if value is not None}


def test_every_module_has_a_docstring():
    assert not [stem for stem, tree in TREES.items() if stem != "__init__" and not ast.get_docstring(tree)]


def test_docstrings_begin_with_one_sentence():
    offenders = [
        f"{name}.{each.name}"
        for name, node in public(ast.FunctionDef, ast.ClassDef)
        for each in (node, *methods_of(node))
        if not (ast.get_docstring(each) or "").split("\n\n")[0].endswith(".")
    ]
    assert not offenders


def test_sources_are_the_last_paragraph_and_name_literature():
    offenders = []
    for name, node in public(ast.FunctionDef):
        *before, last = ast.get_docstring(node).split("\n\n")
        sources = [paragraph for paragraph in before if paragraph.startswith("Source:")]
        if last.startswith("Source: "):
            sources += [] if re.search(SOURCE, last) and last.rstrip().endswith(".") else [last]
        offenders += [(name, source) for source in sources]
    assert not offenders


def test_raised_exceptions_are_documented():
    offenders = []
    for name, node in public(ast.FunctionDef, ast.ClassDef):
        helpers = private_functions(TREES[name.split(".")[0]])
        for each in methods_of(node) if isinstance(node, ast.ClassDef) else [node]:
            documented = ast.get_docstring(each).partition("Raises:")[2]
            offenders += [f"{name}: {each.name} raises {e}" for e in raised(each, helpers) if e not in documented]
    assert not offenders


def test_documented_arguments_are_those_of_the_signature():
    """A section "Args:" lists all arguments in the order of the signature, and no others."""
    offenders = {}
    for name, node in public(ast.FunctionDef):
        documented = documented_arguments(ast.get_docstring(node).split("\n"))
        signature = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
        if documented not in (None, signature):
            offenders[name] = documented
    assert not offenders


def documented_arguments(lines):
    """Names in the section "Args:" of a docstring; None if there is no such section."""
    if "Args:" not in lines:
        return None
    section = takewhile(lambda line: line.startswith(" "), lines[lines.index("Args:") + 1 :])
    return [line.strip().split(":")[0] for line in section if not line.startswith("     ")]


def test_arrays_in_signatures_have_shapes():
    bare = [
        f"{stem}.{function.name}({name})"
        for stem, tree in TREES.items()
        for function in functions_of(tree)
        for name, annotation in annotations_of(function).items()
        if has_bare_array(annotation)
    ]
    assert not bare


def test_arrays_in_fields_have_shapes():
    bare = [
        f"{stem}: {ast.unparse(field)}"
        for stem, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
        for field in node.body
        if isinstance(field, ast.AnnAssign) and has_bare_array(field.annotation)
    ]
    assert not bare


def test_containers_of_arrays_are_documented():
    """An alias such as Layers spells out the shapes, or a string after it describes them."""
    undocumented = [
        f"{stem}: {ast.unparse(node)}"
        for stem, tree in TREES.items()
        for node, following in pairwise([*tree.body, None])
        if isinstance(node, ast.Assign) and has_bare_array(node.value)
        if not (isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant))
    ]
    assert not undocumented


def test_shapes_are_checked_while_tests_run():
    """The import hook has wrapped each function, so that annotations are checked at run time."""
    functions = {
        name: getattr(import_module(f"lindyn_service.dynamics.{name.split('.')[0]}"), node.name)
        for name, node in public(ast.FunctionDef)
    }
    assert not [name for name, function in functions.items() if inspect.unwrap(function) is function]


def test_the_checks_detect_violations():
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
