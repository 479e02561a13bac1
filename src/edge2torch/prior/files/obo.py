"""OBO: the terms of an ontology and how they are related."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.prior.files.text import read_lines
from edge2torch.prior.hierarchy import Hierarchy

#: besides is_a: what makes a gene of one term one of the other, too; a process that regulates another is no part of it
RELATIONS = ("part_of",)
#: the part of GO that is taken unless another one is asked for
PROCESS = "biological_process"
#: a backslash makes the next character text; W, t and n stand for what a value cannot hold
ESCAPED = {"W": " ", "t": "\t", "n": "\n"}
COMMENT = re.compile(r"((?:[^\\!]|\\.)*)!.*")
MODIFIERS = re.compile(r"((?:[^\\{]|\\.)*?)[ \t]*\{[^{}]*=[^{}]*\}")


#: what may stand around values; other kinds of blanks, such as the one that does not break, are part of a name
BLANKS = " \t"


@dataclass
class Term:
    """What is read of one term."""

    id: str = ""
    name: str = ""
    namespace: str = ""
    obsolete: bool = False
    parents: list[str] = field(default_factory=list)


def read_obo(file: Path, namespace: str | None = None) -> Hierarchy:
    """Read terms that are not obsolete, their names, and the terms that they are a kind or part of.

    Parameters
    ----------
    file
        Its path.
    namespace
        Only terms of this namespace, and relations among them; None takes the biological processes of GO, and all
        terms of other ontologies.

    Raises
    ------
    Edge2TorchError
        If there are no terms, none in this namespace, or no relations among them.
    """
    every = list(_read_terms(file))
    if not every:
        raise Edge2TorchError(f"{file.name!r} has no terms: is it an OBO file ([Term], id: ..., name: ...)?")
    if namespace is None and any(t.namespace == PROCESS for t in every):
        namespace = PROCESS
    terms = {t.id: t for t in every if not t.obsolete and (namespace is None or t.namespace == namespace)}
    if not terms:
        raise Edge2TorchError(
            f"{file.name!r} has {len(every):,} terms, but none in the namespace {namespace!r}; "
            f"it has {some(sorted({t.namespace for t in every}))}: pass namespace="
        )
    pairs = dict.fromkeys((parent, t.id) for t in terms.values() for parent in t.parents if parent in terms)
    if not pairs:
        raise Edge2TorchError(
            f"{file.name!r} has {len(terms):,} terms, but no relations (is_a, {', '.join(RELATIONS)})"
        )
    return Hierarchy(
        pd.DataFrame(list(pairs), columns=["parent", "child"]), {t.id: t.name or t.id for t in terms.values()}
    )


def _read_terms(file: Path) -> Iterator[Term]:
    """Go through the terms; other stanzas, such as those of relations, are left out."""
    default, stanza, term = "", "", Term()
    for number, line in read_lines(file):
        if line.startswith("["):
            if stanza == "[Term]":
                yield _complete(file, number, term)
            stanza, term = line.strip(), Term(namespace=default)
            continue
        tag, _, value = line.partition(":")
        if stanza == "[Term]":
            _read_tag(term, tag.strip(), value)
        elif not stanza and tag.strip() == "default-namespace":
            default = _plain(value)
    if stanza == "[Term]":
        yield _complete(file, number, term)


def _complete(file: Path, number: int, term: Term) -> Term:
    if not term.id:
        raise Edge2TorchError(f"{file.name!r}, before line {number:,}: a term has no id: add it, or remove the term")
    return term


def _read_tag(term: Term, tag: str, value: str) -> None:
    if tag in ("id", "name", "namespace"):
        setattr(term, tag, _plain(value))
    elif tag == "is_obsolete":
        term.obsolete = _plain(value) == "true"
    elif tag == "is_a":
        term.parents.append(_plain(value))
    elif tag == "relationship":
        relation, _, parent = value.strip(BLANKS).partition(" ")
        if relation in RELATIONS:
            term.parents.append(_plain(parent))


def _plain(value: str) -> str:
    """Take a value without its comment and its modifiers, and with its escaped characters as they are meant."""
    if "!" in value:
        # most values have no backslash, so that the first mark is that of the comment: ten times faster
        value = _without(COMMENT, value) if "\\" in value else value.partition("!")[0]
    # an escaped blank at the end is \W, so what is stripped is never meant
    value = value.strip(BLANKS)
    if value.endswith("}"):
        value = _without(MODIFIERS, value)
    if "\\" in value:
        value = re.sub(r"\\(.)", lambda found: ESCAPED.get(found[1], found[1]), value)
    return value


def _without(end: re.Pattern[str], value: str) -> str:
    found = end.fullmatch(value)
    return found[1] if found else value
