"""Judged claims about boats and lamps, in the files that the verifier's recipe reads."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from tests.model.test_train import write_data


def write_claims(folder: Path) -> Path:
    """The four judged sets with invented rows, beside the question sets of the reranker's test."""
    write_data(folder)
    scifact, wice, experts, yes_no = [], [], [], []
    for number in range(40):
        abstract = ["the boat is red.", "anna paints the boat.", f"the lamp of school {number} is black."]
        label = ("SUPPORT", "CONTRADICT", "NOT_ENOUGH_INFO")[number % 3]
        rationales = [[0], [1]] if number % 3 < 2 else []
        document = {"doc_id": str(number), "abstract": abstract, "label": label, "rationales": rationales}
        scifact.append(
            {"claim": "the boat is black" if number % 3 else "the boat is red", "docs": [document]}
        )
        claim_tokens = ["anna", "paints", "the", "boat", "by", "the", "river", "red", "."]
        wice.append(
            {
                "claim": "anna paints the boat by the river red.",
                "claim_tokens": claim_tokens,
                "unsupported": [0] * 7 + [1, 0],
                "supporting_sentences": [[1]],
                "evidence": [f"page {number}", "anna paints the boat by the river", "the lamp is black"],
            }
        )
        experts.append(
            {
                "id": str(number),
                "contexts": [{"n": 1, "text": f"the tower {number} is white. the bridge is blue."}],
                "claims": [
                    {"claim": "the tower is white [1].", "cites": [1], "support": "Complete"},
                    {"claim": "the tower is green [1].", "cites": [1], "support": "Partial"},
                    {"claim": "the tower is", "cites": [1, 2], "support": "Complete"},
                ],
            }
        )
        yes_no.append(
            {
                "id": str(number),
                "question": "Does anna paint the boat?",
                "context": f"anna keeps boat {number} in the harbour. anna paints it red.",
                "decision": ("yes", "no", "maybe")[number % 3],
                "answers": [{"text": "anna paints the boat red in the harbour"}],
            }
        )
    for name, rows in (
        ("claims_scifact", scifact),
        ("claims_wice_partial", wice),
        ("cited_expertqa", experts),
        ("qa_pubmedqa_pqal", yes_no),
    ):
        with gzip.open(folder / f"{name}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    return folder
