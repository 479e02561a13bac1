"""Several priors as one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from edge2torch.errors import Edge2TorchError, some
from edge2torch.graph import name_apart
from edge2torch.prior.hierarchy import check_acyclic
from edge2torch.prior.prior import Prior


def beside(priors: Sequence[Prior]) -> Prior:
    """Put priors side by side: none reads another one.

    A name that several of them use for a node stands for different nodes, ``"<name> (<prior>)"``.

    Parameters
    ----------
    priors
        At least one.

    Returns
    -------
    A prior whose tables have the columns ``prior`` and, in the hierarchy, ``contains``.

    Examples
    --------
    >>> one = Prior("one", pd.DataFrame({"source": ["hypoxia"], "target": ["VEGFA"]}))
    >>> two = Prior("two", pd.DataFrame({"source": ["hypoxia", "p53"], "target": ["LDHA", "MDM2"]}))
    >>> beside([one, two]).sets["source"].tolist()
    ['hypoxia (one)', 'hypoxia (two)', 'p53']
    """
    priors = _named_apart(priors)
    uses = Counter(node for prior in priors for node in _nodes(prior))
    once = {node for node, n in uses.items() if n == 1}
    renamed = []
    for prior in priors:
        shared = sorted(set(_nodes(prior)) - once)
        names = name_apart([f"{node} ({prior.name})" for node in shared], once, " (node)")
        renamed.append(_rename(prior, dict(zip(shared, names.values(), strict=True))))
    return _join(renamed)


def layers(priors: Sequence[Prior]) -> Prior:
    """Put priors on top of each other: nodes of one read nodes of those below it.

    The first reads genes. What a later one has as a target (a gene that a kinase regulates) stands for the node of that
    name in a prior below it, or in itself; where there is no such node, the row is left out.

    Parameters
    ----------
    priors
        At least one, the one that reads genes first: regulons, signalling, receptors.

    Raises
    ------
    Edge2TorchError
        If no target of a prior is a node below it.

    Examples
    --------
    >>> regulons = Prior("regulons", pd.DataFrame({"source": ["STAT1"], "target": ["IRF7"]}))
    >>> kinases = Prior("kinases", pd.DataFrame({"source": ["JAK1", "JAK1"], "target": ["STAT1", "IRF7"]}))
    >>> layers([regulons, kinases]).hierarchy[["parent", "child"]].values.tolist()
    [['JAK1', 'STAT1']]
    """
    first, *others = _named_apart(priors)
    stacked = [first]
    below = set(_nodes(first))
    for prior in others:
        own = set(_nodes(prior))
        meets = prior.sets["target"].isin(below)
        if not meets.any() and not prior.hierarchy["child"].isin(below).any():
            raise Edge2TorchError(
                f"stack='layers': no target of {prior.name!r} ({some(prior.sets['target'].unique(), 3)}) is a node of "
                f"a layer below it ({some(sorted(below), 3)}); name the layers from the genes upwards"
            )
        known = prior.sets[meets | prior.sets["target"].isin(own)]
        rows = _with_origin(known.rename(columns={"source": "parent", "target": "child"}), prior).assign(contains=False)
        hierarchy = pd.concat([_with_origin(prior.hierarchy, prior).assign(contains=prior.contains), rows])
        left_out = prior.left_out + len(prior.sets) - len(known)
        stacked.append(replace(prior, sets=prior.sets.iloc[:0], hierarchy=hierarchy, left_out=left_out))
        below |= own
    return _join(stacked)


def modalities(priors: Mapping[str, Prior]) -> Prior:
    """Join priors of several modalities: their genes are apart, their nodes are shared.

    Parameters
    ----------
    priors
        By name of the modality; a gene becomes ``"<modality>:<gene>"``, nodes of the same name become one.
    """
    named = [
        replace(
            prior,
            sets=_with_origin(prior.sets, prior).assign(target=modality + ":" + prior.sets["target"].astype(object)),
        )
        for modality, prior in priors.items()
    ]
    return _join(named)


def _named_apart(priors: Sequence[Prior]) -> list[Prior]:
    """Number priors of the same name, e.g. two tables."""
    used = {prior.name for prior in priors}
    seen: set[str] = set()
    apart = []
    for prior in priors:
        name, number = prior.name, 1
        while name in seen or (number > 1 and name in used):
            number += 1
            name = f"{prior.name} {number}"
        seen.add(name)
        apart.append(replace(prior, name=name))
    return apart


def _nodes(prior: Prior) -> list[str]:
    return list(pd.concat([prior.sets["source"], prior.hierarchy["parent"], prior.hierarchy["child"]]).unique())


def _with_origin(table: pd.DataFrame, prior: Prior) -> pd.DataFrame:
    return table if "prior" in table else table.assign(prior=prior.name)


def _rename(prior: Prior, names: Mapping[str, str]) -> Prior:
    def new(column: pd.Series) -> pd.Series:
        return column.map(lambda name: names.get(name, name))

    sets, hierarchy = prior.sets, prior.hierarchy
    return replace(
        prior,
        sets=sets.assign(source=new(sets["source"])),
        hierarchy=hierarchy.assign(parent=new(hierarchy["parent"]), child=new(hierarchy["child"])),
        ids={names.get(name, name): identifier for name, identifier in prior.ids.items()},
    )


def _join(priors: Sequence[Prior]) -> Prior:
    sets = [_with_origin(prior.sets, prior) for prior in priors]
    hierarchies = [
        table if "contains" in table else table.assign(contains=prior.contains)
        for prior, table in ((prior, _with_origin(prior.hierarchy, prior)) for prior in priors)
    ]
    hierarchy = _concat(hierarchies).drop_duplicates(["parent", "child"], ignore_index=True)
    contained = hierarchy[hierarchy["contains"].astype(bool)]
    if len(contained):
        check_acyclic(contained, " + ".join(dict.fromkeys(prior.name for prior in priors)))
    return Prior(
        " + ".join(dict.fromkeys(prior.name for prior in priors)),
        _concat(sets).drop_duplicates(["source", "target"], ignore_index=True),
        hierarchy.assign(contains=hierarchy["contains"].astype(bool)),
        bool(np.all([prior.contains for prior in priors])),
        {name: identifier for prior in priors for name, identifier in prior.ids.items()},
        sum(prior.left_out for prior in priors),
    )


def _concat(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Put tables together; those without rows only count if all are."""
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
