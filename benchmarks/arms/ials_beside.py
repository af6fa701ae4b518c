"""Our exact iALS and ``implicit``'s, in turn in one process: ``ials_beside SET DIMS EPOCHS TURNS``.

Runs in the peer's environment. Both minimise the same function of the same matrix from the same factors: ``implicit``'s
own form, with a confidence of 1 + alpha for what was done. The peer solves exactly (use_cg=False), on as many
threads as ours, with BLAS held to one thread, as its documentation asks.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from benchmarks.arms import recommender_data

ALPHA, REGULARISATION, SEED = 2.0, 5.0, 0


def main() -> None:
    name, dims, epochs, turns = sys.argv[1], *map(int, sys.argv[2:5])
    import implicit
    from implicit.cpu.als import AlternatingLeastSquares

    from forge_models.recommender import ials

    users, items = recommender_data.read(name)[:2]
    rows, columns = (np.unique(codes, return_inverse=True)[1] for codes in (users, items))
    matrix = sp.csr_array((np.ones(len(rows)), (rows, columns)))
    matrix.data[:] = 1.0
    transposed = matrix.T.tocsr()
    objective = ials.Objective(1.0, REGULARISATION, nu=0.0, weight=ALPHA, target=1.0 + ALPHA)
    begin = np.random.default_rng(SEED).standard_normal((matrix.shape[1], dims), np.float32) * 0.01
    threads = len(os.sched_getaffinity(0))
    confidence = sp.csr_matrix(matrix * (1.0 + ALPHA)).astype(np.float32)

    def theirs() -> tuple[float, float]:
        model = AlternatingLeastSquares(
            factors=dims,
            regularization=REGULARISATION,
            alpha=1.0,
            use_cg=False,
            iterations=epochs,
            num_threads=threads,
            random_state=SEED,
            dtype=np.float32,
        )
        model.item_factors = begin.copy()
        model.user_factors = np.zeros((matrix.shape[0], dims), np.float32)
        each: list[float] = []  # its own clock, which leaves out what it does once
        with threadpool_limits(1, "blas"):
            model.fit(confidence, show_progress=False, callback=lambda _, seconds, __: each.append(seconds))
        return statistics.fmean(each), ials.loss(model.user_factors, model.item_factors, matrix, objective)

    def ours() -> tuple[float, float]:
        factors, started = begin.copy(), time.perf_counter()
        for _ in range(epochs):
            subjects = ials.solve(factors, matrix, objective)
            factors = ials.solve(subjects, transposed, objective)
        seconds = (time.perf_counter() - started) / epochs
        return seconds, ials.loss(subjects, factors, matrix, objective)

    began = time.perf_counter()
    pairs = [(theirs(), ours()) for _ in range(turns)]
    answer = {
        "rows": int(matrix.nnz),
        "seconds": round(time.perf_counter() - began, 1),
        "dims": dims,
        "epochs": epochs,
        "threads": threads,
        "implicit": implicit.__version__,
        "theirs_s_per_epoch": round(statistics.median(pair[0][0] for pair in pairs), 3),
        "ours_s_per_epoch": round(statistics.median(pair[1][0] for pair in pairs), 3),
        "ratios": [round(pair[0][0] / pair[1][0], 2) for pair in pairs],
        "loss_theirs": pairs[0][0][1],
        "loss_ours": pairs[0][1][1],
        "loss_apart": abs(pairs[0][0][1] - pairs[0][1][1]) / abs(pairs[0][0][1]),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
