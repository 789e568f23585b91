"""Text that addresses a language model: found, shown to people, never obeyed.

The patterns are about who is addressed and how, not about topics: a manual may say "ignore" and "answer".
Each language has the few forms in which documents speak to a model; no list of them is ever complete.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

MAX_EXCERPTS: Final = 10
_CONTEXT_CHARS: Final = 80
_WINDOW_CHARS: Final = 100_000  # searched in 0.2 s
_LONGEST_PHRASE: Final = 1000  # looked at behind a window for the end of a phrase that begins in it
_ENGLISH = r"""
    \b(?:ignore|disregard|forget|override|bypass)\b[^.\n]{0,40}
      \b(?:instructions?|prompts?|rules|guidelines|question|context|everything)\b
  | \byou\s+are\s+(?:now\s+)?(?:an?\s+)?(?:ai|llm|chatbot|assistant|language\s+model|large\s+language)\b
  | \b(?:system|hidden|developer)\s+prompt\b | ^[^\S\n]*system\s*:\s*you\b
  | \b(?:dear|attention|(?:instructions?|notes?|messages?|reminder)\s+(?:to|for))\W+(?:the\s+|any\s+|all\s+)?
      (?:ai|llms?|assistants|chatbots?|assistant(?=[,:!]))\b
  | \bas\s+an\s+ai\b | \bif\s+you\s+are\s+(?:an?\s+)?(?:ai|llm|language\s+model|chatbot|assistant)\b
  | \b(?:answer|respond|reply|output)\s+(?:only|exactly|always)\b[^.\n]{0,20}\b(?:with|the|as|in)\b
  | \b(?:ai|all)\s+assistants?\s+(?:must|should|shall)\b
  | \bdo\s+not\s+(?:reveal|mention|disclose)\b[^.\n]{0,30}\b(?:instruction|prompt|user)s?\b
"""
_GERMAN = r"""
    \b(?:ignorier\w*|missachte\w*|vergiss|vergessen\s+sie)\b[^.\n]{0,40}\b(?:anweisung|instruktion|regel|prompt)\w*
  | \bdu\s+bist\s+(?:jetzt\s+)?(?:ein\w*\s+)?(?:ki|assistent|sprachmodell|chatbot)\b
  | \b(?:hinweis|anweisung|nachricht)\s+(?:an|für)\s+(?:alle\s+|die\s+)?(?:ki|assistent|sprachmodell)\w*
  | \bwenn\s+du\s+(?:eine?\s+)?(?:ki|sprachmodell|assistent)\b
  | \bantworte\w*\s+(?:nur|immer|ausschließlich)\s+mit\b
"""
_FRENCH = r"""
    \b(?:ignore[rz]?|oublie[rz]?)\b[^.\n]{0,40}\b(?:instructions?|consignes?|règles)\b
  | \b(?:tu\s+es|vous\s+êtes)\s+(?:maintenant\s+)?une?\s+(?:ia|assistant|modèle\s+de\s+langage)\b
  | \b(?:note|message|consigne)s?\s+(?:aux?|pour\s+les)\s+(?:assistants?|ia|modèles)\b
  | \bsi\s+(?:tu\s+es|vous\s+êtes)\s+une?\s+(?:ia|assistant)\b
  | \b(?:réponds|répondez)\s+(?:uniquement|seulement|toujours)\s+(?:par|avec)\b
"""
_SPANISH_PORTUGUESE = r"""
    \b(?:ignor[ae]n?|olvid[ae]n?|esqueç[ao]m?)\b[^.\n]{0,40}\b(?:instrucciones|instruções|reglas|regras)\b
  | \b(?:eres|você\s+é|tu\s+és)\s+(?:ahora\s+|agora\s+)?(?:una?|uma?|um)\s+(?:ia|asistente|assistente)\b
  | \b(?:ahora\s+eres|agora\s+você\s+é)\s+(?:una?|uma?|um)\b
  | \bnotas?\s+para\s+(?:los\s+|os\s+)?(?:asistentes|assistentes)\s+(?:de\s+)?ia\b
  | \b(?:si\s+eres|se\s+você\s+é)\s+(?:una?|uma?|um)\s+(?:ia|asistente|assistente)\b
  | \b(?:responde|responda)\s+(?:solo|sólo|siempre|apenas|sempre)\s+com?n?\b
"""
_ITALIAN = r"""
    \bignora\w*\b[^.\n]{0,40}\b(?:istruzioni|regole)\b
  | \b(?:ora\s+)?(?:sei|siete)\s+(?:ora\s+)?un['’\s]?\s?(?:ia|assistente)\b
  | \bnot[ae]\s+per\s+gli\s+assistenti\b | \brispondi\s+(?:solo|sempre)\s+con\b
"""
_RUSSIAN = r"""
    \b(?:игнорируй\w*|забудь\w*)\b[^.\n]{0,40}\b(?:инструкц|указани|правил)\w*
  | \b(?:теперь\s+)?(?:ты|вы)\s+(?:теперь\s+)?(?:ассистент|ии\b|языковая\s+модель)
  | \bдля\s+(?:ии|ai)\W?\s*(?:ассистент|модел)\w* | \bесли\s+(?:ты|вы)\s+ии\b
  | \bотвеча(?:й|йте)\s+только\b
"""
_CHINESE_JAPANESE = r"""
    (?:忽略|无视|無視)[^。\n]{0,20}(?:指令|指示|提示|规则)
  | (?:AI|人工智能|智能)助手请注意 | 如果你是(?:人工智能|AI)
  | 你现在是一[个個名] | (?:以前|前)の(?:指示|命令)を(?:無視|忘れ)
"""
# A forged turn of a chat, a forged answer of ours, and letters that nobody sees but a tokenizer reads.
_FORGED = r"""
    <\|(?:im_start|im_end|system|endoftext)\|> | \[/?INST\] | <<SYS>> | <(?:start|end)_of_turn>
  | ^\#{2,}\s*(?:system|instruction|assistant)s?\s*:
  | \banswer\s*:[^\n]{0,200}\[\d+\] | [\U000e0020-\U000e007e]{4,}
"""
_PARTS = (
    *(_ENGLISH, _GERMAN, _FRENCH, _SPANISH_PORTUGUESE, _ITALIAN, _RUSSIAN),
    *(_CHINESE_JAPANESE, _FORGED),
)
_ADDRESSES_MODEL = re.compile("|".join(_PARTS), re.I | re.X | re.M)
_UNSEEN = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_SENTENCE = re.compile(r"[^.!?。！？\n]*(?:[.!?](?!\s|$)[^.!?。！？\n]*)*[.!?。！？\n]*\s*")


def instruction_like(text: str) -> tuple[str, ...]:
    """Up to MAX_EXCERPTS excerpts of `text` around phrases that address a model, in order."""
    excerpts: list[str] = []
    end = 0
    for found in _addressing(text):
        if found.start() < end:  # already inside the last excerpt
            continue
        end = found.end() + _CONTEXT_CHARS
        around = text[max(found.start() - _CONTEXT_CHARS, 0) : end]
        excerpts.append(" ".join(around.split()))
        if len(excerpts) == MAX_EXCERPTS:
            break
    return tuple(excerpts)


def _addressing(text: str) -> Iterator[re.Match[str]]:
    """Every phrase that addresses a model, looked for a window at a time.

    One search of a long text would hold up every other thread for a minute, a worker's heartbeat among them.
    """
    for start in range(0, len(text), _WINDOW_CHARS):
        end = start + _WINDOW_CHARS
        for found in _ADDRESSES_MODEL.finditer(text, start, end + _LONGEST_PHRASE):
            if found.start() < end:
                yield found


def without_instructions(text: str) -> tuple[str, tuple[str, ...]]:
    """The text without the sentences that address a model, and those sentences.

    Letters of no width do not hide one: the sentence is looked at without them.
    """
    if not _ADDRESSES_MODEL.search(_UNSEEN.sub("", text)):
        return text, ()
    kept: list[str] = []
    withheld: list[str] = []
    for sentence in (match[0] for match in _SENTENCE.finditer(text) if match[0]):
        addressed = _ADDRESSES_MODEL.search(_UNSEEN.sub("", sentence))
        (withheld if addressed else kept).append(sentence)
    if not withheld:  # the phrase runs over several sentences: none of the text is trusted
        return "", (text,)
    return "".join(kept), tuple(each.strip() for each in withheld)
