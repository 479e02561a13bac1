"""The search of ``e2t.tl.tune``: what each trial is worth, and the best one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from edge2torch._checks import check_choice
from edge2torch.errors import Edge2TorchError
from edge2torch.tl._learn import check_settings
from edge2torch.tl._space import propose
from edge2torch.training import score

if TYPE_CHECKING:
    import numpy.typing as npt
    import optuna

    from edge2torch.tl._learn import Learned
    from edge2torch.training import Target

#: metrics of which less is better
LESS = ("log_loss", "calibration_error", "mse")
VALIDATION = "validation"


class Search:
    """What optuna calls for each trial; keeps the best one, with its model.

    Parameters
    ----------
    space, metric
        As for :func:`edge2torch.tl.tune`.
    settings
        Arguments of ``tl.fit`` that are not searched for.
    target, part
        What to predict, and the split.
    train
        Trains with a target, a split and settings.
    """

    def __init__(
        self,
        space: Mapping[str, Any],
        settings: Mapping[str, Any],
        *,
        target: Target,
        part: npt.NDArray[np.object_],
        metric: str,
        train: Callable[..., Learned],
    ) -> None:
        self.space, self.settings, self.target, self.part, self.metric = space, settings, target, part, metric
        self.train = train
        self.less = metric in LESS
        self.best: tuple[float, dict[str, Any], Learned] | None = None
        self.failures: list[str] = []

    def __call__(self, trial: optuna.Trial) -> float:
        """Train with what a trial proposes, and score the validation cells."""
        chosen = {name: propose(trial, name, values) for name, values in self.space.items()}
        try:
            settings = check_settings({**self.settings, **chosen}, self.target)
            learned = self.train(self.target, self.part, settings)
            value = self._validate(learned)
        except Edge2TorchError as error:
            self.failures.append(str(error))
            raise
        if learned.interrupted:
            trial.study.stop()
        trial.set_user_attr("n_epochs", int(learned.history["epoch"].nunique()))
        if self.best is None or (value < self.best[0] if self.less else value > self.best[0]):
            self.best = value, settings, learned
        return value

    def check_metric(self) -> None:
        """Raise if there is no such metric, before anything is trained."""
        n = len(self.target.names)
        table, _ = score(
            self.target.task,
            self.target.names,
            self.target.truth[:1],
            np.full((1, n), 1 / n),
            np.array([VALIDATION], dtype=object),
        )
        check_choice("metric", self.metric, [str(name) for name in table if name not in ("split", "n_cells")])

    def _validate(self, learned: Learned) -> float:
        """Score the validation cells; the others, above all those held out, have no part in it."""
        here = self.part == VALIDATION
        truth, predicted = self.target.truth[here], learned.predicted[here]
        table, _ = score(self.target.task, self.target.names, truth, predicted, self.part[here])
        value = float(table.loc[table["split"] == VALIDATION, self.metric].iloc[0])
        if not np.isfinite(value):
            raise Edge2TorchError(f"{self.metric!r} is not defined on the validation cells: choose another metric")
        return value


def trials_table(study: optuna.Study, metric: str, space: Mapping[str, Any]) -> pd.DataFrame:
    """One row per trial, in the order in which they were made."""
    rows = []
    for trial in study.trials:
        chosen = {name: _entry(values, trial.params[name]) for name, values in space.items()}
        seconds = trial.duration.total_seconds() if trial.duration else float("nan")
        value = float("nan") if trial.value is None else trial.value
        n_epochs = int(trial.user_attrs.get("n_epochs", 0))
        state = trial.state.name.lower()
        rows.append(
            {"trial": trial.number, "state": state, metric: value, "n_epochs": n_epochs, "seconds": seconds, **chosen}
        )
    return pd.DataFrame(rows)


def _entry(values: Any, chosen: Any) -> Any:
    """What the table says of a value: numbers among numbers, else text, as h5ad and zarr files can hold it.

    Made before there is a column, which would have no place for None.
    """
    if not isinstance(values, list):
        return chosen
    value = values[chosen]
    if all(type(one) in (int, float) for one in values) or isinstance(value, str):
        return value
    return json.dumps(value)
