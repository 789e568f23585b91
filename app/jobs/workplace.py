"""`DATA_DIR/work/JOB`: what the tries of one job leave for each other. Gone when the job is over."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path

from app.jobs.types import LeasedJob
from ingest.memory import vectors_file
from ingest.types import Keep


class Workplace:
    """The folder of all jobs; ids of jobs are never used twice, so nothing is mistaken for another's."""

    def __init__(self, folder: Path, encoder_id: str, dimension: int) -> None:
        self._folder = folder
        self._encoder_id = encoder_id
        self._dimension = dimension

    def open(self, job: LeasedJob) -> Keep:
        """The job's folder, made if it is not there."""
        folder = self._folder / str(job.job_id)
        folder.mkdir(parents=True, exist_ok=True)
        return Keep(folder.absolute(), vectors_file(folder.absolute(), self._encoder_id, self._dimension))

    def jobs(self) -> list[int]:
        """Ids of the jobs that have left something."""
        if not self._folder.is_dir():
            return []
        return [int(path.name) for path in self._folder.iterdir() if path.name.isdigit()]

    def clear(self, job_ids: Collection[int]) -> None:
        """Removes what these jobs left; what cannot be removed now is tried again at the next sweep."""
        for job_id in job_ids:
            shutil.rmtree(self._folder / str(job_id), ignore_errors=True)
