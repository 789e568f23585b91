"""A question of an eval set and what is expected of its answer. The one form that every file is read into."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from app.db import storable

CaseStatus = Literal["ready", "review"]
Origin = Literal["written", "file", "generated", "feedback"]
MAX_HISTORY = 50

Key = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if isinstance(value, int) else value),
    Field(min_length=1, max_length=200),
    AfterValidator(storable),
]


def _asked(text: str) -> str:
    stripped = storable(text).strip()
    if not stripped:
        raise ValueError("must not be blank")
    return stripped


Asked = Annotated[str, Field(max_length=20_000), AfterValidator(_asked)]
Words = Annotated[str, Field(max_length=20_000), AfterValidator(storable)]


class Gold(BaseModel):
    """Where an answer stands: a passage or document of the set by `id`, or a place in a user's document."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Key | None = None  # of one of the question's passages, or of the set's corpus
    document_id: int | None = Field(default=None, ge=1)
    file: Words | None = None  # name of a document
    page: int | None = Field(default=None, ge=1)
    quote: Words | None = None  # words of the passage that answers
    grade: int = Field(default=1, ge=0, le=100)  # of relevance; 0 is not relevant

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, value: Any) -> Any:
        """A plain id stands for itself."""
        return {"id": value} if isinstance(value, str | int) else value

    @model_validator(mode="after")
    def _names_something(self) -> Gold:
        if self.id is None and self.document_id is None and self.file is None:
            raise ValueError("a gold passage needs an id, a document_id or a file")
        return self


class OwnPassage(BaseModel):
    """A passage that a question brings along: it is answered from these instead of a search."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Key
    title: Words = ""
    text: Asked


class Case(BaseModel):
    """A question, what is expected, and where the answer stands."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)

    key: Key
    question: Asked
    history: tuple[Asked, ...] = Field(default=(), max_length=MAX_HISTORY)
    answers: tuple[Words, ...] = Field(default=(), max_length=100)
    answerable: bool | None = None
    gold: tuple[Gold, ...] = Field(default=(), max_length=1000)
    passages: tuple[OwnPassage, ...] | None = Field(default=None, max_length=1000)
    tags: tuple[Annotated[Words, Field(min_length=1, max_length=100)], ...] = Field(default=(), max_length=50)
    status: CaseStatus = "ready"
    notes: tuple[Words, ...] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Case:
        if self.answerable is False and self.answers:
            raise ValueError("a question that is not answerable has no answers")
        own = None if self.passages is None else {passage.id for passage in self.passages}
        for gold in self.gold:
            if own is not None and gold.id not in own:
                raise ValueError(f"the gold {gold.id or gold.file!r} is none of the question's passages")
        return self

    @property
    def relevant(self) -> tuple[Gold, ...]:
        """Gold that counts as an answer's place."""
        return tuple(gold for gold in self.gold if gold.grade > 0)


class CorpusDocument(BaseModel):
    """A document that a set brings along."""

    model_config = ConfigDict(frozen=True)

    key: Key
    title: Words = ""
    text: Annotated[str, AfterValidator(storable)]

    @property
    def passage(self) -> str:
        """What is indexed and read."""
        return "\n".join(part for part in (self.title, self.text) if part)
