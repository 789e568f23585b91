"""What becomes a term: both sides of BM25 depend on these rules, saved indexes too."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from retrieval.analysis import ANALYSIS_VERSION, MAX_TERM_CHARACTERS, analyze


@pytest.mark.parametrize("text", ["", "   ", "?!…", "—", "\n\t", "___", "🙂🙂"])
def test_text_without_letters_or_digits_has_no_terms(text: str) -> None:
    assert analyze(text) == []


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("Running runs RUN", ["run", "run", "run"]),
        ("The company's policies", ["the", "compani", "s", "polici"]),
        ("FOOTNOTE_DATA_DIR", ["footnot", "data", "dir"]),
        ("1,234.5 kg", ["1", "234", "5", "kg"]),
        ("ｆｕｌｌ ﬁne", ["full", "fine"]),
        ("Straße", ["strass"]),
        ("हिन्दी भाषा", ["हिन्द", "भाष"]),
        ("iPhone15を買う", ["iphone15", "を", "買", "う", "を買", "買う"]),
        ("한국어", ["한", "국", "어", "한국", "국어"]),
    ],
)
def test_terms(text: str, terms: list[str]) -> None:
    assert analyze(text) == terms
    assert ANALYSIS_VERSION == 3, "terms changed? raise ANALYSIS_VERSION so that saved indexes are rebuilt"


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("café", "cafe\u0301"),
        ("Haus\u00adord\u00adnung", "Hausordnung"),
        ("\ufeffInvoice\u200e", "invoice"),
        ("naïve résumé", "naive resume"),
        ("ΑΘΉΝΑ", "αθηνα"),
        ("ﬀ", "FF"),
        ("Åse", "åse"),
        ("كِتَابٌ", "كتاب"),  # with vowel signs and without
        ("الإنتاجية", "الانتاجية"),  # alef with and without hamza
        ("ёлка", "елка"),
    ],
)
def test_spellings_of_the_same_word_agree(written: str, asked: str) -> None:
    assert analyze(written) == analyze(asked)


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("В столице открыт новый музей", "столица"),
        ("Договор подписан четвёртого мая", "договора"),
        ("Άνοιξε το μουσείο", "μουσεία"),
        ("افتتح المتحف الجديد", "متحف"),
        ("किताबें मेज़ पर हैं", "किताब"),
    ],
)
def test_inflected_words_share_a_term(written: str, asked: str) -> None:
    assert set(analyze(asked)) & set(analyze(written))


def test_letters_that_only_look_accented_stay_apart() -> None:
    assert analyze("йод") != analyze("иод")
    assert analyze("їжак") != analyze("іжак")


def test_kana_voicing_is_kept() -> None:
    assert analyze("が") != analyze("か")
    assert analyze("か\u3099") == analyze("が")


def test_a_part_of_a_cjk_word_is_among_the_terms_of_the_whole() -> None:
    whole = set(analyze("東京都庁舎"))
    assert set(analyze("東京")) <= whole
    assert set(analyze("庁")) <= whole


def test_endless_runs_are_cut() -> None:
    assert [len(term) for term in analyze("7" * 10_000)] == [MAX_TERM_CHARACTERS]


def test_threads_do_not_disturb_each_other() -> None:
    texts = [f"nationalizing{n} conditionally{n} relational{n}" for n in range(400)]
    expected = [[f"nationalizing{n}", f"conditionally{n}", f"relational{n}"] for n in range(400)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(analyze, texts)) == expected
