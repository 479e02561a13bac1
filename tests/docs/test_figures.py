"""Figures that a page repeats are those of the page where they were measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
RESULTS, BELIEVING = "ranking_results.md", "believing.md"


def text_of(page: str) -> str:
    return " ".join((DOCS / page).read_text(encoding="utf-8").split())


def rows(page: str, *columns: str, **where: str) -> list[dict[str, str]]:
    """Rows of the tables of a page that have these columns, as far as some of them begin as asked for."""
    found: list[dict[str, str]] = []
    header: list[str] | None = None
    for line in (DOCS / page).read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if header is None:
            header = cells
        elif set(columns) <= set(header) and not set(line) <= set("|-: "):
            found.append(dict(zip(header, cells, strict=True)))
    return [row for row in found if all(row[name] == value for name, value in where.items())]


def one(page: str, column: str, **where: str) -> float:
    """The number in a cell; what is in brackets behind it does not count."""
    (row,) = rows(page, column, *where, **where)
    return float(row[column].split(" ")[0].replace(",", ""))


def percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f}"


def null(column: str, data: str, by: str) -> float:
    return one(RESULTS, column, data=data, by=by)


def power(column: str, ranking: str, effect: str = "log2 1") -> str:
    return f"{one(RESULTS, column, effect=effect, ranking=ranking):.2f}"


def found(role: str, by: str = "padj < 0.05, rewired", effect: str = "log2 1") -> str:
    (row,) = rows(RESULTS, "found by", effect=effect, **{"found by": by})
    return percent(float(row[role]))


def alike(replicates: int) -> str:
    (row,) = rows(
        RESULTS,
        "what is alike",
        data="PBMC3k",
        **{"what is alike": "share of best 20 in common", "of": "z, the same controls"},
    )
    return percent(float(row[f"{replicates} replicates"]))


def real(by: str, column: str) -> str:
    return next(row[column] for row in rows(RESULTS, "hubs in best") if row["by"] == by)


def splits() -> list[str]:
    pairs = [
        row["higher in"].split(" of ") for row in rows("accuracy.md", "higher in") if row["data"] in ("pbmc3k", "baron")
    ]
    return [str(sum(int(pair[k]) for pair in pairs)) for k in (0, 1)]


def macro(data: str) -> list[str]:
    (row,) = rows("accuracy.md", "other scores", data=data, prior="collectri")
    return re.findall(r"macro_f1 (\S+) / (\S+),", row["other scores"])[0]


def reactome(column: str) -> str:
    (row,) = rows("prior_sizes.md", "redundant", cells="PBMC3k", prior="reactome (shipped)")
    return row[column]


def go() -> str:
    (row,) = rows("prior_sizes.md", "redundant", cells="PBMC3k", prior="go_bp (shipped)")
    return row["redundant"]


#: page; what stands there, with groups for figures; what they are elsewhere
CASES = [
    (BELIEVING, r"regression in (\d+) of (\d+) splits", splits),
    ("accuracy.md", r"in the mean, and in (\d+) of (\d+) splits", splits),
    ("accuracy.md", r"on PBMC 3k macro F1 is (\S+) against (\S+), on", lambda: macro("pbmc3k")),
    ("accuracy.md", r"on `pbmc68k` it is (\S+) against (\S+), and", lambda: macro("pbmc68k")),
    (BELIEVING, r"(\d+) % are common to two single networks, \[(\d+) % to two sets of 8", lambda: [alike(1), alike(8)]),
    (
        BELIEVING,
        r"by score, (\d+) are among the 30 largest regulons; by `z`, (\d+)",
        lambda: [real(by, "hubs in best") for by in ("score", "z")],
    ),
    (
        "perturbation.md",
        r"uncorrected score \((\d+); by `z`, (\d+)\)",
        lambda: [real(by, "hubs in best") for by in ("score", "z")],
    ),
    (BELIEVING, r"(\d+) of (\S+) Reactome nodes have", lambda: [reactome("redundant"), reactome("nodes")]),
    ("priors.md", r"of the nodes of GO, (\d+) read the genes", lambda: [go()]),
    (
        BELIEVING,
        r"labels, (\d+) % of hubs are significant at log2 1, and (\d+) % of decoys",
        lambda: [found(role, "padj < 0.05, shuffled") for role in ("hub", "decoy")],
    ),
    (BELIEVING, r"AUROC (\S+) against hubs at log2 1\)", lambda: [power("hubs", "score - deterministic, scaled")]),
    (
        BELIEVING,
        r"Without signal, (\S+) % of p-values are below 0.05 .*? and (\d+) of 60 groups",
        lambda: [
            percent(null("p < 0.05", "real cells", "rewired"), 1),
            f"{60 * null('groups with any', 'real cells', 'rewired'):.0f}",
        ],
    ),
    (
        BELIEVING,
        r"On Reactome it is (\d+) of 60",
        lambda: [f"{60 * null('groups with any', 'real cells, Reactome', 'rewired'):.0f}"],
    ),
    (
        BELIEVING,
        r"and (\d+) % of the active nodes at a log2 fold change of 1, and (\d+) % at 1.5",
        lambda: [found("active"), found("active", effect="log2 1.5")],
    ),
    (BELIEVING, r"better than chance \(AUROC (\S+)\)", lambda: [power("both", "z (rank_nodes, rewired)", "log2 0.5")]),
    (
        BELIEVING,
        r"behind hubs \(AUROC (\S+) at log2 1\)\. Against rewired controls they are ahead \((\S+)\)",
        lambda: [power("hubs", "score, uncorrected"), power("hubs", "z (rank_nodes, rewired)")],
    ),
    (BELIEVING, r"nothing else has an AUROC of (\S+) for them", lambda: [f"{float(real('n_inputs', 'AUROC')):.2f}"]),
    (
        BELIEVING,
        r"(\d+) % of p-values are below 0.05, and (\d+) of 20 data sets have a finding\. Against rewired .*? (\S+) %",
        lambda: [
            percent(null("p < 0.05", "donors", "shuffled")),
            f"{20 * null('data sets with any', 'donors', 'shuffled'):.0f}",
            percent(null("p < 0.05", "donors", "rewired"), 1),
        ],
    ),
    (
        BELIEVING,
        r"an accuracy of (\S+) \(chance is 0.33\), and against shuffled labels (\d+) of 30 clusters",
        lambda: [
            f"{null('accuracy', 'real cells, clustered', 'rewired'):.2f}",
            f"{30 * null('groups with any', 'real cells, clustered', 'shuffled'):.0f}",
        ],
    ),
    (
        BELIEVING,
        r"without PAX5, B cells lose (\S+) percentage points",
        lambda: re.findall(r"without PAX5, (\S+) percentage points", text_of("perturbation.md")),
    ),
    (
        "coming_from.md",
        r"AUROC (\S+) against (\S+) at a log2 fold change of 0.5",
        lambda: [
            f"{one(RESULTS, 'both', effect='log2 0.5', ranking=name):.3f}"
            for name in ("ulm (decoupler)", "z (rank_nodes, rewired)")
        ],
    ),
    (
        "coming_from.md",
        r"have an AUROC of (\S+) by `ulm` and (\S+) by `z`",
        lambda: [real(by, "AUROC") for by in ("ulm", "z")],
    ),
]


@pytest.mark.parametrize(
    ("page", "said", "measured"), CASES, ids=[f"{page}-{k}" for k, (page, _, _) in enumerate(CASES)]
)
def test_figure(page, said, measured):
    (there,) = re.findall(said, text_of(page))
    assert list([there] if isinstance(there, str) else there) == list(measured())


def test_replicates_and_controls():
    """The table of the page on believing is a part of that of the results."""
    said = rows(BELIEVING, "20 controls: AUROC")
    assert [row["replicates"] for row in said] == ["1", "3", "5"]
    columns = [("5", "5 controls: AUROC of active nodes", "active nodes with padj < 0.05")]
    columns += [("20", "20 controls: AUROC", "padj < 0.05")]
    for row in said:
        for n, auroc, share in columns:
            (there,) = rows(RESULTS, "AUROC, all others", replicates=row["replicates"], **{"rewired controls": n})
            assert row[auroc] == there["AUROC, all others"].split(" ")[0]
            assert row[share] == f"{percent(float(there['active, padj < 0.05'].split(' ')[0]))} %"
