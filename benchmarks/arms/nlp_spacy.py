"""A blank English spaCy pipeline with a NER: ``nlp_spacy FILE OUT EPOCHS``; FILE holds train, validation and test.

Batches compound from 4 to 32 and dropout is 0.2, as in spaCy's own training examples; after every epoch the F1 on
validation decides which weights are kept.
"""

from __future__ import annotations

import json
import random
import sys
import time
from typing import Any

PATIENCE = 5


def main() -> None:
    file, out, epochs = sys.argv[1], sys.argv[2], int(sys.argv[3])
    import spacy
    from spacy.tokens import Doc
    from spacy.training import Example, biluo_tags_to_spans, iob_to_biluo
    from spacy.util import compounding, fix_random_seed, minibatch

    fix_random_seed(0)
    random.seed(0)
    with open(file, encoding="utf-8") as source:
        parts: dict[str, list[Any]] = json.load(source)
    nlp = spacy.blank("en")

    def example(words: list[str], tags: list[str]) -> Any:
        doc, gold = Doc(nlp.vocab, words=words), Doc(nlp.vocab, words=words)
        gold.ents = biluo_tags_to_spans(gold, iob_to_biluo(tags))
        return Example(doc, gold)

    train = [example(*row) for row in parts["train"]]
    ner = nlp.add_pipe("ner")
    for kind in sorted({tag[2:] for _, tags in parts["train"] for tag in tags if tag != "O"}):
        ner.add_label(kind)
    began = time.perf_counter()
    optimizer = nlp.initialize(lambda: train)
    best, best_epoch, kept, curve = -1.0, 0, nlp.to_bytes(), []
    for epoch in range(1, epochs + 1):
        random.shuffle(train)
        for batch in minibatch(train, size=compounding(4.0, 32.0, 1.001)):
            nlp.update(batch, sgd=optimizer, drop=0.2)
        value = float(nlp.evaluate([example(*row) for row in parts["validation"]])["ents_f"] or 0.0)
        curve.append(round(value, 4))
        print(f"epoch {epoch}: {value:.4f}", file=sys.stderr, flush=True)
        if value > best:
            best, best_epoch, kept = value, epoch, nlp.to_bytes()
        elif epoch - best_epoch >= PATIENCE:
            break
    seconds = time.perf_counter() - began
    nlp.from_bytes(kept)
    said = []
    for words, _ in parts["test"]:
        doc = nlp(Doc(nlp.vocab, words=words))
        said.append([f"{t.ent_iob_}-{t.ent_type_}" if t.ent_type_ else "O" for t in doc])
    with open(out, "w", encoding="utf-8") as target:
        json.dump(said, target)
    print(json.dumps({"rows": len(said), "seconds": round(seconds, 1), "epochs": len(curve), "curve": curve}))


if __name__ == "__main__":
    main()
