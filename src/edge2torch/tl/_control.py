"""``e2t.tl.control``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from edge2torch import _keys, _slots
from edge2torch._checks import check_seed, check_whole
from edge2torch.cells.stored import POOL_BYTES
from edge2torch.control import deterministic_inputs, profiles, shuffle
from edge2torch.errors import Edge2TorchError, some
from edge2torch.get._control import KINDS, describe_control
from edge2torch.graph.rewire import rewire
from edge2torch.pp._edit import read_draft
from edge2torch.tl._fit import fit_settings
from edge2torch.tl._learn import Learned, learn
from edge2torch.tl._target import read_groups, read_target
from edge2torch.training import CLASSES, NUMBERS, PARTS, Scale, Target, score

if TYPE_CHECKING:
    import numpy.typing as npt
    from anndata import AnnData
    from mudata import MuData


def control(
    adata: AnnData | MuData,
    kinds: str | Sequence[str] = KINDS,
    *,
    n: int = 5,
    groups: str | None = None,
    random_state: int = 0,
    key: str = _keys.DEFAULT,
    copy: bool = False,
    progress_bar: bool = True,
) -> AnnData | MuData | None:
    """Train control models, which show what scores a node gets without meaning anything.

    A node with many genes scores high whatever they are, as does one near the outputs, and some scores are chance.
    Control models are trained with the settings of the fit, on the same cells and split, with one thing taken away;
    :func:`edge2torch.tl.rank_nodes` compares with their scores.

    Parameters
    ----------
    adata
        Cells by genes, with a model from :func:`edge2torch.tl.fit`.
    kinds
        What to take away: ``"rewired"`` the knowledge (edges lead to random nodes, every node keeps its numbers of
        edges; see :func:`edge2torch.pp.rewire_graph`), ``"shuffled"`` what distinguishes the cells (labels trade
        places within each part of the split), ``"deterministic"`` the differences between genes (every gene says the
        classes, labels or numbers equally well and without noise, so that only the wiring is left).
    n
        Models of each kind.
    groups
        Column of ``adata.obs``, such as donors, within which labels are shuffled.
    random_state
        Added to the seeds of the models, which are those after the seed of the fit; see ``random_state`` in
        :func:`edge2torch.get.control`.
    key
        Name of the result.
    copy
        Whether to return a copy instead of writing into ``adata``.
    progress_bar
        Whether to show a bar.

    Returns
    -------
    ``None``, or the copy. Sets:

    ``adata.uns[key]["controls"]``
        ``["table"]``: a row per model, see :func:`edge2torch.get.control`; ``["models"]``: all that is needed to
        rebuild them. Models of other kinds that are there already stay.
    ``adata.obsm[key + "_shuffled"]``
        Of classes: position of the label that each cell was given in each of the ``"shuffled"`` models, cells x ``n``.

    Raises
    ------
    Edge2TorchError
        If there is no model, its target or split is not there any more, or an argument cannot be used; nothing is
        written then.
    KeyboardInterrupt
        If it is interrupted (once, it ends after the current step); nothing is written then.

    References
    ----------
    Control inputs and shuffled labels for networks wired by prior knowledge: Fortelny & Bock 2020
    (doi:10.1186/s13059-020-02100-5), Esser-Skala & Fortelny 2023 (doi:10.1038/s41540-023-00310-8).

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> e2t.tl.fit(adata, "bulk_labels", max_epochs=2, progress_bar=False)
    >>> e2t.tl.control(adata, "rewired", n=2, progress_bar=False)
    >>> e2t.get.control(adata)[["kind", "random_state"]].to_numpy().tolist()
    [['rewired', 1], ['rewired', 2]]
    """
    _slots.check_adata(adata, copy=copy)
    wanted = _check(kinds, n, random_state)
    plan = _read_plan(adata, key, wanted, groups)
    first = int(plan.settings["random_state"]) + 1 + random_state  # with the seed of the fit, it would begin alike
    seeds = [(first + k) % 2**32 for k in range(n)]
    jobs = [(kind, seed) for kind in wanted for seed in seeds]
    tables, models, given = [], {}, []
    for kind, seed in tqdm(jobs, desc="controls", unit="model", disable=not progress_bar):
        trained = _train(adata, plan, kind, seed)
        name = f"{kind}_{seed}"
        tables.append(_row(name, kind, seed, trained))
        models[name] = describe_control(kind, trained.learned.models[0], trained.learned.artifact, trained.profile)
        if kind == "shuffled" and plan.target.task == CLASSES:
            given.append(trained.target.truth)
    keys = _keys.Keys(key)
    table, models = _with_others(adata, key, wanted, pd.DataFrame(tables), models)
    adata = adata.copy() if copy else adata
    _slots.write(
        adata,
        key,
        called={"control": {"kinds": wanted, "n": n, "groups": groups, "random_state": random_state}},
        uns={_keys.CONTROLS: {"table": table, "models": models}},
        obsm={keys.shuffled: np.stack(given, axis=1).astype(np.int32)} if given else {},
        stale=_stale(adata, key),
    )
    return adata if copy else None


def _stale(adata: AnnData | MuData, key: str) -> _keys.Made:
    """The ranking beside earlier controls; one by ``tl.interpret`` still holds."""
    compared = bool(_slots.params(adata, key, "rank_nodes"))
    parts = (_keys.RANK_NODES, _keys.RANK_NODES_MODELS)
    return _keys.Made(parts=parts, steps=("rank_nodes",)) if compared else _keys.NOTHING


@dataclass(frozen=True, eq=False)
class _Plan:
    """What the model was fitted to, and how."""

    edges: pd.DataFrame
    target: Target
    part: npt.NDArray[np.object_]
    settings: dict[str, Any]
    within: list[npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class _Trained:
    """A control model, and what it was trained on."""

    learned: Learned
    target: Target
    part: npt.NDArray[np.object_]
    profile: npt.NDArray[np.float32] | None = None


def _check(kinds: str | Sequence[str], n: int, random_state: int) -> list[str]:
    check_whole("n", n)
    check_seed(random_state)
    wanted = [kinds] if isinstance(kinds, str) else list(kinds)
    unknown = [kind for kind in wanted if kind not in KINDS]
    if unknown or not wanted or len(set(wanted)) < len(wanted):
        raise Edge2TorchError(f"kinds={kinds!r} must be one or several of {some(KINDS)}, each once")
    return wanted


def _read_plan(adata: AnnData | MuData, key: str, kinds: Sequence[str], groups: str | None) -> _Plan:
    _slots.results(adata, key, _keys.MODEL, "e2t.tl.fit")
    settings = read_settings(_slots.params(adata, key, "fit"))
    target = read_target(adata, settings["target"], str(settings["task"]))
    outputs = [str(name) for name in _slots.params(adata, key, "fit")["outputs"]]
    if target.names != outputs:
        raise Edge2TorchError(
            f"the target of the fit, {settings['target']!r}, now has {some(target.names)} and had {some(outputs)}: "
            "run e2t.tl.fit again"
        )
    split = _keys.Keys(key).split
    if split not in adata.obs:
        raise Edge2TorchError(f"adata.obs has no {split!r}, the split of the fit: run e2t.tl.fit again")
    part = np.asarray(adata.obs[split].astype(object))
    if not np.isin(part, PARTS).all():
        raise Edge2TorchError(f"adata.obs[{split!r}] must hold {some(PARTS)} for every cell: run e2t.tl.fit again")
    within = [part] if groups is None else [part, read_groups(adata, groups)]
    if "shuffled" in kinds:
        _check_moves(target, within)
    return _Plan(read_draft(adata, key).edges, target, part, settings, within)


def _check_moves(target: Target, within: Sequence[npt.NDArray[Any]]) -> None:
    """Raise if shuffling leaves what is known of the training cells as it is."""
    training = within[0] == "train"
    known = pd.DataFrame(target.truth[training].reshape(int(training.sum()), -1))
    differing = known.groupby([group[training] for group in within]).nunique()
    if not (differing > 1).any(axis=None):
        raise Edge2TorchError(
            "kinds='shuffled': within groups, all training cells have the same label, so that none can trade places; "
            "pass other groups, or None"
        )


def read_settings(params: dict[str, Any]) -> dict[str, Any]:
    """Arguments of ``tl.fit`` as they were passed, from what is recorded; ``None`` is not recorded."""
    settings: dict[str, Any] = dict.fromkeys([*fit_settings(), "target", "task"])
    for name in settings:
        value = params.get(name)
        if isinstance(value, np.ndarray):
            value = value.tolist()
        settings[name] = value.item() if isinstance(value, np.generic) else value
    if str(settings["class_weight"]).startswith("{"):
        settings["class_weight"] = json.loads(settings["class_weight"])
    return {**settings, "n_replicates": 1, "compare": False}


def _train(adata: AnnData | MuData, plan: _Plan, kind: str, seed: int) -> _Trained:
    settings = {**plan.settings, "random_state": seed}
    edges, target, part, cells, profile = plan.edges, plan.target, plan.part, adata, None
    if kind == "rewired":
        edges = rewire(edges, random_state=seed)
    elif kind == "shuffled":
        target = replace(target, truth=target.truth[shuffle(len(part), plan.within, seed)])
    else:
        cells, target, part, profile = _deterministic(plan, seed)
        settings |= {"layer": None, "use_raw": False}
    learned = learn(cells, edges, target, part, settings, trainer_kwargs=None, progress_bar=False)
    if learned.interrupted:
        raise KeyboardInterrupt
    return _Trained(learned, target, part, profile)


def _deterministic(plan: _Plan, seed: int) -> tuple[AnnData, Target, npt.NDArray[np.object_], npt.NDArray[np.float32]]:
    """Cells, target, parts and profile for a model that sees nothing but the target; fewer cells if they are many."""
    from anndata import AnnData

    inputs = sorted(set(plan.edges["source"]) - set(plan.edges["target"]))
    profile = profiles(len(plan.target.names), len(inputs), seed, classes=plan.target.task == CLASSES)
    rows = _some_of_each(plan, max(POOL_BYTES // (4 * len(inputs)), 1000), seed)
    target, part = replace(plan.target, truth=plan.target.truth[rows]), plan.part[rows]
    values = target.truth
    if target.task == NUMBERS:
        values = Scale.of(target, part == "train").standardise(values)
    cells = AnnData(deterministic_inputs(values, profile), var=pd.DataFrame(index=inputs))
    return cells, target, part, profile


def _some_of_each(plan: _Plan, most: int, seed: int) -> npt.NDArray[np.intp]:
    """Cells, at most so many, with the shares of parts and classes that all have (nearly)."""
    n = len(plan.part)
    if n <= most:
        return np.arange(n)
    random = np.random.default_rng(seed)
    strata = np.zeros(n, dtype=np.int64) if plan.target.strata is None else plan.target.strata
    together = pd.Series(plan.part).astype(str) + " " + pd.Series(strata).astype(str)
    rows = pd.Series(random.permutation(n))
    share = most / n
    kept = rows.groupby(together.to_numpy()[rows], sort=False).apply(
        lambda own: own.iloc[: max(int(len(own) * share), 1)]
    )
    return np.sort(kept.to_numpy())


def _row(name: str, kind: str, seed: int, trained: _Trained) -> dict[str, Any]:
    """What is to be known of a control model: among others how well it predicts the test cells."""
    learned, target = trained.learned, trained.target
    metrics = score(target.task, target.names, target.truth, learned.predicted, trained.part)[0]
    test = metrics[metrics["split"] == "test"].drop(columns=["split", "n_cells"])
    best = int(np.nanargmin(learned.history["val_loss"]))
    return {
        "control": name,
        "kind": kind,
        "random_state": seed,
        "best_epoch": int(learned.history["epoch"].iloc[best]),
        **({str(metric): value for metric, value in test.iloc[0].items()} if len(test) else {}),
    }


def _with_others(
    adata: AnnData | MuData, key: str, kinds: Sequence[str], table: pd.DataFrame, models: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Add the models of other kinds that are there already."""
    earlier = adata.uns[key].get(_keys.CONTROLS)
    if earlier is None:
        return table, models
    known = pd.DataFrame(earlier["table"])
    others = known[~known["kind"].isin(kinds)]
    stay = {str(name): earlier["models"][str(name)] for name in others["control"]}
    return pd.concat([others, table], ignore_index=True), {**stay, **models}
