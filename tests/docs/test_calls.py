"""Functions and arguments that pages name are there: in blocks of code, in sentences, and in tables of defaults."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from pathlib import Path

import pytest

import edge2torch as e2t

ROOT = Path(__file__).resolve().parents[2]
PAGES = ["README.md", *sorted(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").glob("*.md"))]
ROOMS = ("pp", "tl", "pl", "get", "io", "datasets")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n)+")
INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
NAMED = re.compile(rf"(?<![\w.])(?:e2t\.)?({'|'.join(ROOMS)})\.([a-z_]+)\b(?!\.\w)")
DEFAULT = re.compile(r"`(\w+)=([^`]+)`")


def function_of(name: str):
    """What ``e2t.tl.fit`` or ``tl.fit`` is; ``None`` for what is not ours, or made by a call."""
    if not re.fullmatch(r"[\w.]+", name):
        return None
    first, *rest = name.removeprefix("e2t.").split(".")
    if first not in ROOMS and not name.startswith("e2t."):
        return None
    found = e2t
    for part in (first, *rest):
        assert hasattr(found, part), f"{name} does not exist"
        found = getattr(found, part)
    return found if callable(found) else None


def calls(code: str):
    """Calls in a piece of code; of lines one by one where they are no program."""
    try:
        pieces = [ast.parse(textwrap.dedent(code))]
    except SyntaxError:
        pieces = []
        for line in code.splitlines():
            try:
                pieces.append(ast.parse(line.strip()))
            except SyntaxError:
                continue
    return [node for piece in pieces for node in ast.walk(piece) if isinstance(node, ast.Call)]


def wrong(call: ast.Call, *, whole: bool) -> str | None:
    """Say what is wrong with a call: in a sentence, arguments may be left out, and named without a place."""
    name = ast.unparse(call.func)
    try:
        function = function_of(name)
    except AssertionError as error:
        return str(error)
    if function is None:
        return None
    dots = any(isinstance(one, ast.Constant) and one.value is ... for one in call.args)
    given = [one for one in call.args if not (isinstance(one, ast.Constant) and one.value is ...)]
    named = {one.arg: None for one in call.keywords if one.arg}
    try:
        signature = inspect.signature(function)
        (signature.bind if whole and not dots else signature.bind_partial)(*given, **named)
    except TypeError as error:
        return f"{ast.unparse(call)}: {error}"
    return None


def calls_of(text: str) -> list[tuple[ast.Call, bool]]:
    """Calls on a page, and whether they are whole: those in sentences need not be."""
    blocks = [code for language, code in FENCED.findall(text) if language in ("", "python")]
    blocks = [code for code in blocks if not code.startswith(("# edge2torch 0.3.0", "# kpnn2"))]
    prose = FENCED.sub("", text)
    blocks += INDENTED.findall(prose)
    found = [(call, True) for code in blocks for call in calls(code)]
    return found + [(call, False) for code in INLINE.findall(prose) for call in calls(code)]


def test_there_is_something_to_look_at(read_page):
    pages = [[call for call, _ in calls_of(read_page(page)) if function_of(ast.unparse(call.func))] for page in PAGES]
    assert sum(map(len, pages)) > 100
    assert sum(map(bool, pages)) > 12


@pytest.mark.parametrize("page", PAGES)
def test_calls_can_be_made(read_page, page):
    faults = [wrong(call, whole=whole) for call, whole in calls_of(read_page(page))]
    assert not [fault for fault in faults if fault]


@pytest.mark.parametrize("page", PAGES)
def test_functions_exist(read_page, page):
    missing = []
    for code in INLINE.findall(FENCED.sub("", read_page(page))):
        for room, name in NAMED.findall(code):
            if not hasattr(getattr(e2t, room), name):
                missing.append(f"{room}.{name}")
    assert not missing


def defaults(function) -> dict[str, object]:
    return {name: one.default for name, one in inspect.signature(function).parameters.items()}


def test_defaults_of_training(read_page):
    """The table of penalties and stops, and each setting that the page on accuracy defends."""
    there = defaults(e2t.tl.fit)
    table = read_page("docs/training.md").split("| argument of `tl.fit` | default |")[1].split("\n\n")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines()[2:]]
    assert len(rows) > 5
    for arguments, values in rows:
        said = [
            None if value.strip() == "none" else ast.literal_eval(value.strip().strip("`"))
            for value in values.split(", ")
        ]
        names = [name.split("=")[0] for name in re.findall(r"`([^`]+)`", arguments)]
        for name, value in zip(names, said * len(names) if len(said) == 1 else said, strict=True):
            assert there[name] == value, name
    defended = read_page("docs/accuracy.md").split("so\nnothing was changed.")[-1].split("## ")[0]
    settings = [DEFAULT.findall(line.split(":")[0]) for line in defended.splitlines() if line.startswith("- ")]
    assert len(settings) > 8
    for name, value in (one for line in settings for one in line):
        assert there[name] == ast.literal_eval(value), name


def test_defaults_beside_kpnn(read_page):
    there = defaults(e2t.tl.fit)
    table = read_page("docs/coming_from.md").split("| KPNN | its default |")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[3:5]] for line in table.splitlines()[2:]]
    held = {re.search(r"`(\w+)`", name)[1]: value for name, value in rows if re.match(r"`\w+`(?! =>)", name) and value}
    assert {"lr", "weight_decay", "dropout", "input_dropout", "batch_size", "split"} <= set(held)
    for name, value in held.items():
        said = ast.literal_eval(value if not value.startswith("0, ") else "0")
        assert there[name] == said, name
