"""Turn binary answers of cellxgene into arrays, in its own environment: ``python decode.py ANSWER... ARRAYS.npz``."""

import sys
from pathlib import Path

import numpy as np


def decode(answers, arrays):
    from server.common.fbs.matrix import decode_matrix_fbs

    columns = {}
    for i, answer in enumerate(answers):
        for name, values in decode_matrix_fbs(Path(answer).read_bytes()).items():
            plain = values.to_numpy()
            columns[f"{i}/{name}"] = plain if plain.dtype.kind in "biuf" else plain.astype(str)
    np.savez(arrays, **{str(i): values for i, values in enumerate(columns.values())}, names=list(columns))


if __name__ == "__main__":
    decode(sys.argv[1:-1], sys.argv[-1])
