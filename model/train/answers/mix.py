"""Packs for the answerer: contexts of hard passages, with every question that they answer or almost answer.

A context starts from one question: its passage, or none of those that hold its answer, among passages that
retrieval confuses with it, at any place. Other questions join it: those that its passages answer, and those
that its passages were retrieved for and do not answer.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from model.decoder_tokenizer import PromptMask
from model.prompt_template import PromptTemplate, under_headings
from model.train.answers.data import AnswerData, Item, holds
from model.train.answers.follow_ups import FollowUp, follow_ups
from model.train.answers.invented import invented_passage
from model.train.answers.japanese import SOURCE
from model.train.answers.noise import dirty, planted, restyled
from model.train.answers.packing import Branch, Pack
from model.train.answers.yes_no import as_yes_or_no

STORIES = "qa_fairytaleqa"
# How often each set starts a context; sentence sets and stories less, for users ask for facts.
SET_WEIGHTS = {
    "qa_qed_nq": 0.54,
    "qa_squad1.1dev_13articles": 0.29,
    STORIES: 0.06,
    "qa_covidqa": 0.04,
    "qa_selqa_sentences": 0.03,
    "qa_pubmedqa_pqal": 0.04,
}
JAPANESE_SHARE = 0.18  # of contexts of documents; they share no passage with the others
TITLED_SETS = frozenset({"qa_qed_nq", "qa_squad1.1dev_13articles", "qa_fairytaleqa", "qa_selqa_sentences"})
YES_NO_SETS = frozenset({"qa_qed_nq", "qa_squad1.1dev_13articles"})
YES_NO_SHARE = 0.07  # of the answered questions of these sets: asked for yes or no, by rule
TITLED_SHARE = 0.7  # of contexts: passages of these sets follow the title of their document
KINDS = {"documents": 0.87, "invented": 0.08, "cited": 0.02, "follow_ups": 0.03}
PASSAGE_COUNTS = {1: 0.08, 2: 0.09, 3: 0.17, 4: 0.13, 5: 0.25, 6: 0.08, 8: 0.10, 10: 0.10}
MAX_QUESTIONS = 10
MAX_PER_PASSAGE = 3
MAX_ABSENT_CHARACTERS = 80  # a longer answer may be there in other words, so it is never called absent
UNANSWERABLE_SHARE = 0.28  # of starting questions, and about that of the joining ones
ASK_SHARE = 0.06  # of passages: learn to ask what they answer
BLOCK_SHARE = 0.4
ANY_NUMBER_SHARE = 0.3  # of contexts: passages carry any numbers up to 99, as cached ones may
DIRTY_SHARE, PLANTED_SHARE = 0.05, 0.04  # of passages
FOLLOW_UPS_A_PACK = 12
MAX_PACK_TOKENS = 1600

Encode = Callable[[str], list[int]]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question on a context: `answer` None means that the passages do not say."""

    question: str
    answer: str | None
    passage: int  # index of the passage that answers
    full: bool = False


class PackMaker:
    """Endless packs of one split; deterministic given its random generator."""

    def __init__(
        self,
        data: AnswerData,
        template: PromptTemplate,
        encode: Encode,
        begin: int | None,
        end: int,
        *,
        max_tokens: int = MAX_PACK_TOKENS,
        japanese_share: float = JAPANESE_SHARE,
        unanswerable_share: float = UNANSWERABLE_SHARE,
        set_weights: Mapping[str, float] = SET_WEIGHTS,
    ) -> None:
        """`encode` gives token ids without the begin token; `begin` and `end` are the control tokens.

        A pack that would be longer than `max_tokens` is left out: of ten passages most are, at the default.
        """
        self._data = data
        self._template = template
        self._encode = encode
        self._end = end
        self._begin = [] if begin is None else [begin]
        self._preamble = self._begin + encode(template.preamble)
        self._rewrite_preamble = self._begin + encode(template.rewrite_preamble)
        self._by_set = {
            name: [item for item in data.items if item.source == name]
            for name in dict.fromkeys(item.source for item in data.items)
        }
        self._max_tokens = max_tokens
        self._japanese_share = japanese_share if SOURCE in self._by_set else 0.0
        self._unanswerable_share = unanswerable_share
        self._set_weights = set_weights
        self._others = [name for name in sorted(self._by_set) if name != SOURCE]
        japanese = [index for index, chunk in enumerate(data.chunks) if chunk.source == SOURCE]
        others = [index for index, chunk in enumerate(data.chunks) if chunk.source != SOURCE]
        self._of_language = {True: japanese, False: others}
        self._answered = data.items_of_chunk()
        self._near = data.near_items_of_chunk()
        self._follow_ups: list[FollowUp] = follow_ups(data.items, data.chunks)

    def packs(self, chance: random.Random) -> Iterator[Pack]:
        """Packs for ever; one that would be too long is left out."""
        makers = {
            "documents": self.documents,
            "invented": self.invented,
            "cited": self.cited,
            "follow_ups": self.rewrites,
        }
        while True:
            kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
            pack = makers[kind](chance)
            if pack is not None and pack.branches and pack.tokens <= self._max_tokens:
                yield pack

    def documents(self, chance: random.Random) -> Pack:
        """A context of chunks around one question."""
        item = self._first(chance)
        answerable = chance.random() >= self._unanswerable_share or not _can_be_absent(item)
        chunks = self._context(item, answerable, _count(chance), chance)
        asked = [self._ask(item, chunks, chance), *self._joining(item, chunks, chance)]
        titled = chance.random() < TITLED_SHARE
        texts = [self._text(chunk, titled=titled) for chunk in chunks]
        return self._pack(texts, asked[:MAX_QUESTIONS], chance, noise=True)

    def _first(self, chance: random.Random) -> Item:
        """The question that a context starts from."""
        if self._japanese_share and chance.random() < self._japanese_share:
            return chance.choice(self._by_set[SOURCE])
        weights = [self._set_weights.get(name, 1.0) for name in self._others]
        return chance.choice(self._by_set[chance.choices(self._others, weights)[0]])

    def _any(self, chance: random.Random, *, japanese: bool = False) -> int:
        """Any chunk of the language."""
        return chance.choice(self._of_language[japanese])

    def _text(self, index: int, *, titled: bool) -> str:
        chunk = self._data.chunks[index]
        headings = (chunk.document,) if titled and chunk.source in TITLED_SETS else ()
        return under_headings(headings, chunk.text)

    def _context(self, item: Item, answerable: bool, count: int, chance: random.Random) -> list[int]:
        """Chunk indices in random order: hard ones first, then hard ones of theirs, then any."""
        chosen = [item.chunk] if answerable else []
        japanese = item.source == SOURCE
        if self._of_language[japanese] == [item.chunk]:
            return chosen  # a small file of one's own may hold nothing else to draw
        pool = chance.sample(item.hard, len(item.hard))
        seen = {item.chunk, *pool}
        while len(chosen) < count:
            if not pool:
                related = [chunk for own in chosen for near in self._answered[own] for chunk in near.hard]
                fresh = [chunk for chunk in dict.fromkeys(related) if chunk not in seen]
                pool = chance.sample(fresh, len(fresh)) or [self._any(chance, japanese=japanese)]
                seen.update(pool)
            chunk = pool.pop()
            if chunk not in chosen and not holds(self._data.chunks[chunk].text, item.answers):
                chosen.append(chunk)
            elif chunk != item.chunk and chance.random() < 0.05:
                break  # a short answer such as "no" stands everywhere: a smaller context then
        return chance.sample(chosen, len(chosen))

    def _joining(self, first: Item, chunks: Sequence[int], chance: random.Random) -> list[Asked]:
        """Other questions that the context answers, and such that it only looks right for."""
        answered = []
        for chunk in chunks:
            own = [item for item in self._answered[chunk] if item is not first]
            answered += chance.sample(own, min(len(own), MAX_PER_PASSAGE))
        texts = [self._data.chunks[chunk].text for chunk in chunks]
        near = [item for chunk in chunks for item in self._near[chunk] if item is not first]
        near = [item for item in near if item.chunk not in chunks and _can_be_absent(item)]
        near = [item for item in near if not any(holds(text, item.answers) for text in texts)]
        odds = self._unanswerable_share / (1 - self._unanswerable_share)
        wanted = round((len(answered) + 1) * odds + chance.random() - 0.5)
        chosen = answered + chance.sample(near, min(len(near), max(wanted, 0)))
        chosen = list({id(item): item for item in chosen}.values())
        return [self._ask(item, chunks, chance) for item in chance.sample(chosen, len(chosen))]

    def _ask(self, item: Item, chunks: Sequence[int], chance: random.Random) -> Asked:
        question = restyled(item.question, chance)
        full = item.style == "full"
        if item.chunk not in chunks:
            return Asked(question, None, 0, full)
        if item.source in YES_NO_SETS and chance.random() < YES_NO_SHARE:
            made = as_yes_or_no(item.question, item.answers, self._data.chunks[item.chunk].text, chance)
            if made is not None:
                return Asked(restyled(made[0], chance), made[1], chunks.index(item.chunk))
        return Asked(question, best_answer(item), chunks.index(item.chunk), full)

    def invented(self, chance: random.Random) -> Pack:
        """Invented passages, some of them near misses of one another, beside a few real chunks."""
        count = min(_count(chance), 5)
        made = [invented_passage(chance) for _ in range(chance.randint(1, count))]
        texts = [passage.text for passage in made]
        texts += [self._data.chunks[self._any(chance)].text for _ in range(count - len(made))]
        order = chance.sample(range(len(texts)), len(texts))
        asked = []
        for place, index in enumerate(order):
            if index < len(made):
                passage = made[index]
                answered = chance.sample(passage.answered, min(3, len(passage.answered)))
                asked += [Asked(restyled(question, chance), answer, place) for question, answer in answered]
                unanswered = chance.sample(passage.unanswered, min(1, len(passage.unanswered)))
                asked += [Asked(restyled(question, chance), None, 0) for question in unanswered]
        chosen = chance.sample(asked, min(len(asked), MAX_QUESTIONS))
        return self._pack([texts[index] for index in order], chosen, chance, noise=False)

    def cited(self, chance: random.Random) -> Pack | None:
        """A long answer that cites several passages, with distractors between them."""
        if not self._data.cited:
            return None
        example = chance.choice(self._data.cited)
        texts = example.passages + [
            self._data.chunks[self._any(chance)].text for _ in range(chance.randint(0, 2))
        ]
        order = chance.sample(range(len(texts)), len(texts))
        numbers = self._numbers(len(texts), chance)
        target = example.answer
        for place, index in enumerate(order):
            target = target.replace(f"[{index + 1}]", f"[#{numbers[place]}]")
        branch = Branch(
            self._encode(self._template.question_segment(example.question, full=True)),
            self._target(target.replace("[#", "[")),
        )
        return self._assemble([texts[index] for index in order], numbers, [branch], chance)

    def rewrites(self, chance: random.Random) -> Pack | None:
        """Follow-ups to be made standalone; there is no passage, only the history in each branch."""
        if not self._follow_ups:
            return None
        chosen = chance.sample(self._follow_ups, min(FOLLOW_UPS_A_PACK, len(self._follow_ups)))
        branches = []
        for example in chosen:
            segments = self._template.rewrite_segments(list(example.earlier), example.last)[1:]
            prompt = [token for segment in segments for token in self._encode(segment)]
            branches.append(Branch(prompt, self._target(example.standalone)))
        return Pack(self._rewrite_preamble, [], branches, "full")

    def _pack(self, texts: list[str], asked: Sequence[Asked], chance: random.Random, *, noise: bool) -> Pack:
        numbers = self._numbers(len(texts), chance)
        branches = [self._branch(each, numbers) for each in asked]
        for each in asked:
            if each.answer is not None and not each.full and chance.random() < ASK_SHARE:
                prompt = self._template.ask_segment(numbers[each.passage])
                branches.append(Branch(self._encode(prompt), self._target(each.question), asks=True))
        if noise:
            kept = [each.answer for each in asked if each.answer]
            texts = [_noisy(text, kept, chance) for text in texts]
        return self._assemble(texts, numbers, branches, chance)

    def _branch(self, asked: Asked, numbers: Sequence[int]) -> Branch:
        prompt = self._encode(self._template.question_segment(asked.question, full=asked.full))
        if asked.answer is None:
            return Branch(prompt, self._target(self._template.no_answer))
        return Branch(prompt, self._target(f"{asked.answer} [{numbers[asked.passage]}]"))

    def _assemble(
        self, texts: Sequence[str], numbers: Sequence[int], branches: list[Branch], chance: random.Random
    ) -> Pack:
        segments = [self._template.passage_segment(n, text) for n, text in zip(numbers, texts, strict=True)]
        mask: PromptMask = "block" if chance.random() < BLOCK_SHARE else "full"
        start = self._begin if mask == "block" else []
        return Pack(self._preamble, [start + self._encode(segment) for segment in segments], branches, mask)

    @staticmethod
    def _numbers(count: int, chance: random.Random) -> list[int]:
        if chance.random() < ANY_NUMBER_SHARE:
            return chance.sample(range(1, 100), count)
        return list(range(1, count + 1))

    def _target(self, text: str) -> list[int]:
        return [*self._encode(f" {text}"), self._end]


def best_answer(item: Item) -> str:
    """The shortest reference, without the full stop that people left on some."""
    answer = min(item.answers, key=len)
    return answer.rstrip(".") if item.style == "short" and answer.count(".") == 1 else answer


def _can_be_absent(item: Item) -> bool:
    return len(best_answer(item)) <= MAX_ABSENT_CHARACTERS


def _count(chance: random.Random) -> int:
    return chance.choices(list(PASSAGE_COUNTS), list(PASSAGE_COUNTS.values()))[0]


def _noisy(text: str, answers: Sequence[str], chance: random.Random) -> str:
    """The passage as it is, or with what bad files and bad people put into it; answers stay whole."""
    drawn = chance.random()
    if drawn < DIRTY_SHARE:
        return dirty(text, answers, chance)
    return planted(text, chance) if drawn < DIRTY_SHARE + PLANTED_SHARE else text
