"""A blank English spaCy pipeline with a NER, as ``spacy train`` does it: ``nlp_spacy FILE OUT``.

FILE holds train, validation and test. The configuration is what ``spacy init config --pipeline ner --optimize
efficiency`` writes (batches by words, dropout 0.1, at most 20,000 steps, a patience of 1,600); the F1 on validation,
every 200 steps, decides which weights are kept. A blank pipeline has no word vectors, nor has ours a larger encoder.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main() -> None:
    file, out = sys.argv[1], sys.argv[2]
    import spacy
    from spacy.cli.init_config import init_config
    from spacy.cli.train import train
    from spacy.tokens import Doc, DocBin
    from spacy.training import biluo_tags_to_spans, iob_to_biluo

    with open(file, encoding="utf-8") as source:
        parts: dict[str, list[Any]] = json.load(source)
    blank = spacy.blank("en")

    def document(words: list[str], tags: list[str]) -> Any:
        doc = Doc(blank.vocab, words=words)
        doc.ents = biluo_tags_to_spans(doc, iob_to_biluo(tags))
        return doc

    with tempfile.TemporaryDirectory(prefix="forge-spacy-") as scratch:
        place = Path(scratch)
        for part in ("train", "validation"):
            DocBin(docs=[document(*row) for row in parts[part]]).to_disk(place / f"{part}.spacy")
        config = init_config(lang="en", pipeline=["ner"], optimize="efficiency", gpu=False)
        config.to_disk(place / "config.cfg")
        began = time.perf_counter()
        paths = {"paths.train": str(place / "train.spacy"), "paths.dev": str(place / "validation.spacy")}
        train(place / "config.cfg", place / "model", overrides=paths)
        seconds = time.perf_counter() - began
        nlp = spacy.load(place / "model" / "model-best")
    scores = nlp.meta["performance"]
    said = []
    for words, _ in parts["test"]:
        doc = nlp(Doc(nlp.vocab, words=words))
        said.append([f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else "O" for t in doc])
    with open(out, "w", encoding="utf-8") as target:
        json.dump(said, target)
    best = round(float(scores["ents_f"]), 4)
    print(json.dumps({"rows": len(said), "seconds": round(seconds, 1), "validation_f1": best}))


if __name__ == "__main__":
    main()
