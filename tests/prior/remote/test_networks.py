from __future__ import annotations

import gzip
import threading

import decoupler as dc
import numpy as np
import pandas as pd
import pytest

from edge2torch import Edge2TorchError, settings
from edge2torch.prior import Prior
from edge2torch.prior.remote import REMOTE, load_remote, translate_prior
from edge2torch.prior.remote.cache import name_of

from .conftest import (
    ANNOTATIONS,
    COLLECTRI,
    HALLMARK,
    INTERACTIONS,
    ORTHOLOGS,
    SIGNALLING,
    answer,
    orthologs,
    rows,
)

#: requests that every resource of OmniPath needs
LISTS = ["omnipathdb.org/queries/annotations", "omnipathdb.org/resources"]


@pytest.fixture(autouse=True)
def decoupler_is_as_it_was():
    """Whatever happens in a test, decoupler downloads by itself again afterwards."""
    modules = [dc._download, *(vars(dc.op)[f"_{name}"] for name in ("collectri", "hallmark", "resource", "translate"))]
    before = [dict(vars(module)) for module in modules]
    yield
    for module, names in zip(modules, before, strict=True):
        assert all(vars(module)[name] is value for name, value in names.items())


def pairs(prior: Prior) -> list[tuple[str, ...]]:
    assert list(prior.sets.columns) in (["source", "target"], ["source", "target", "weight"])
    return sorted(prior.sets.itertuples(index=False, name=None))


@pytest.mark.parametrize("name", ["collectri", "decoupler:collectri"])
def test_collectri(world, name):
    prior = load_remote(name)
    assert prior.name == name
    assert prior.hierarchy.empty
    # of the pair that occurs twice, the first
    assert pairs(prior) == [("AP1", "JUN", 1), ("MYC", "TERT", 1), ("SPI1", "BGLAP", -1)]
    assert world.asked == [COLLECTRI]


def test_options_go_to_decoupler(world):
    assert pairs(load_remote("collectri", remove_complexes=True)) == [("MYC", "TERT", 1), ("SPI1", "BGLAP", -1)]


def test_dorothea(world):
    assert pairs(load_remote("dorothea")) == [("AP1", "JUN", 1), ("MYC", "TERT", 1), ("SPI1", "BGLAP", -0.5)]
    assert pairs(load_remote("dorothea", levels=["A", "B"], dict_weights={"A": 4, "B": 1})) == [
        ("AP1", "JUN", 0.25),
        ("MYC", "TERT", 0.25),
        ("SPI1", "BGLAP", -1),
    ]
    assert world.asked == [INTERACTIONS.format(levels=levels) + "&license=academic" for levels in ("A,B,C", "A,B")]


def test_interactions_have_one_direction_and_one_sign(world):
    prior = load_remote("omnipath")
    assert pairs(prior) == [("LYN", "SYK", 1), ("MYC", "TERT", 1), ("PTPN6", "SYK", -1)]
    assert prior.name == "omnipath"
    assert world.asked == [SIGNALLING]
    world.files[SIGNALLING.replace("academic", "commercial")] = world.files[SIGNALLING].replace(b"1", b"True")
    assert pairs(load_remote("omnipath", license="commercial")) == pairs(prior)
    assert pairs(load_remote("omnipath", "mouse")) == [("Myc", "Tert", 1)]


def test_progeny(world):
    assert pairs(load_remote("decoupler:progeny")) == [
        ("MAPK", "TERT", -3.5),
        ("TGFb", "JUNB", 4.25),
        ("TGFb", "SMAD7", 9.5),
    ]
    assert pairs(load_remote("decoupler:progeny", top=1)) == [("MAPK", "TERT", -3.5), ("TGFb", "SMAD7", 9.5)]
    assert pairs(load_remote("decoupler:progeny", thr_padj=1)) == [
        ("MAPK", "JUNB", -2.5),
        ("MAPK", "TERT", -3.5),
        ("TGFb", "JUNB", 4.25),
        ("TGFb", "SMAD7", 9.5),
    ]
    assert world.asked == [*LISTS, ANNOTATIONS.format(name="PROGENy")]


def test_hallmark(world):
    assert pairs(load_remote("decoupler:hallmark")) == [
        ("APOPTOSIS", "JUNB"),
        ("APOPTOSIS", "TERT"),
        ("TGF_BETA_SIGNALING", "SMAD7"),
    ]


def test_a_resource_of_omnipath(world):
    prior = load_remote("omnipath:PanglaoDB", source="cell_type", weight="human_sensitivity")
    assert pairs(prior) == [("Beta cells", "INS", 1), ("NK/T cells", "CD3E", 0.25), ("T cells", "CD3E", 0.9)]
    assert pairs(load_remote("omnipath:PanglaoDB", source="organ")) == [
        ("Immune system", "CD3E"),
        ("Pancreas", "GCG"),
        ("Pancreas", "INS"),
    ]
    assert world.asked == [*LISTS, ANNOTATIONS.format(name="PanglaoDB")]


def test_the_only_column_of_names_needs_no_telling(world):
    assert pairs(load_remote("omnipath:Single")) == [("CD molecules", "CD19"), ("CD molecules", "CD3E")]


def test_a_resource_of_omnipath_for_mouse(world):
    assert pairs(load_remote("omnipath:Single", "mouse")) == [("CD molecules", "Cd3e")]


def test_several_columns_of_names_are_listed_with_examples(world):
    with pytest.raises(Edge2TorchError, match=r"pass source= one of 'cell_type' \(.*'NK/T cells'.*'organ' \("):
        load_remote("omnipath:PanglaoDB")


def test_columns_of_no_use_are_refused(world):
    with pytest.raises(Edge2TorchError, match=r"source='cell' is not a column of .* 'cell_type'"):
        load_remote("omnipath:PanglaoDB", source="cell")
    for weight in ("organ", "human", "none"):
        with pytest.raises(
            Edge2TorchError, match=f"weight='{weight}' is not a column of numbers .* 'human_sensitivity'"
        ):
            load_remote("omnipath:PanglaoDB", source="organ", weight=weight)


def test_it_gives_what_decoupler_gives(world, monkeypatch):
    """decoupler as it is, but for where it asks."""
    ours = load_remote("decoupler:progeny").sets
    get, read_csv = dc._download.requests.get, pd.read_csv

    def direct(url, **kwargs):
        return get(f"{world.address}/{url.removeprefix('https://')}", **kwargs)

    monkeypatch.setattr(dc._download.requests, "get", direct)
    monkeypatch.setattr(
        pd,
        "read_csv",
        lambda f, **k: read_csv(f"{world.address}/{f.removeprefix('https://')}" if isinstance(f, str) else f, **k),
    )
    theirs = dc.op.progeny()
    pd.testing.assert_frame_equal(ours, theirs[["source", "target", "weight"]].rename_axis(columns=None))


def test_mouse_genes_by_orthologs(world):
    assert pairs(load_remote("collectri", "mouse")) == [
        ("Myc", "Tert", 1),  # not "Nope": two databases are not enough
        ("Spi1", "Bglap", -1),
        ("Spi1", "Bglap2", -1),  # and no ortholog without a name
    ]
    assert world.asked == [COLLECTRI, ORTHOLOGS.format(organism="mouse")]
    assert pairs(load_remote("decoupler:hallmark", "mouse")) == [
        ("APOPTOSIS", "Smad7"),
        ("APOPTOSIS", "Tert"),
        ("TGF_BETA_SIGNALING", "Smad7"),
    ]
    assert world.asked == [COLLECTRI, ORTHOLOGS.format(organism="mouse"), HALLMARK]


def test_no_ortholog_at_all(world):
    world.files[ORTHOLOGS.format(organism="rat")] = orthologs("rat", OTHER=("Other:9",))
    with pytest.raises(Edge2TorchError, match="nothing is left of 'collectri' with organism='rat'"):
        load_remote("collectri", "rat")


def test_a_cache_filled_by_hand_needs_no_server(world):
    settings.cache_dir.mkdir()
    for address in (COLLECTRI, ORTHOLOGS.format(organism="mouse")):
        (settings.cache_dir / name_of(f"https://{address}")).write_bytes(world.files[address])
    assert len(load_remote("collectri", "mouse").sets) == 3
    assert world.asked == []


def test_offline_it_says_which_file_to_put_where(world):
    settings.mirror = "http://127.0.0.1:9"
    with pytest.raises(Edge2TorchError) as caught:
        load_remote("collectri")
    assert str(settings.cache_dir / name_of(f"https://{COLLECTRI}")) in str(caught.value)
    assert not list(settings.cache_dir.iterdir())


def test_a_broken_download_recovers(world):
    world.faults = [lambda handler: answer(handler, b"source,tar", length=5000)] * settings.retries
    assert len(load_remote("collectri").sets) == 3
    assert world.asked == [COLLECTRI] * (1 + settings.retries)


@pytest.mark.parametrize(
    "name", ["colectri", "CollecTRI", "decoupler:colectri", "omnipath:", "decoupler:", "", None, 3]
)
def test_unknown_names_are_told_with_the_known_ones(world, name):
    with pytest.raises(Edge2TorchError, match="is unknown; the names are") as caught:
        load_remote(name)
    assert all(known in str(caught.value) for known in (*map(repr, REMOTE), "'decoupler:progeny'", "'omnipath:'"))
    assert world.asked == []


def test_the_nearest_comes_first(world):
    with pytest.raises(Edge2TorchError, match="the names are 'dorothea'"):
        load_remote("dorotea")
    with pytest.raises(
        Edge2TorchError, match="OmniPath has no annotations 'Panglao'; it has 'PanglaoDB', 'HPA_tissue'"
    ):
        load_remote("omnipath:Panglao")


@pytest.mark.parametrize("organism", ["martian", "Mouse", None, ["mouse"]])
def test_unknown_organisms_are_told_with_the_known_ones(world, organism):
    with pytest.raises(Edge2TorchError, match=r"organism=.* is unknown; the organisms are .*'zebrafish'") as caught:
        load_remote("collectri", organism)
    assert all(repr(known) in str(caught.value) for known in ["human", *dc.op.show_organisms()])
    assert world.asked == []


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("collectri", {"levels": ["A"]}, "'collectri' has no option 'levels'; it has 'remove_complexes', 'license'"),
        ("dorothea", {"verbose": True}, "has no option 'verbose'"),
        ("dorothea", {"levels": ["A", "E"]}, "decoupler refuses the options of 'dorothea': levels can only contain"),
        ("dorothea", {"levels": []}, r"levels=\[\] is empty"),
        ("decoupler:progeny", {"top": 0}, "decoupler refuses the options of 'decoupler:progeny': top must be"),
        ("omnipath", {"source": "a"}, "'omnipath' has no option 'source'; it has 'license'"),
        ("omnipath", {"license": "none"}, "license='none' is unknown; there are 'academic'"),
        ("omnipath:PanglaoDB", {"part": 1}, "has no option 'part'; it has 'source', 'weight', 'license'"),
        ("omnipath:PanglaoDB", {"license": "none"}, "decoupler refuses the options .* license must be"),
        (
            "dorothea",
            {"dict_weights": {"A": 0}},
            "decoupler .* cannot make 'dorothea' of .* otherwise check the options",
        ),
    ],
)
def test_wrong_options(world, name, options, message):
    with pytest.raises(Edge2TorchError, match=message):
        load_remote(name, **options)


WRONG = {
    "another table": (COLLECTRI, b"a,b\n1,2\n", "collectri", {}),
    "ragged": (COLLECTRI, b"source,target\n1,2,3,4\n1,2\n5,6,7,8,9,10\n", "collectri", {}),
    "binary": (COLLECTRI, bytes(range(128, 256)) * 9, "collectri", {}),
    "no gzip": (HALLMARK, b"geneset\tgenesymbol\n", "decoupler:hallmark", {}),
    "truncated gzip": (HALLMARK, gzip.compress(bytes(9999))[:20], "decoupler:hallmark", {}),
    "damaged gzip": (HALLMARK, gzip.compress(b"geneset\n")[:10] + b"\xff" * 90, "decoupler:hallmark", {}),
    "no JSON": (LISTS[1], b"{", "omnipath:PanglaoDB", {"source": "organ"}),
    "a message": (ANNOTATIONS.format(name="PanglaoDB"), b"Something is wrong\n", "omnipath:PanglaoDB", {}),
    "no interactions": (SIGNALLING, b"Something is wrong\n", "omnipath", {}),
    "no orthologs": (ORTHOLOGS.format(organism="mouse"), b"none", "collectri", {"organism": "mouse"}),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_file_of_another_format_is_named(world, what):
    address, content, name, options = WRONG[what]
    world.files[address] = content
    with pytest.raises(Edge2TorchError) as caught:
        load_remote(name, **options)
    assert str(settings.cache_dir / name_of(f"https://{address}")) in str(caught.value)
    assert "delete it to have it downloaded again" in str(caught.value)
    assert caught.value.__cause__ is not None


def test_a_file_that_was_changed_is_named(world):
    load_remote("collectri")
    file = settings.cache_dir / name_of(f"https://{COLLECTRI}")
    file.write_bytes(file.read_bytes()[:-20])
    with pytest.raises(Edge2TorchError, match="was changed or damaged"):
        load_remote("collectri")


def test_threads_get_what_they_ask_for(world):
    found = {}

    def load(name: str, organism: str) -> None:
        found[name, organism] = pairs(load_remote(name, organism))

    several = [(name, organism) for name in ("collectri", "decoupler:hallmark") for organism in ("human", "mouse")]
    threads = [threading.Thread(target=load, args=one) for one in several]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {one: pairs(load_remote(*one)) for one in several}
    assert sorted(world.asked) == sorted([COLLECTRI, HALLMARK, ORTHOLOGS.format(organism="mouse")])


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (dc._download, "requests", object()),
        (vars(dc.op)["_collectri"], "_download", lambda *_, **__: None),
    ],
)
def test_a_decoupler_that_downloads_in_another_way_is_not_used(world, monkeypatch, module, name, value):
    with monkeypatch.context() as patch:
        patch.setattr(module, name, value)
        with pytest.raises(Edge2TorchError, match=rf"decoupler {dc.__version__} downloads in a way that is not known"):
            load_remote("collectri")
    assert world.asked == []


def test_a_decoupler_that_passes_by_the_cache_is_noticed(world, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(dc.op, "collectri", lambda organism: pd.DataFrame({"source": ["A"], "target": ["B"]}))
        with pytest.raises(Edge2TorchError, match="past the cache"):
            load_remote("collectri")


def test_names_without_prefix_are_those_that_are_listed(world):
    for name in REMOTE:
        assert load_remote(name).name == name


def test_translate_genes_of_pathways(world, prior, capsys):
    human = prior({"MYC": ["TERT", "BGLAP", "SMAD7", "JUNB", "NONE"], "other": ["NONE"]}, {"MYC": ["other"]})
    mouse = translate_prior(human, "mouse")
    assert pairs(mouse) == [("MYC", "Bglap"), ("MYC", "Bglap2"), ("MYC", "Smad7"), ("MYC", "Tert")]
    assert (mouse.name, mouse.contains) == (human.name, human.contains)
    pd.testing.assert_frame_equal(mouse.hierarchy, human.hierarchy)
    assert human.sets["target"].tolist() == ["TERT", "BGLAP", "SMAD7", "JUNB", "NONE", "NONE"]
    assert "test: 5 human genes became 4 genes of mouse" in capsys.readouterr().out


def test_translate_keeps_the_first_weight(world):
    sets = pd.DataFrame({"source": ["p", "p"], "target": ["JUNB", "SMAD7"], "weight": [2.0, 5.0]})
    assert pairs(translate_prior(Prior("weighted", sets), "mouse")) == [("p", "Smad7", 2.0)]


def test_translate_regulators_with_their_hierarchy(world, prior):
    human = prior({"MYC": ["TERT"], "SPI1": ["BGLAP"], "TF": ["TERT"]}, {"MYC": ["SPI1"], "TF": ["MYC"]})
    mouse = translate_prior(human, "mouse", columns=("source", "target"))
    assert pairs(mouse) == [("Myc", "Tert"), ("Spi1", "Bglap"), ("Spi1", "Bglap2")]
    assert mouse.hierarchy.to_numpy().tolist() == [["Myc", "Spi1"]]


def test_translate_to_human_is_nothing(world, prior):
    human = prior({"p": ["TERT"]})
    assert translate_prior(human, "human") is human
    assert world.asked == []


@pytest.mark.parametrize("columns", [(), ("gene",), "sources"])
def test_translate_other_columns(world, prior, columns):
    with pytest.raises(Edge2TorchError, match="must be one or both of 'source', 'target'"):
        translate_prior(prior({"p": ["TERT"]}), "mouse", columns)


@pytest.mark.parametrize("genes", [["Tert", "Myc"], ["ENSG00000164362"]])
def test_translate_nothing(world, prior, genes):
    with pytest.raises(Edge2TorchError, match=rf"0 of {len(genes)} genes of the prior 'test' have an ortholog in"):
        translate_prior(prior({"p": genes}), "mouse")


def test_real_collectri(world, shared):
    """As many edges as the export of decoupleR has, with signs, but for those of genes read as missing."""
    file = shared / "collectri" / "collectri_decoupleR_2025-09.csv"
    table = pd.read_csv(file, keep_default_na=False)
    world.files[COLLECTRI] = (
        table.assign(resources="ExTRI_CollecTRI", references="ExTRI_CollecTRI:1", sign_decision="PMID")
        .to_csv(index=False)
        .encode()
    )
    sets = load_remote("collectri").sets
    kept = table[~table[["source", "target"]].isin(["NA", "NAN", "nan"]).any(axis=1)]
    kept = kept.drop_duplicates(["source", "target"])
    assert len(kept) > 43_000
    pd.testing.assert_frame_equal(sets, kept.reset_index(drop=True), check_dtype=False)
    assert set(np.unique(sets["weight"])) == {-1, 1}


def test_the_table_can_be_given_by_rows():
    assert rows("a b", "1 _") == b"a\tb\n1\t\n"
