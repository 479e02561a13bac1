"""What the public functions of ``pp``, ``tl``, ``get`` and ``pl`` have in common, read off signatures and docs."""

from __future__ import annotations

import ast
import doctest
import inspect
import re
import textwrap

import pytest

import edge2torch as e2t

MODULES = {name: getattr(e2t, name) for name in ("pp", "tl", "get", "pl")}
FUNCTIONS = {
    f"{module}.{name}": getattr(MODULES[module], name)
    for module in MODULES
    for name in getattr(MODULES[module], "__all__", [])
}
#: functions of tl that compare results, and write none
COMPARING = ["tl.evaluate_recovery"]
WRITING = [name for name in FUNCTIONS if name.startswith(("pp.", "tl.")) and name not in COMPARING]
#: functions that start a result, and so name it
STARTING = ["pp.build_graph"]

each = pytest.mark.parametrize("name", FUNCTIONS)


def parameters(name):
    return inspect.signature(FUNCTIONS[name]).parameters


def sections(name):
    """Sections of a numpy docstring, by title; the summary under ``""``."""
    lines = inspect.getdoc(FUNCTIONS[name]).splitlines()
    found, title = {"": []}, ""
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if re.fullmatch(r"-{3,}", below) and len(below) == len(line):
            title = line
            found[title] = []
        elif not (re.fullmatch(r"-{3,}", line) and not found[title]):
            found[title].append(line)
    return {title: "\n".join(text).strip() for title, text in found.items()}


def documented(name):
    """Names in the section on parameters, several to a line where they are told of together."""
    lines = sections(name).get("Parameters", "").splitlines()
    return [part.strip().lstrip("*") for line in lines if line and not line[0].isspace() for part in line.split(",")]


def raises(function, module, seen=None):
    """Names of exceptions that a function, or a function of its module that it calls, raises."""
    seen = set() if seen is None else seen
    seen.add(function)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    found = {
        node.exc.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and isinstance(node.exc.func, ast.Name)
    }
    for node in ast.walk(tree):
        called = (
            getattr(module, node.func.id, None)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            else None
        )
        if inspect.isfunction(called) and called.__module__.startswith("edge2torch") and called not in seen:
            found |= raises(called, inspect.getmodule(called), seen)
    return found


def test_there_is_something_to_look_at():
    assert {"pp.build_graph", "tl.fit", "tl.predict", "tl.interpret", "get.nodes", "get.features"} <= set(FUNCTIONS)
    assert {"tl.cross_validate", "get.metrics"} <= set(FUNCTIONS)


@each
def test_all_are_functions_in_a_file_of_their_own(name):
    module, function = name.split(".")
    assert inspect.isfunction(FUNCTIONS[name])
    assert FUNCTIONS[name].__name__ == function
    if module in ("pp", "tl"):
        assert FUNCTIONS[name].__module__ == f"edge2torch.{module}._{function}"


@each
def test_adata_comes_first(name):
    first = next(iter(parameters(name).values()))
    assert first.name == "adata"
    assert first.default is inspect.Parameter.empty
    assert first.annotation == "AnnData | MuData"


@each
def test_at_most_three_are_positional_and_none_hides_in_args(name):
    kinds = [parameter.kind for parameter in parameters(name).values()]
    assert kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD) <= 3
    assert set(kinds) <= {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


@each
def test_switches_are_keywords(name):
    for parameter in parameters(name).values():
        if isinstance(parameter.default, bool):
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, parameter.name


@each
def test_the_result_has_a_key(name):
    if name == "pp.rewire_graph":  # reads one result and starts another
        assert [parameters(name)[key].default for key in ("key", "key_added")] == ["e2t", "e2t_rewired"]
        return
    has, has_not = ("key_added", "key") if name in STARTING else ("key", "key_added")
    assert has_not not in parameters(name)
    assert parameters(name)[has].default == "e2t"
    assert parameters(name)[has].kind is inspect.Parameter.KEYWORD_ONLY


@each
def test_copy_is_offered_where_something_is_written(name):
    if name in WRITING:
        assert parameters(name)["copy"].default is False
        assert inspect.signature(FUNCTIONS[name]).return_annotation == "AnnData | MuData | None"
    else:
        assert "copy" not in parameters(name)


@each
def test_defaults_cannot_be_changed_by_a_call(name):
    for parameter in parameters(name).values():
        default = parameter.default
        assert default is inspect.Parameter.empty or isinstance(default, str | int | float | tuple | None), parameter


SAME = {"random_state": 0, "accelerator": "auto", "trainer_kwargs": None, "layer": None, "use_raw": False}
SAME |= {"gene_symbols": None, "groupby": None, "progress_bar": True, "task": None, "groups": None}


@each
def test_parameters_of_one_name_have_one_default(name):
    for parameter in parameters(name).values():
        if parameter.name in SAME and name.startswith(("pp.", "tl.")):
            assert parameter.default == SAME[parameter.name], parameter.name


@each
def test_everything_is_annotated_and_types_stand_in_signatures_only(name):
    signature = inspect.signature(FUNCTIONS[name])
    assert signature.return_annotation is not inspect.Signature.empty
    for parameter in signature.parameters.values():
        assert parameter.annotation is not inspect.Parameter.empty, parameter.name
    for line in sections(name)["Parameters"].splitlines():
        assert not re.match(r"\S.* : ", line), f"type in {line!r}"


@each
def test_every_parameter_is_documented_in_order(name):
    assert documented(name) == list(parameters(name))


@each
def test_sections(name):
    found = sections(name)
    assert found[""].splitlines()[0].endswith(".")
    assert found.get("Returns"), "says what comes back, or what is set"
    assert "Edge2TorchError" in found.get("Raises", ""), "all read a key, and so can fail"


@pytest.mark.parametrize("name", WRITING)
def test_writing_functions_say_what_they_set(name):
    returns = sections(name)["Returns"]
    assert re.search(r"``None``.*copy", returns)
    assert re.search(r"``adata\.(obs|obsm|varm|uns)\[", returns)


@each
def test_exceptions_that_are_raised_are_documented(name):
    function = FUNCTIONS[name]
    raised = raises(function, inspect.getmodule(function))
    assert raised <= {"Edge2TorchError"}, "one exception for bad input"
    for exception in raised:
        assert exception in sections(name)["Raises"]


@each
def test_no_assertion_is_an_error_for_the_user(name):
    source = inspect.getsource(inspect.getmodule(FUNCTIONS[name]))
    assert not [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Assert)]


def test_modules_export_functions_only():
    for name, module in MODULES.items():
        public = {k for k in vars(module) if not k.startswith("_") and inspect.isfunction(getattr(module, k))}
        assert public == set(getattr(module, "__all__", [])), name


PUBLIC = {
    name: getattr(e2t, name)
    for name in e2t.__all__
    if inspect.isclass(getattr(e2t, name)) or inspect.isfunction(getattr(e2t, name))
} | {
    f"{room}.{name}": getattr(getattr(e2t, room), name)
    for room in ("pp", "tl", "get", "pl", "io", "datasets")
    for name in getattr(e2t, room).__all__
}


@pytest.mark.parametrize("name", PUBLIC)
def test_all_that_is_public_has_an_example_that_runs(name):
    """That it runs is what pytest sees to, which collects the examples of docstrings."""
    text = inspect.getdoc(PUBLIC[name])
    assert re.search(r"^Examples\n-{8}\n", text, re.MULTILINE)
    assert doctest.DocTestParser().get_examples(text)
