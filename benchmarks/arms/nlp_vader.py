"""VADER on tweets: ``nlp_vader FILE OUT``; FILE holds texts. Its published thresholds, 0.05 about zero."""

from __future__ import annotations

import json
import sys
import time


def main() -> None:
    file, out = sys.argv[1:3]
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    with open(file, encoding="utf-8") as source:
        texts = json.load(source)
    analyser = SentimentIntensityAnalyzer()
    began = time.perf_counter()
    scores = [analyser.polarity_scores(text)["compound"] for text in texts]
    seconds = time.perf_counter() - began
    said = ["positive" if s >= 0.05 else "negative" if s <= -0.05 else "neutral" for s in scores]
    with open(out, "w", encoding="utf-8") as target:
        json.dump(said, target)
    print(json.dumps({"rows": len(texts), "seconds": round(seconds, 3)}))


if __name__ == "__main__":
    main()
