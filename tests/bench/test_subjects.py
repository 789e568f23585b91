"""The parts of the benchmarks that need no weights: texts, timings, work, files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pypdfium2
import pytest

from app.settings import load_settings
from bench import dense, search
from bench.decoders import Timing, clock
from bench.ingest import write_pdf
from bench.machine import Limits
from bench.resident import memory_bytes
from bench.session import BenchFailed, Session
from bench.texts import document, exact_text, exact_tokens, mixed_texts, prose, questions
from bench.work import decoder_work, encoder_flops
from model.config import EncoderConfig
from tests.fakes import word_spans

MINILM = EncoderConfig(
    vocab_size=30522, width=384, layers=6, heads=12, mlp_width=1536, max_positions=512, token_types=2,
    norm_epsilon=1e-12,
)  # fmt: skip


def test_prose_is_the_same_for_the_same_seed_only() -> None:
    assert prose(40, "a", 1) == prose(40, "a", 1) != prose(40, "a", 2)
    assert len(prose(40, "a", 1).split()) >= 40


def test_mixed_texts_are_short_and_long() -> None:
    words = [len(text.split()) for text in mixed_texts(60, 180, "seed")]
    assert min(words) < 30
    assert max(words) > 100
    assert max(words) <= 180


def test_exact_lengths() -> None:
    assert len(word_spans(exact_text(50, word_spans, "x"))) == 50
    assert len(exact_tokens(50, lambda text: [len(word) for word in text.split()], "x")) == 50


def test_questions_stand_in_the_sample_documents() -> None:
    asked = questions()
    assert len(asked) >= 8
    assert len(document(asked[0].file_name).pages) >= asked[0].page


def test_a_missing_sample_says_what_to_do() -> None:
    with pytest.raises(BenchFailed, match="no-such-file"):
        document("no-such-file.pdf")


def test_a_stream_is_clocked_to_its_first_and_last_token() -> None:
    timing = clock(lambda: iter("abc"))
    assert timing.tokens == 3
    assert 0 <= timing.first_s <= timing.total_s
    assert Timing(1.0, 3.0, 5).rate == 2.0


@pytest.mark.parametrize("tokens", [(), ("one",)])
def test_a_stream_too_short_to_have_a_speed_is_an_error(tokens: Sequence[str]) -> None:
    def stream() -> Iterator[str]:
        yield from tokens

    with pytest.raises(BenchFailed):
        _ = clock(stream).rate


def test_the_work_of_minilm() -> None:
    assert encoder_flops(MINILM, [128]) / 128 == pytest.approx(21.2e6 + 2 * 6 * 2 * 384 * 128, rel=0.01)
    assert encoder_flops(MINILM, [5, 7]) == encoder_flops(MINILM, [5]) + encoder_flops(MINILM, [7])


def test_only_gguf_files_say_what_a_token_costs(tmp_path: Path) -> None:
    assert decoder_work(tmp_path / "model") is None


def test_a_generated_pdf_has_its_pages_and_its_code_word(tmp_path: Path) -> None:
    pdf = pypdfium2.PdfDocument(write_pdf(tmp_path / "a.pdf", 2, 7))
    try:
        assert len(pdf) == 2
        assert "quillon0007" in pdf[1].get_textpage().get_text_bounded()
    finally:
        pdf.close()


def test_memory_is_read_from_the_status_of_a_process() -> None:
    status = "Name:\tpython\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n"
    assert memory_bytes(status) == {"resident_bytes": 1024 * 1024, "peak_bytes": 2048 * 1024}


@pytest.fixture
def session(tmp_path: Path) -> Session:
    settings = load_settings({}, data_dir=tmp_path / "data", database_url="postgresql://elsewhere/db")
    return Session(settings, Limits(1e11, 1e11, 1e10), threads=1, quick=True)


def test_scratch_settings_share_weights_and_nothing_else(session: Session) -> None:
    (session.settings.data_dir / "models").mkdir(parents=True)
    (session.settings.data_dir / "models" / "weights").touch()
    with session.scratch() as settings:
        assert settings.database_url is None
        assert os.listdir(settings.data_dir) == ["models"]
        assert (settings.data_dir / "models" / "weights").exists()
    assert not settings.data_dir.exists()
    assert (session.settings.data_dir / "models" / "weights").exists()


def test_search_on_a_small_index(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "QUICK_SIZES", (300,))
    monkeypatch.setattr(dense, "QUICK_COUNT", 3000)
    rows = list(search.rows(session))
    of_the_store = [row.what.split(",")[0] for row in rows[:5]]
    assert of_the_store == ["dense", "dense", "dense", "BM25", "BM25"]
    assert rows[0].ours.median == 1.0  # so few are scanned whole
    in_full = [f"lists, 3,000 vectors {kind}" for kind in ("like sentences", "twice as hard")]
    assert [row.what for row in rows[5:] if row.what.endswith("recall@10")] == [
        *(f"{what}{of}: recall@10" for what in in_full for of in ("", ", a filter of 1%")),
        "lists, 3,000 clustered vectors: recall@10",
    ]
    assert {"faiss IVF2048,SQ8", "faiss IndexFlatIP"} in [row.peers.keys() for row in rows]
    assert rows[1].peers.keys() == {"faiss IndexFlatIP"}
    assert rows[1].of_limit is not None
    assert rows[1].unit == "ms"
