"""One token through the whole network in compiled code (numba): what remains is the time to read the weights.

torch spends some ten microseconds on every small operation, and its product of a matrix with one vector in
bfloat16 reads less than half of what memory delivers. Here each weight is read once, as 8 bits or float32, by all
cores; activations and states are float32. Norm weights are folded into the matrices behind them.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, prange

FAST = {"reassoc", "contract", "arcp", "nsz"}  # sums may be reordered; NaN and infinity stay what they are
WIDTH = 128  # columns of a state that one task advances: a cache line's multiple, short of one core's L1


@njit(fastmath=FAST, error_model="numpy", cache=True)
def _dot(row, vector):
    total = np.float32(0)
    for j in range(row.shape[0]):
        total += np.float32(row[j]) * vector[j]
    return total


@njit(fastmath=FAST, error_model="numpy", cache=True)
def _silu(x):
    return x / (np.float32(1) + np.exp(-x))


@njit(fastmath=FAST, error_model="numpy", cache=True)
def _scaled(x, out, eps):
    """``x`` (B, D) divided by its root mean square."""
    for b in range(x.shape[0]):
        total = np.float32(0)
        for j in range(x.shape[1]):
            total += x[b, j] * x[b, j]
        factor = np.float32(1) / np.sqrt(total / np.float32(x.shape[1]) + eps)
        for j in range(x.shape[1]):
            out[b, j] = x[b, j] * factor


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def product(matrix, scales, x, out, gated_from):
    """out = x matrix', (B, K) by (N, K); the columns from ``gated_from`` on through silu."""
    for i in prange(matrix.shape[0]):
        for b in range(x.shape[0]):
            value = _dot(matrix[i], x[b]) * scales[i]
            out[b, i] = _silu(value) if i >= gated_from else value


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def product_added(matrix, scales, x, out):
    """out += x matrix'."""
    for i in prange(matrix.shape[0]):
        for b in range(x.shape[0]):
            out[b, i] += _dot(matrix[i], x[b]) * scales[i]


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def product_gated(matrix, scales, x, out):
    """out = silu(x a') (x b'), where ``matrix`` is a above b."""
    half = matrix.shape[0] // 2
    for i in prange(half):
        for b in range(x.shape[0]):
            gate = _dot(matrix[i], x[b]) * scales[i]
            out[b, i] = _silu(gate) * (_dot(matrix[half + i], x[b]) * scales[half + i])


@njit(parallel=True, fastmath=FAST, error_model="numpy", cache=True)
def advance(q, k, v, kept, state, out):
    """state = kept state + k v', out = q state, for each sequence and head; ``state`` (B, H, dk, dv) in place."""
    batch, heads, keys, values = state.shape
    slices = (values + WIDTH - 1) // WIDTH
    for task in prange(batch * heads * slices):
        b, rest = task // (heads * slices), task % (heads * slices)
        h, first = rest // slices, (rest % slices) * WIDTH
        last = min(first + WIDTH, values)
        sums = out[b, h, first:last]
        new = v[b, h, first:last]
        sums[:] = np.float32(0)
        for i in range(keys):
            row = state[b, h, i, first:last]
            key, query, keep = k[b, h, i], q[b, h, i], kept[h]
            for j in range(last - first):
                now = keep * row[j] + key * new[j]
                row[j] = now
                sums[j] += query * now


@njit(fastmath=FAST, error_model="numpy", cache=True)
def _turn(x, heads, radians, positions):
    """Rotate queries and keys, the first 2 H dk columns of ``x``, in place."""
    pairs = radians.shape[0]
    for b in range(x.shape[0]):
        for p in range(pairs):
            angle = (positions[b] * radians[p]) % (2 * math.pi)
            cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
            for h in range(2 * heads):
                at = h * 2 * pairs + 2 * p
                even, odd = x[b, at], x[b, at + 1]
                x[b, at] = even * cosine - odd * sine
                x[b, at + 1] = even * sine + odd * cosine


@njit(fastmath=FAST, error_model="numpy", cache=True)
def _normed(out, gates, eps):
    """Each head of ``out`` (B, H, dv) divided by its root mean square, times ``gates`` (B, H dv)."""
    batch, heads, values = out.shape
    for b in range(batch):
        for h in range(heads):
            total = np.float32(0)
            for j in range(values):
                total += out[b, h, j] * out[b, h, j]
            factor = np.float32(1) / np.sqrt(total / np.float32(values) + eps)
            for j in range(values):
                gates[b, h * values + j] *= out[b, h, j] * factor


@njit(fastmath=FAST, error_model="numpy", cache=True)
def step(x, states, positions, weights, kept, radians, last_norm, eps, head_eps):
    """Through all layers: ``x`` (B, D) becomes the output, ``states`` (L, B, H, dk, dv) the states after it.

    ``weights``: matrices and their scales, (L, rows, columns) and (L, rows) each, of project, out, expand, contract.
    ``kept`` (L, H); ``radians`` (dk / 2,) float64.
    """
    project, project_scales, out, out_scales, expand, expand_scales, contract, contract_scales = weights
    layers, batch, heads, keys, values = states.shape
    width, inner = heads * keys, heads * values
    normed = np.empty_like(x)
    mixed = np.empty((batch, 2 * width + 2 * inner), np.float32)
    answers = np.empty((batch, heads, values), np.float32)
    gates = np.empty((batch, inner), np.float32)
    hidden = np.empty((batch, expand.shape[1] // 2), np.float32)
    scale = np.float32(1 / math.sqrt(keys))
    for layer in range(layers):
        _scaled(x, normed, eps)
        product(project[layer], project_scales[layer], normed, mixed, 2 * width + inner)
        _turn(mixed, heads, radians, positions)
        for b in range(batch):
            for j in range(width):
                mixed[b, j] *= scale
            for j in range(inner):
                gates[b, j] = mixed[b, 2 * width + inner + j]
        q = np.ascontiguousarray(mixed[:, :width]).reshape((batch, heads, keys))
        k = np.ascontiguousarray(mixed[:, width : 2 * width]).reshape((batch, heads, keys))
        v = np.ascontiguousarray(mixed[:, 2 * width : 2 * width + inner]).reshape((batch, heads, values))
        advance(q, k, v, kept[layer], states[layer], answers)
        _normed(answers, gates, head_eps)
        product_added(out[layer], out_scales[layer], gates, x)
        _scaled(x, normed, eps)
        product_gated(expand[layer], expand_scales[layer], normed, hidden)
        product_added(contract[layer], contract_scales[layer], hidden, x)
    _scaled(x, x, eps)
    for b in range(batch):
        for j in range(width):
            x[b, j] *= last_norm[j]
        positions[b] += 1
