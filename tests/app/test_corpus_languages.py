"""Questions over the whole corpus in German, French, Spanish and Japanese: plain forms only."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.answers.comparisons import comparisons
from app.answers.corpus_kind import corpus_kind, counts_documents, mentioned, topic
from app.answers.languages.forms import MOST_CHARACTERS
from tests.app.asking import ask, upload

ASKED = {
    "German": """
        summarise: Fasse alle Dokumente zusammen
        summarise: Bitte fassen Sie die Briefe über die Miete zusammen.
        summarise: Kannst du mir meine Unterlagen kurz zusammenfassen?
        summarise: Gib mir einen Überblick über das Handbuch
        summarise: Worum geht es in meinen Dokumenten?
        summarise: Was sagen die Verträge zur Kündigung?
        list: Liste alle Lieferanten auf
        list: Bitte nenne mir alle Fristen.
        list: Können Sie alle Ansprechpartner auflisten?
        list: Welche Dokumente erwähnen die Fähre?
        list: In welchen Verträgen kommt das Wort Kaution vor?
        compare: Vergleiche die Urlaubsregeln von Brenn und Velm.
        compare: Können Sie die Tarife von Brenn und Velm vergleichen?
        compare: Was sind die Unterschiede zwischen den Verträgen?
        compare: Wie unterscheiden sich meine Berichte?
        count: Wie viele Dokumente erwähnen die Fähre?
        count: In wie vielen Akten wird Harlow genannt?
        count: Wie viele Dateien habe ich insgesamt?
        count: Wie viele Mängel werden in allen Berichten genannt?
    """,
    "French": """
        summarise: Résume tous mes documents
        summarise: Peux-tu résumer les lettres sur le loyer ?
        summarise: Résumez-nous le manuel.
        summarise: Fais-moi un bref résumé des rapports
        summarise: De quoi parlent ces documents ?
        summarise: Que disent les contrats sur la résiliation ?
        list: Liste tous les fournisseurs
        list: Pouvez-vous énumérer toutes les échéances ?
        list: Donne-moi la liste de tous les clients.
        list: Quels documents mentionnent le bac ?
        list: Dans quels contrats figure le mot caution ?
        compare: Comparez les congés de Brenn et de Velm.
        compare: Quelles sont les différences entre les contrats ?
        compare: En quoi diffèrent mes rapports ?
        count: Combien de documents mentionnent le bac ?
        count: Dans combien de dossiers apparaît Harlow ?
        count: Combien de fichiers ai-je au total ?
        count: Combien y a-t-il de documents ?
        count: Combien de défauts sont cités dans tous les rapports ?
    """,
    "Spanish": """
        summarise: Resume todos mis documentos
        summarise: ¿Puedes resumir las cartas sobre el alquiler?
        summarise: Por favor, resuma el manual.
        summarise: Hazme un breve resumen de los informes
        summarise: ¿De qué tratan estos documentos?
        summarise: ¿Qué dicen los contratos sobre la rescisión?
        list: Enumera todos los proveedores
        list: ¿Podría listar todas las fechas?
        list: Lista los clientes.
        list: ¿Qué documentos mencionan el transbordador?
        list: ¿En qué contratos aparece la palabra fianza?
        compare: Compara las vacaciones de Brenn y de Velm con calma
        compare: ¿Cuáles son las diferencias entre los contratos?
        compare: ¿En qué se diferencian mis informes?
        count: ¿Cuántos documentos mencionan el transbordador?
        count: ¿En cuántos expedientes se menciona Harlow?
        count: ¿Cuántos archivos tengo en total?
        count: ¿Cuántas cartas hay?
        count: ¿Cuántos defectos se citan en todos los informes?
    """,
    "Japanese": """
        summarise: すべての文書を要約してください。
        summarise: 家賃について要約してください
        summarise: これらの資料を簡単にまとめて
        summarise: 就業規則を要約して下さい。
        summarise: これらの文書には何が書かれていますか？
        list: すべての取引先を列挙してください。
        list: 締切をすべて挙げてください
        list: どの文書が渡し船に言及していますか？
        list: 渡し船に言及している資料はどれですか。
        compare: ブレンとヴェルムの休暇を比較してください。
        compare: これらの契約書の違いは何ですか？
        count: 渡し船に言及している文書はいくつありますか？
        count: いくつの書類がハーロウを含んでいますか。
        count: ファイルは全部で何件ありますか？
    """,
}
ORDINARY = {
    "German": """
        Wie viele Mitarbeiter nennt der Vertrag?
        Liste der Mitglieder: wer steht dort?
        Wie viele Berichte hat sie geschrieben?
        Wie viele Verträge gibt es mit Brenn?
        Welche Dokumente brauche ich für den Antrag?
        Worum geht es in dem Vertrag?
        Was ist der Unterschied zwischen einer Pumpe und einem Motor?
        Wer hat die Zusammenfassung geschrieben?
        Fasst der Bericht die Ergebnisse zusammen?
        Fasse ich das richtig zusammen?
        Nennen sie alle Gründe?
        Nennt der Vertrag alle Fristen?
        Vergleiche mit früheren Jahren: was zeigen sie?
        Wie unterscheiden sich die Artikel 5 und 6?
        Welche Unterlagen enthält die Personalakte?
        Wie viel kostet die Fähre?
        Alle Dokumente müssen bis wann vorliegen?
        Was steht in den Vertragsunterlagen zur Miete?
    """,
    "French": """
        Combien d'employés le contrat nomme-t-il ?
        Liste des membres : qui y figure ?
        Combien de rapports a-t-elle écrits ?
        Combien de contrats y a-t-il avec Brenn ?
        Combien d'articles y a-t-il ?
        Quels documents faut-il pour la demande ?
        De quoi parle le contrat ?
        Quelle est la différence entre une pompe et un moteur ?
        Qui a écrit le résumé ?
        Résume-t-il les résultats ?
        Le rapport résume tous les résultats ?
        Cite-t-il tous les motifs ?
        Comparé à 2023, combien coûte le bac ?
        En quoi diffèrent les pompes ?
        Tous les documents doivent arriver quand ?
        Que disent les voisins sur le bruit ?
    """,
    "Spanish": """
        ¿Cuántos empleados nombra el contrato?
        Lista de miembros: ¿quién figura?
        ¿Cuántos informes escribió ella?
        ¿Cuántos contratos hay con Brenn?
        ¿Cuántos artículos hay?
        ¿Qué documentos hacen falta para la solicitud?
        ¿De qué trata el contrato?
        ¿Cuál es la diferencia entre una bomba y un motor?
        ¿Quién escribió el resumen?
        ¿Resume el informe los resultados?
        ¿Compara el informe las regiones?
        ¿Enumera los motivos el contrato?
        ¿En qué se diferencian las bombas?
        ¿Cuándo deben llegar todos los documentos?
        ¿Qué dicen los vecinos sobre el ruido?
        Resume normal operations when the alarm stops?
    """,
    "Japanese": """
        契約書には従業員が何人載っていますか？
        会員の一覧には誰が載っていますか？
        彼女は報告書をいくつ書きましたか。
        申請に必要な書類は何ですか？
        この契約書は何についてですか？
        ポンプとモーターの違いは何ですか。
        誰が要約を書きましたか？
        報告書は結果を要約していますか？
        契約書はすべての期限を挙げていますか？
        2023年と比較して渡し船はいくらですか。
        すべての文書はいつまでに必要ですか？
        渡し船に言及しているのは誰ですか。
        資料は何階にありますか？
        手紙をまとめて送ったのは誰ですか。
    """,
}


def lines(table: dict[str, str]) -> list[str]:
    return [line.strip() for text in table.values() for line in text.strip().splitlines()]


@pytest.mark.parametrize("line", lines(ASKED))
def test_plain_forms_are_about_the_whole_corpus(line: str) -> None:
    kind, question = line.split(": ", 1)
    assert corpus_kind(question) == kind


@pytest.mark.parametrize("question", lines(ORDINARY))
def test_ordinary_questions_in_the_same_words_are_not(question: str) -> None:
    assert corpus_kind(question) is None
    assert mentioned(question) is None
    assert not counts_documents(question)


@pytest.mark.parametrize(
    ("question", "about"),
    [
        ("Fasse alle Dokumente zusammen", None),
        ("Fasse alles zusammen.", None),
        ("Gib mir eine Zusammenfassung der Dokumente", None),
        ("Fasse das Handbuch bitte zusammen", "Handbuch"),
        ("Fasse die Briefe über die Miete zusammen.", "Miete"),
        ("Fasse zusammen, was die Briefe über die Miete sagen", "Miete"),
        ("Was sagen die Verträge zur Kündigung?", "Kündigung"),
        ("Résume tous mes documents.", None),
        ("Fais un résumé des documents", None),
        ("Résume le manuel", "manuel"),
        ("Résume ce que les lettres disent sur l’assurance.", "assurance"),
        ("Que disent les contrats sur la résiliation ?", "résiliation"),
        ("Resume todos mis documentos", None),
        ("Escribe un resumen de los documentos.", None),
        ("Resume el manual", "manual"),
        ("Resume lo que dicen las cartas sobre el alquiler", "alquiler"),
        ("すべての文書を要約してください。", None),
        ("就業規則を要約してください。", "就業規則"),
        ("家賃についての手紙を要約してください。", "家賃"),
    ],
)
def test_the_topic_of_a_summary_stands_without_its_article(question: str, about: str | None) -> None:
    assert corpus_kind(question) == "summarise"
    assert topic(question) == about


@pytest.mark.parametrize(
    ("question", "forms"),
    [
        ("Wie viele Dokumente erwähnen die „Fähre“?", ("Fähre",)),
        ("In welchen Verträgen kommt das Wort Kaution vor?", ("Kaution",)),
        ("Combien de documents mentionnent l’assurance vie ?", ("assurance vie", "assurance vies")),
        ("Quels documents mentionnent les ponts ?", ("ponts", "pont")),
        ("Quels documents mentionnent le mois ?", ("mois",)),
        ("Dans quels contrats figurent les mots prix fixe ?", ("prix fixe", "prix fixes")),
        ("¿Cuántos documentos mencionan la batería?", ("batería", "baterías")),
        ("¿Qué documentos mencionan los meses?", ("meses", "mes", "mese")),
        ("¿Qué documentos mencionan los puentes?", ("puentes", "puente")),
        ("¿En qué cartas aparecen las luces?", ("luces", "luz", "luce")),
        ("¿Qué cartas mencionan la luz?", ("luz", "luces")),
        ("¿Qué cartas mencionan el mes?", ("mes",)),
        ("どの文書が「渡し船」に言及していますか？", ("渡し船",)),
    ],
)
def test_words_are_looked_for_in_both_numbers_where_a_rule_is_known(
    question: str, forms: tuple[str, ...]
) -> None:
    words = mentioned(question)
    assert words is not None
    assert words.forms == forms


def test_what_is_long_is_no_plain_form() -> None:
    question = "Compare the ferry and the bridge " + "over the Wend " * MOST_CHARACTERS
    assert corpus_kind(question) is None
    assert list(comparisons(question)) == []


def test_runs_of_blanks_cost_no_more_than_one_blank() -> None:
    blanks = " " * 3000
    assert corpus_kind(f"Compare{blanks}the ferry{blanks}and the bridge") == "compare"
    found = next(comparisons(f"Compare{blanks}the ferry and{blanks}the bridge{blanks}x"))
    assert found.names == ["ferry", "bridge x"]


def test_letters_and_their_accents_may_be_two_characters() -> None:
    assert corpus_kind("Que disent les contrats sur la re\u0301siliation ?") == "summarise"
    assert corpus_kind("Re\u0301sume tous mes documents") == "summarise"


DOCUMENTS = {
    "German": {
        "faehre.md": "# Weg\n\nDie Fähre über die Wend fährt im Sommer alle zwanzig Minuten.\n",
        "bruecke.md": "# Weg\n\nDie Brücke über die Wend trägt im Sommer die alte Straße.\n",
        "riff.md": "# Meer\n\nEin Riff im Norden wurde bis zum Jahr 2016 vermessen.\n",
    },
    "French": {
        "bac.md": "# Voie\n\nLe bac sur la Wend passe en été toutes les vingt minutes.\n",
        "pont.md": "# Voie\n\nLe pont sur la Wend porte en été une vieille route.\n",
        "recif.md": "# Mer\n\nUn grand récif du nord fut mesuré jusque dans 2016.\n",
    },
    "Spanish": {
        "barca.md": "# Camino\n\nLa barca sobre el Wend pasa en verano cada veinte minutos.\n",
        "puente.md": "# Camino\n\nEl puente sobre el Wend lleva en verano una vieja carretera.\n",
        "arrecife.md": "# Mar\n\nUn gran arrecife del norte fue medido hasta 2016.\n",
    },
    "Japanese": {
        "fune.md": "# 道\n\n渡し船は夏のあいだウェンド川を二十分ごとに渡って人と荷物を運びます。\n",
        "hashi.md": "# 道\n\n橋はウェンド川の上に夏も冬も古い道を通して町と町をつないでいます。\n",
        "sango.md": "# 海\n\n北の珊瑚礁は二〇一六年まで小さな船の一行によって測量されていました。\n",
    },
}
QUESTIONS = {  # a summary, documents that hold words counted and listed, and how many there are
    "German": (
        "Fasse alle Dokumente zusammen",
        "Wie viele Dokumente erwähnen die Wend?",
        "Welche Dokumente erwähnen die Wend?",
        "Wie viele Dokumente gibt es?",
    ),
    "French": (
        "Résume tous les documents",
        "Combien de documents mentionnent la Wend ?",
        "Quels documents mentionnent la Wend ?",
        "Combien de documents y a-t-il ?",
    ),
    "Spanish": (
        "Resume todos los documentos",
        "¿Cuántos documentos mencionan el Wend?",
        "¿Qué documentos mencionan el Wend?",
        "¿Cuántos documentos hay?",
    ),
    "Japanese": (
        "すべての文書を要約してください",
        "ウェンド川に言及している文書はいくつありますか？",
        "どの文書がウェンド川に言及していますか？",
        "文書は全部で何件ありますか？",
    ),
}


def names(answer: dict[str, Any]) -> list[str]:
    """What each line begins with."""
    return [line.removeprefix("• ").split(":")[0].split(" [")[0] for line in answer["answer"].split("\n")]


@pytest.mark.parametrize("language", DOCUMENTS)
def test_summaries_lists_and_counts_are_answered_over_http(client: TestClient, language: str) -> None:
    texts = DOCUMENTS[language]
    upload(client, texts)
    summary, count, listing, total = (ask(client, question) for question in QUESTIONS[language])
    assert names(summary) == list(texts)
    for line, text in zip(summary["answer"].split("\n"), texts.values(), strict=True):
        assert line.split(": ", 1)[1].rsplit(" [", 1)[0] in " ".join(text.split())
    for answer, kind in ((count, "count"), (listing, "list")):
        assert (answer["basis"]["kind"], answer["basis"]["method"]) == (kind, "words")
        assert answer["answer"].startswith("• 2 of 3 documents contain “")
        assert names(answer)[1:] == list(texts)[:2]
        assert all("ウェンド川" in cited["text"] or cited["text"] == "Wend" for cited in answer["citations"])
    assert total["answer"] == "• 3 documents are ready"


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("German", "Vergleiche die Fähre über die Wend und die Brücke über die Wend im Sommer"),
        ("French", "Comparez le bac sur la Wend et le pont sur la Wend en été"),
        ("Spanish", "Compara la barca sobre el Wend y el puente sobre el Wend en verano"),
    ],
)
def test_what_is_compared_is_asked_of_each_document(client: TestClient, language: str, question: str) -> None:
    upload(client, DOCUMENTS[language])
    answer = ask(client, question)
    assert (answer["basis"]["kind"], answer["basis"]["method"]) == ("compare", "documents")
    assert set(names(answer)) == set(list(DOCUMENTS[language])[:2])
    assert answer["citations"]


@pytest.mark.parametrize(
    ("language", "question", "file_name"),
    [
        ("German", "Fasse das Riff zusammen", "riff.md"),
        ("French", "Résume le pont", "pont.md"),
        ("Spanish", "Resume el puente", "puente.md"),
    ],
)
def test_a_document_is_summarised_by_its_name(
    client: TestClient, language: str, question: str, file_name: str
) -> None:
    upload(client, DOCUMENTS[language])
    assert names(ask(client, question)) == [file_name]


@pytest.mark.parametrize(
    ("language", "question"),
    [
        ("German", "Wie viele Minuten nennt die Fähre über die Wend im Sommer?"),
        ("French", "Combien de minutes passe le bac sur la Wend en été ?"),
        ("Spanish", "¿Cuántos minutos pasa la barca sobre el Wend en verano?"),
        ("Japanese", "渡し船は何分ごとにウェンド川を渡りますか？"),
    ],
)
def test_an_ordinary_question_rests_on_no_corpus(client: TestClient, language: str, question: str) -> None:
    upload(client, DOCUMENTS[language])
    assert ask(client, question)["basis"] is None


def written_questions(folder: Path) -> Iterator[str]:
    """Questions that people wrote about a passage, or typed into a search box."""
    for path in sorted([*folder.glob("train/*.jsonl.gz"), *folder.glob("dev/**/*.jsonl.gz")]):
        with gzip.open(path, "rt", encoding="utf-8") as rows:
            for row in map(json.loads, rows):
                texts = [row.get("question"), row.get("query")]
                texts += [row["text"]] if path.name.startswith("queries") else []
                texts += [each["question"] for each in row.get("questions") or [] if "question" in each]
                yield from filter(None, texts)


@pytest.mark.shared
def test_questions_that_people_wrote_about_a_passage_are_not_taken(shared_data: Path) -> None:
    questions = set(written_questions(shared_data))
    taken = sorted(question for question in questions if corpus_kind(question))
    assert len(questions) > 70_000
    assert sum("\u3040" < character < "\u30ff" for question in questions for character in question) > 100_000
    # Eight of them do ask for a list, a comparison or a summary, in so many words.
    asking = ("list ", "compare ", "summarize ", "could you please summarize ")
    assert [question for question in taken if not question.lower().startswith(asking)] == []
    assert len(taken) == 8
