"""``e2t.tl.tune``."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from edge2torch import _keys, _slots
from edge2torch._checks import check_number, check_seed, check_whole
from edge2torch._notes import caller_level
from edge2torch.errors import Edge2TorchError, some
from edge2torch.pp._edit import read_draft
from edge2torch.tl._fit import fit_settings
from edge2torch.tl._learn import learn, own_callbacks
from edge2torch.tl._search import Search, trials_table
from edge2torch.tl._space import check_space, plain
from edge2torch.tl._split import split_of
from edge2torch.tl._target import read_target
from edge2torch.tl._write_fit import write_fit
from edge2torch.training import CLASSES, LABELS, NUMBERS

if TYPE_CHECKING:
    from types import ModuleType

    from anndata import AnnData
    from mudata import MuData

    from edge2torch.tl._learn import Learned

#: arguments of ``tl.fit`` that are the same in all trials
FIXED = ("task", "split", "groups", "compare", "random_state", "accelerator", "layer", "use_raw")
#: what is made as large as possible on the validation cells
METRICS = {CLASSES: "balanced_accuracy", LABELS: "auroc", NUMBERS: "r2"}


def tune(
    adata: AnnData | MuData,
    target: str | Sequence[str],
    space: Mapping[str, Any],
    *,
    task: Literal["classes", "labels", "numbers"] | None = None,
    n_trials: int = 20,
    timeout: float | None = None,
    metric: str | None = None,
    fit_kwargs: Mapping[str, Any] | None = None,
    random_state: int = 0,
    key: str = _keys.DEFAULT,
    copy: bool = False,
    progress_bar: bool = True,
) -> AnnData | MuData | None:
    """Search for the arguments of :func:`edge2torch.tl.fit` that predict the validation cells best.

    All trials have the same split. The model of the best one is kept, as by :func:`edge2torch.tl.fit`; the test cells
    have no part in its choice.

    Parameters
    ----------
    adata
        Cells by genes, with a graph from :func:`edge2torch.pp.build_graph`.
    target
        What to predict, as in :func:`edge2torch.tl.fit`.
    space
        Values to try, by name of the argument: a list of choices; ``(low, high)`` for all numbers between, whole ones
        if both are; ``(low, high, "log")`` to try each order of magnitude as often.
    task
        See :func:`edge2torch.tl.fit`.
    n_trials
        Number of trials.
    timeout
        Seconds after which no further trial is begun.
    metric
        A column of :func:`edge2torch.get.metrics`; by default ``"balanced_accuracy"`` for classes, ``"auroc"`` for
        labels and ``"r2"`` for numbers.
    fit_kwargs
        Further arguments of :func:`edge2torch.tl.fit`, the same in all trials. Callbacks in ``trainer_kwargs`` are
        copied for each.
    random_state
        Seed of the search, and of each fit.
    key
        Name of the result.
    copy
        Whether to return a copy instead of writing into ``adata``.
    progress_bar
        Whether to show a bar.

    Returns
    -------
    ``None``, or the copy. Sets what :func:`edge2torch.tl.fit` sets, and ``adata.uns[key]["trials"]``, see
    :func:`edge2torch.get.trials`.

    Raises
    ------
    Edge2TorchError
        If an argument cannot be used, or no trial could be trained; nothing is written then.
    KeyboardInterrupt
        If the search is interrupted before there is a model. (Later, this ends it: the best model until then is kept,
        with a warning.)

    Notes
    -----
    Values are proposed by the tree-structured Parzen estimator (Bergstra et al. 2011,
    https://papers.nips.cc/paper/4443-algorithms-for-hyper-parameter-optimization) of optuna, which comes with
    ``pip install edge2torch[tune]``.

    Examples
    --------
    >>> import scanpy as sc, edge2torch as e2t
    >>> adata = sc.datasets.pbmc68k_reduced()
    >>> e2t.pp.build_graph(adata, "hallmark")  # doctest: +ELLIPSIS
    [edge2torch] hallmark: ...
    >>> space = {"lr": (1e-3, 1e-1, "log"), "activation": ["tanh", "relu"]}
    >>> e2t.tl.tune(adata, "bulk_labels", space, n_trials=2, fit_kwargs={"max_epochs": 2}, progress_bar=False)
    >>> e2t.get.trials(adata).columns.tolist()
    ['trial', 'state', 'balanced_accuracy', 'n_epochs', 'seconds', 'lr', 'activation']
    """
    _slots.check_adata(adata, copy=copy)
    optuna = _optuna()
    _check(n_trials, timeout, random_state, fit_kwargs, space)
    space = {name: plain(values) for name, values in space.items()}
    edges = read_draft(adata, key).edges
    wanted = read_target(adata, target, task)
    settings = {**fit_settings(), **(fit_kwargs or {}), "target": target, "task": task, "random_state": random_state}
    trainer_kwargs = settings.pop("trainer_kwargs", None)

    def train(*of: Any) -> Learned:
        return learn(adata, edges, *of, trainer_kwargs=own_callbacks(trainer_kwargs), progress_bar=False)

    search = Search(
        space,
        settings,
        target=wanted,
        part=split_of(adata, settings["split"], settings["groups"], wanted, random_state),
        metric=METRICS[wanted.task] if metric is None else metric,
        train=train,
    )
    search.check_metric()
    with _quiet(optuna):
        study = optuna.create_study(
            direction="minimize" if search.less else "maximize", sampler=optuna.samplers.TPESampler(seed=random_state)
        )
        with _kept_if_interrupted(search):
            study.optimize(search, n_trials, timeout, catch=(Edge2TorchError,), show_progress_bar=progress_bar)
    if search.best is None:
        why = f"the last one failed: {search.failures[-1]}" if search.failures else f"timeout={timeout} is too short"
        raise Edge2TorchError(f"none of {len(study.trials)} trials could be trained; {why}")
    adata = adata.copy() if copy else adata
    _, chosen, learned = search.best
    write_fit(
        adata,
        key,
        learned,
        target=wanted,
        part=search.part,
        settings=chosen,
        more_uns={_keys.TRIALS: trials_table(study, search.metric, space)},
        called={"tune": {"space": space, "n_trials": n_trials, "metric": search.metric, "random_state": random_state}},
    )
    return adata if copy else None


@contextmanager
def _kept_if_interrupted(search: Search) -> Iterator[None]:
    """Let Ctrl-C end the search if there is a model to keep."""
    try:
        yield
    except KeyboardInterrupt:
        if search.best is None:
            raise
        warnings.warn(
            "the search was interrupted; the best model until then is kept", UserWarning, stacklevel=caller_level()
        )


@contextmanager
def _quiet(optuna: ModuleType) -> Iterator[None]:
    """Keep optuna's notes on each trial off the screen; they are in the table."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(level)


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise Edge2TorchError("e2t.tl.tune needs optuna: pip install 'edge2torch[tune]'") from error
    return optuna


def _check(
    n_trials: int,
    timeout: float | None,
    random_state: int,
    fit_kwargs: Mapping[str, Any] | None,
    space: Mapping[str, Any],
) -> None:
    check_whole("n_trials", n_trials)
    if timeout is not None:
        check_number("timeout", timeout, positive=True)
    check_seed(random_state)
    for what, named, hint in (("fit_kwargs", fit_kwargs or {}, ""), ("space", space, " to values to try")):
        if not isinstance(named, Mapping):
            raise Edge2TorchError(f"{what}={named!r} must be a dict of arguments of e2t.tl.fit{hint}")
    tunable = [name for name in fit_settings() if name not in FIXED]
    unknown = [name for name in space if name not in tunable]
    if unknown or not space:
        raise Edge2TorchError(
            f"space may not hold {some(unknown) if unknown else 'nothing'}; it may hold {some(tunable, 40)}"
        )
    known = [*tunable, *FIXED, "trainer_kwargs"]
    wrong = [
        name for name in fit_kwargs or {} if name not in known or name in (*space, "task", "compare", "random_state")
    ]
    if wrong:
        raise Edge2TorchError(
            f"fit_kwargs may not hold {some(wrong)}: unknown, in space, or an argument of e2t.tl.tune"
        )
    check_space(space)
