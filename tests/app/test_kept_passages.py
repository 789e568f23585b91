"""What the decoder keeps of passages on disk does not outlive a deletion, whenever a process ends."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from app.accounts.service import local_account
from app.data_folders import passage_folder
from app.doctor import check, fix
from app.documents import index_follower, kept_passages, removal
from app.documents.index_follower import IndexFollower
from app.documents.local import ingest_paths
from app.documents.sweeping import Swept, pending
from app.errors import Overloaded
from app.services import Services


@pytest.fixture
def document_id(services: Services, tmp_path: Path) -> int:
    file = tmp_path / "leave.md"
    file.write_text("# Leave\n\nEveryone has 28 days of leave.\n")
    (row,) = ingest_paths(services, [file], "Default", lambda _: None)
    document_id: int = row["document_id"]
    return document_id


def keep_a_passage(services: Services, name: str = "a.passage") -> Path:
    folder = passage_folder(services.settings)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("28 days of leave")
    return folder


def delete(services: Services, document_id: int) -> None:
    with services.sessions.begin() as session:
        removal.delete_document(session, local_account(session), document_id)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def follower_of(services: Services, clock: Clock) -> IndexFollower:
    """A follower whose process just started, under a clock that the test moves."""
    follower = IndexFollower(services)
    follower._forgetting._now_s = clock
    return follower


def test_passages_stay_as_long_as_nothing_is_deleted(services: Services, document_id: int) -> None:
    folder = keep_a_passage(services)
    for _ in range(2):
        IndexFollower(services)._round()
    assert len(kept_passages.kept_files(folder)) == 1
    assert check(services).ok


def test_a_deletion_takes_them_and_those_that_a_question_wrote_meanwhile(
    services: Services, document_id: int
) -> None:
    clock, folder = Clock(), keep_a_passage(services)
    follower = follower_of(services, clock)
    follower._round()
    delete(services, document_id)
    follower._round()
    assert kept_passages.kept_files(folder) == []
    keep_a_passage(services, "late.passage")
    keep_a_passage(services, "x.unfinished")
    follower._round()
    assert len(kept_passages.kept_files(folder)) == 2  # what is asked now is kept too
    clock.now_s = kept_passages.LONGEST_QUESTION_S
    follower._round()
    assert kept_passages.kept_files(folder) == []
    keep_a_passage(services)
    IndexFollower(services)._round()  # the next start knows that this one is of a later time
    assert len(kept_passages.kept_files(folder)) == 1


def delete_and_ask(services: Services, document_id: int) -> None:
    """A question brings the index up to date by itself, before the follower's next round."""
    delete(services, document_id)
    with services.sessions() as session:
        index_follower.catch_up(session, services.index, encoder_id=services.models.ingest.encoder_id)


def test_a_deletion_that_a_question_has_taken_in_first_is_followed(
    services: Services, document_id: int
) -> None:
    folder = keep_a_passage(services)
    follower = IndexFollower(services)
    follower._round()
    delete_and_ask(services, document_id)
    follower._round()
    assert kept_passages.kept_files(folder) == []
    with services.sessions() as session:
        assert pending(session, services.settings.keep_versions) == Swept()


def test_after_a_crash_the_next_start_takes_them(services: Services, document_id: int) -> None:
    """The index has applied the deletion and saved itself; nobody has removed the files."""
    folder = keep_a_passage(services)
    follower = IndexFollower(services)
    follower._round()
    delete_and_ask(services, document_id)
    assert [problem.code for problem in check(services).problems if "passages" in problem.code] == [
        "passages_left"
    ]
    IndexFollower(services)._round()
    assert kept_passages.kept_files(folder) == []


def test_the_doctor_removes_what_is_left(services: Services, document_id: int) -> None:
    folder = keep_a_passage(services)
    delete(services, document_id)
    assert fix(services).ok
    assert kept_passages.kept_files(folder) == []
    keep_a_passage(services)
    assert check(services).ok


def test_models_that_are_busy_forget_in_a_later_round(services: Services, document_id: int) -> None:
    refusals = [Overloaded("busy"), None]
    asked = []

    def forget() -> None:
        asked.append(True)
        if error := refusals.pop(0):
            raise error

    services = dataclasses.replace(
        services, models=dataclasses.replace(services.models, forget_passages=forget)
    )
    follower = IndexFollower(services)
    follower._round()
    delete(services, document_id)
    for _ in range(3):
        follower._round()
    assert (len(asked), follower.state) == (2, "ready")
