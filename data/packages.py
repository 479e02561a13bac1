"""The package files that the tables are built from, and what ``sources.json`` says about each data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TOP_GENES = 500  # PROGENy genes kept per pathway


@dataclass(frozen=True)
class Package:
    """A package file to build from, pinned by its checksum."""

    registry: str
    name: str
    version: str
    file: str
    sha256: str


BINN = Package(
    "PyPI",
    "binn",
    "0.1.1",
    "binn-0.1.1-py3-none-any.whl",
    "3932aa18f8c11adf5ac68aa3e11ccb6faac1a72df7c99f2e301558632497896c",
)
PEGASUS = Package(
    "PyPI",
    "pegasuspy",
    "1.10.2",
    "pegasuspy-1.10.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "76cb096a198aeb2a8cfd07970e7c46c313bbc894a48c7194902428adbc7a7408",
)
PROGENY = Package(
    "Debian",
    "r-bioc-progeny",
    "1.20.0+ds-1",
    "r-bioc-progeny_1.20.0+ds-1_all.deb",
    "3890420f713bf43305f6c7aba18a83f831e53a19a52e233e2f2fa6b589b1df1c",
)
ORG_HS = Package(
    "Debian",
    "r-bioc-org.hs.eg.db",
    "3.16.0-1",
    "r-bioc-org.hs.eg.db_3.16.0-1_all.deb",
    "0f61810d35b858915b1a9787d8dcab08b7e164c14c20a9e1d86eb9837308c2c2",
)
GO_DB = Package(
    "Debian",
    "r-bioc-go.db",
    "3.16.0-1",
    "r-bioc-go.db_3.16.0-1_all.deb",
    "6cf9c43b97212811ecb7ad0d7cde12e76f984ab7494a59c02455239a9dd3243d",
)
PACKAGES = (BINN, PEGASUS, PROGENY, ORG_HS, GO_DB)

UNIPROT_MEMBER = "binn/data/downloads/uniprot_2_reactome_2025_01_14.txt"
RELATION_MEMBER = "binn/data/downloads/reactome_pathways_relation_2025_01_14.txt"
NAMES_MEMBER = "binn/data/downloads/reactome_pathways_names_2025_01_21.txt"
HALLMARK_MEMBER = "pegasus/data_files/h.all.v7.5.1.symbols.gmt"
SQLITE_MEMBER = "usr/lib/R/site-library/org.Hs.eg.db/extdata/org.Hs.eg.sqlite"
GO_MEMBER = "usr/lib/R/site-library/GO.db/extdata/GO.sqlite"
RDX_MEMBER = "usr/lib/R/site-library/progeny/data/Rdata.rdx"
RDB_MEMBER = "usr/lib/R/site-library/progeny/data/Rdata.rdb"
PROGENY_OBJECT = "model_human_full"

REACTOME: dict[str, Any] = {
    "dataset": "Reactome, human pathways",
    "data_version": "January 2025 (members and hierarchy 2025-01-14, names 2025-01-21)",
    "licence": {
        "spdx": "CC0-1.0",
        "name": "Creative Commons Zero v1.0 Universal",
        "notice": "Reactome annotation files are dedicated to the public domain.",
    },
    "citation": "Milacic M et al. The Reactome Pathway Knowledgebase 2024. Nucleic Acids Research 52(D1):D672-D678, "
    "2024. doi:10.1093/nar/gkad1025",
}
HALLMARK: dict[str, Any] = {
    "dataset": "MSigDB Hallmark gene sets, human",
    "data_version": "MSigDB 7.5.1",
    "licence": {
        "spdx": "CC-BY-4.0",
        "name": "Creative Commons Attribution 4.0 International",
        "notice": "Copyright (c) 2004-2023 Broad Institute, Inc., Massachusetts Institute of Technology, and Regents "
        "of the University of California. Changed here: outdated gene symbols replaced, set descriptions left out.",
    },
    "citation": "Liberzon A et al. The Molecular Signatures Database (MSigDB) hallmark gene set collection. "
    "Cell Systems 1(6):417-425, 2015. doi:10.1016/j.cels.2015.12.004",
}
PROGENY_MODEL: dict[str, Any] = {
    "dataset": f"PROGENy pathway-responsive genes, human, {TOP_GENES} genes with the smallest p value per pathway",
    "data_version": "progeny 1.20.0 (Bioconductor 3.16)",
    "licence": {
        "spdx": "Apache-2.0",
        "name": "Apache License 2.0",
        "notice": "Copyright 2017-2021 Michael Schubert, Alberto Valdeolivas, Christian H. Holland, Igor Bulanov, "
        f"Aurélien Dugourd. Changed here: cut to {TOP_GENES} genes per pathway, outdated gene symbols replaced.",
    },
    "citation": "Schubert M et al. Perturbation-response genes reveal signaling footprints in cancer gene expression. "
    "Nature Communications 9:20, 2018. doi:10.1038/s41467-017-02391-6",
}
GENE_ONTOLOGY: dict[str, Any] = {
    "dataset": "Gene Ontology, biological process: terms, their relations, and annotations of human genes",
    "data_version": "GO release 2022-07-01, annotations by way of NCBI Gene 2022-09-12 (Bioconductor 3.16)",
    "licence": {
        "spdx": "CC-BY-4.0",
        "name": "Creative Commons Attribution 4.0 International",
        "notice": "Copyright (c) 1999-2022 The Gene Ontology Consortium. Changed here: biological processes and human "
        "genes only, genes by their symbols, evidence codes left out, each pair once, annotations with evidence ND (no "
        "data) left out.",
    },
    "citation": "Ashburner M et al. Gene Ontology: tool for the unification of biology. Nature Genetics 25:25-29, "
    "2000. doi:10.1038/75556. The Gene Ontology Consortium. The Gene Ontology knowledgebase in 2023. Genetics "
    "224(1):iyad031, 2023. doi:10.1093/genetics/iyad031",
}
NCBI_GENE: dict[str, Any] = {
    "dataset": "NCBI Gene, human: symbols, aliases, Ensembl ids and UniProt accessions",
    "data_version": "NCBI Gene 2022-09-12 (org.Hs.eg.db 3.16.0)",
    "licence": {
        "spdx": "NCBI-PD",
        "name": "NCBI Public Domain Notice",
        "notice": "NCBI Gene is in the public domain. Changed here: the 37 mitochondrial genes by their HGNC symbols.",
    },
    "citation": "Brown GR et al. Gene: a gene-centered information resource at NCBI. Nucleic Acids Research "
    "43(D1):D36-D42, 2015. doi:10.1093/nar/gku1055",
}
