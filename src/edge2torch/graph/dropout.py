"""How often the state of a node is dropped, by what the graph says about the nodes beside it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from edge2torch._checks import check_choice, check_number
from edge2torch.graph.graph import HIDDEN, INPUT, Graph

#: by what nodes share one probability of dropout, or do not
DROPOUT_RULES = ("uniform", "redundancy")
#: least number of sources that a target of a node has -> most that the node is dropped; from 4 on nothing is held back
MOST_BY_SOURCES = ((1, 0.0), (2, 0.1), (3, 0.3))


def fewest_sources(graph: Graph) -> npt.NDArray[np.int64]:
    """Find how few nodes share with each node the task to explain a target.

    Parameters
    ----------
    graph
        The graph.

    Returns
    -------
    For every node, in the order of ``graph.nodes``, the least number of sources (the node itself is one) that any of
    its targets has; 0 for nodes without targets. Inputs count as sources, self loops do not.

    Examples
    --------
    >>> import pandas as pd
    >>> pairs = [("g1", "A"), ("g2", "A"), ("g3", "B"), ("A", "out"), ("B", "out")]
    >>> graph = Graph.from_edgelist(pd.DataFrame(pairs, columns=["source", "target"]))
    >>> dict(zip(graph.nodes.tolist(), fewest_sources(graph).tolist()))
    {'g1': 2, 'g2': 2, 'g3': 1, 'A': 2, 'B': 2, 'out': 0}
    """
    others = graph.source != graph.target  # a node does not explain itself
    source, target = graph.source[others], graph.target[others]
    n_sources = np.bincount(target, minlength=graph.nodes.size)
    fewest = np.full(graph.nodes.size, np.iinfo(np.int64).max)
    np.minimum.at(fewest, source, n_sources[target])
    fewest[np.bincount(source, minlength=graph.nodes.size) == 0] = 0
    return fewest


def dropout_rates(
    graph: Graph, dropout: float, *, inputs: float = 0.0, rule: str = "redundancy"
) -> npt.NDArray[np.float64]:
    """Find the probability with which each node is set to 0 in training.

    Parameters
    ----------
    graph
        The graph.
    dropout
        Probability for hidden nodes, at least 0 and less than 1.
    inputs
        Probability for inputs.
    rule
        ``"uniform"``: it is the same for all hidden nodes, and for all inputs. ``"redundancy"``: with
        ``n = fewest_sources(graph)``, a node is dropped with probability 0 where ``n`` is 1 (it is the only one that
        explains some target), at most 0.1 where ``n`` is 2, at most 0.3 where ``n`` is 3, and as often as any other
        where it is larger.

    Returns
    -------
    Probabilities in the order of ``graph.nodes``; 0 for outputs.

    Raises
    ------
    Edge2TorchError
        If an argument is not valid.

    Notes
    -----
    The three limits are those of knowledge-primed neural networks (Fortelny & Bock 2020,
    doi:10.1186/s13059-020-02100-5; published code ``KPNN_Function.py``). There, ``n`` is the number of distinct sources
    of all targets of a node taken together, and inputs are all dropped alike. Here it is that of the target with the
    fewest: with the union, a node that is the only source of one target would be dropped as soon as it has another
    target, and where outputs are read from all hidden nodes, all nodes would look redundant.

    Examples
    --------
    >>> import pandas as pd
    >>> pairs = [("g1", "A"), ("g2", "A"), ("g3", "B"), ("A", "out"), ("B", "out")]
    >>> graph = Graph.from_edgelist(pd.DataFrame(pairs, columns=["source", "target"]))
    >>> dict(zip(graph.nodes.tolist(), dropout_rates(graph, 0.5, inputs=0.2).tolist()))
    {'g1': 0.1, 'g2': 0.1, 'g3': 0.0, 'A': 0.1, 'B': 0.1, 'out': 0.0}
    """
    check_number("dropout", dropout, below=1)
    check_number("inputs", inputs, below=1)
    check_choice("rule", rule, DROPOUT_RULES)
    rates = np.select([graph.kind == HIDDEN, graph.kind == INPUT], [float(dropout), float(inputs)], 0.0)
    if rule == "redundancy":
        fewest = fewest_sources(graph)
        for n_sources, most in MOST_BY_SOURCES:
            here = fewest == n_sources
            rates[here] = np.minimum(rates[here], most)
    return rates
