"""How Japanese asks about a whole corpus. Comparisons by name are not read: nothing parts the names."""

from __future__ import annotations

from app.answers.languages.forms import CorpusForms, Language, same

_THINGS = r"(?:文書|ドキュメント|ファイル|資料|書類|報告書|契約書|手紙)"
_EVERY = r"(?:すべて|全て|全部)"
_SOME = rf"(?:{_EVERY}の|これらの|私の|各|全)"
_ALL = rf"{_SOME}*{_THINGS}"
_PLEASE = r"(?:(?:ください|下さい)(?:ませんか)?|くれますか|もらえますか|ほしい)?"
_SHORTLY = r"(?:簡単に|簡潔に|短く)?"
_SUMMARISE = rf"{_SHORTLY}(?:要約して|まとめて){_PLEASE}"
_HOW_MANY = r"(?:全部で|合計で?)?(?:何件|何通|何個|いくつ)"
_ARE = r"(?:ありますか|あるか|あります)"
_SPEAK = r"(?:に(?:言及|触れ)(?:して)?(?:て)?いる|を含む|を含んでいる)"
_DO_SPEAK = r"(?:に言及していますか|に触れていますか|を含んでいますか|を含みますか)"

_CORPUS = CorpusForms(
    summarise=(
        rf"(?P<topic>.+?)について(?:の{_ALL}を|{_ALL}を)?{_SUMMARISE}",
        rf"(?P<topic>.+)を{_SUMMARISE}",
        rf"{_SOME}+{_THINGS}(?:は|には)何(?:について|が)書かれていますか",
    ),
    listing=(
        rf"どの{_THINGS}が(?P<words>.+?){_DO_SPEAK}",
        rf"(?P<words>.+?){_SPEAK}{_THINGS}は(?:どれ|何)ですか",
        rf"{_EVERY}の.+を(?:列挙|リストアップ|一覧に)して{_PLEASE}",
        rf".+を{_EVERY}(?:列挙して|リストアップして|挙げて){_PLEASE}",
    ),
    compare=(
        rf".+を比(?:較し|べ)て{_PLEASE}",
        rf"{_SOME}+{_THINGS}の(?:違い|相違点)は何ですか",
    ),
    count=(
        rf"(?P<words>.+?){_SPEAK}{_THINGS}は{_HOW_MANY}{_ARE}",
        rf"いくつの{_THINGS}が(?P<words>.+?){_DO_SPEAK}",
    ),
    documents=rf"{_ALL}は{_HOW_MANY}{_ARE}",
    whole=rf"{_ALL}|{_EVERY}|全体|これ",
)
JAPANESE = Language(r"(?!)", _CORPUS, None, number_forms=same, is_spaced=False)
