"""BERTopic with its defaults: ``nlp_bertopic FILE OUT MODEL``; FILE holds the texts, MODEL is the encoder's folder."""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np


def main() -> None:
    warnings.simplefilter("ignore")
    file, out, model = sys.argv[1:4]
    from bertopic import BERTopic
    from sentence_transformers import SentenceTransformer

    with open(file, encoding="utf-8") as source:
        texts = json.load(source)
    encoder = SentenceTransformer(model, device="cpu")
    began = time.perf_counter()
    assigned, _ = BERTopic(embedding_model=encoder).fit_transform(texts)
    seconds = time.perf_counter() - began
    np.savez(out, assigned=np.array(assigned))
    outliers = float(np.mean(np.array(assigned) == -1))
    found = {
        "rows": len(texts),
        "seconds": round(seconds, 1),
        "topics": len(set(assigned)),
        "outliers": round(outliers, 3),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
