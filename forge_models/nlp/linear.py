"""Words counted: TF-IDF of words and pairs, the log-count ratio of naive Bayes, and the linear models on top.

NB-SVM (Wang and Manning, ACL 2012) with a logistic loss, which gives probabilities. The vocabulary and all weights
come from the rows that ``fit`` is given, and nothing else.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from forge_models.nlp.texts import LIMIT, LONGEST

MOST = 60_000  # words and pairs: the most frequent of those that are seen twice
WORDS = 400  # of a text that are read
ITERATIONS = 400
_TERM = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[!?]+|:-?[()D]|[\U0001F300-\U0001FAFF☀-➿]")


@dataclass(frozen=True)
class Vocabulary:
    """Words and pairs in order, and the inverse document frequency (n,) float32 of each."""

    terms: tuple[str, ...]
    idf: np.ndarray

    @classmethod
    def fit(cls, texts: Sequence[str], pairs: bool = True, least: int = 2, most: int = MOST) -> Vocabulary:
        counts: dict[str, int] = {}
        for text in texts:
            for term in set(terms(text, pairs)):
                counts[term] = counts.get(term, 0) + 1
        often = sorted((t for t, n in counts.items() if n >= least), key=lambda t: (-counts[t], t))[:most]
        chosen = tuple(sorted(often))
        frequency = np.array([counts[term] for term in chosen], np.float64)
        idf = np.log((1 + len(texts)) / (1 + frequency)) + 1.0
        return cls(chosen, idf.astype(np.float32))

    def counts(self, texts: Sequence[str], pairs: bool = True) -> sp.csr_array:
        """(texts, terms) float32: how often each term stands in each text."""
        place = {term: number for number, term in enumerate(self.terms)}
        indptr, indices = [0], []
        for text in texts:
            indices += [place[term] for term in terms(text, pairs) if term in place]
            indptr.append(len(indices))
        data = np.ones(len(indices), np.float32)
        found = sp.csr_array(
            (data, np.array(indices, np.int64), np.array(indptr, np.int64)),
            shape=(len(texts), len(self.terms)),
        )
        found.sum_duplicates()
        return found

    def tfidf(self, texts: Sequence[str], pairs: bool = True) -> sp.csr_array:
        """The same, in logarithms, weighed by ``idf``, each row of length 1."""
        found = self.counts(texts, pairs)
        found.data = (1.0 + np.log(found.data)) * self.idf[found.indices]
        return unit_rows(found)


def terms(text: str, pairs: bool = True) -> list[str]:
    """The words of a text in lower case with the marks that carry a mood, and its pairs of neighbours."""
    found = [token[:LONGEST] for token in _TERM.findall(text[:LIMIT].lower())][:WORDS]
    return found + [f"{a} {b}" for a, b in itertools.pairwise(found)] if pairs else found


def unit_rows(matrix: sp.csr_array) -> sp.csr_array:
    norm = np.sqrt(np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel())
    scale = np.repeat(1.0 / np.maximum(norm, 1e-12), np.diff(matrix.indptr))
    matrix.data = (matrix.data * scale).astype(np.float32)
    return matrix


def log_count_ratio(X: sp.csr_array, labels: np.ndarray, classes: int, alpha: float = 1.0) -> np.ndarray:
    """(classes, terms) float32: how much likelier a term is in a class than outside of it, in logarithms."""
    found = np.zeros((classes, X.shape[1]), np.float32)
    binary = X.copy()
    binary.data = np.ones_like(binary.data)
    for number in range(classes):
        inside = np.asarray(binary[labels == number].sum(axis=0)).ravel() + alpha
        outside = np.asarray(binary[labels != number].sum(axis=0)).ravel() + alpha
        found[number] = np.log((inside / inside.sum()) / (outside / outside.sum()))
    return found


def logistic(
    X: np.ndarray | sp.csr_array, labels: np.ndarray, classes: int, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Multinomial logistic regression: weights (classes, features) and bias (classes,), both float32.

    ``strength`` is the inverse of the penalty, as C is in scikit-learn. A class without rows is never said.
    """
    from sklearn.linear_model import LogisticRegression

    weights = np.zeros((classes, X.shape[1]), np.float32)
    bias = np.full(classes, -50.0, np.float32)
    there = np.unique(labels)
    if len(there) < 2:
        bias[there] = 0.0
        return weights, bias
    if sp.issparse(X):  # scikit-learn's solvers take 32-bit indices
        X = sp.csr_matrix(X)
        X.indices, X.indptr = X.indices.astype(np.int32), X.indptr.astype(np.int32)
    fitted = LogisticRegression(C=strength, max_iter=ITERATIONS).fit(X, labels)
    if len(there) == 2:
        weights[there[1]], bias[there[0]], bias[there[1]] = fitted.coef_[0], 0.0, fitted.intercept_[0]
    else:
        weights[there], bias[there] = fitted.coef_, fitted.intercept_
    return weights, bias


def softmax(logits: np.ndarray) -> np.ndarray:
    """(n, classes), rows sum to 1."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    found: np.ndarray = raised / raised.sum(axis=1, keepdims=True)
    return found
