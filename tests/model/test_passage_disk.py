"""Passages on disk: found again by another process's store, never wrong, never beyond the budget."""

from __future__ import annotations

import errno
import logging
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from model.decoder import Decoder
from model.decoder_runner import DecoderRunner
from model.decoder_tokenizer import PromptTokens, Segments
from model.generator import DecodingOptions, Generator, never
from model.kv_cache import BLOCK_TOKENS
from model.passage_disk import PassageFolder
from model.passage_store import PassageStore
from tests.model.passage_files import ROOMY, disk, passage, write_and_read
from tests.model.tiny_decoders import byte_tokenizer, load_tiny


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_another_store_over_the_same_folder_finds_the_passage_bit_for_bit(tmp_path: Path) -> None:
    stored = passage()
    disk(tmp_path).put([1, 2, 3, 4], stored)
    again = disk(tmp_path)
    found = again.get([1, 2, 3, 4])
    assert found is not None
    assert found.keys.dtype == torch.bfloat16
    assert torch.equal(found.keys, stored.keys)
    assert torch.equal(found.values, stored.values)
    assert [1, 2, 3, 4] in again
    assert (again.hits, again.misses, again.bytes) == (1, 0, files(tmp_path)[0].stat().st_size)


@pytest.mark.parametrize("identity", ["decoder@2 bfloat16", "decoder@1 float32"])
def test_what_other_weights_or_types_computed_is_not_found(tmp_path: Path, identity: str) -> None:
    disk(tmp_path).put([1, 2, 3, 4], passage())
    other = disk(tmp_path, identity=identity)
    assert other.get([1, 2, 3, 4]) is None
    assert disk(tmp_path).get([1, 2, 3]) is None
    assert (other.misses, other.damaged) == (1, 0)


def flip_a_bit(path: Path) -> None:
    contents = bytearray(path.read_bytes())
    contents[-3] ^= 1
    path.write_bytes(contents)


def cut_off(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def other_tensors(path: Path) -> None:
    path.write_bytes(save({"weights": torch.zeros(3)}))


def anothers_passage(path: Path) -> None:
    """Whole, but of other tokens: as after a file was copied over another."""
    disk(path.parent).put([9, 9, 9, 9], passage(value=5))
    (other,) = (each for each in files(path.parent) if each != path)
    other.replace(path)


@pytest.mark.parametrize("harm", [flip_a_bit, cut_off, empty, other_tensors, anothers_passage])
def test_a_file_that_is_not_what_was_written_is_removed_and_counted(
    tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    disk(tmp_path).put([1, 2, 3, 4], passage())
    harm(files(tmp_path)[0])
    store = disk(tmp_path)
    assert store.get([1, 2, 3, 4]) is None
    assert (store.damaged, store.misses, files(tmp_path)) == (1, 1, [])


def test_the_least_recently_used_files_make_room(tmp_path: Path) -> None:
    one_bytes = disk_bytes(tmp_path / "scale")
    store = disk(tmp_path / "folder", 4 * one_bytes)
    for number in range(4):
        store.put([number], passage(1))
        os.utime(newest(tmp_path / "folder"), (number, number))
    assert store.get([0]) is not None  # the oldest, but used now
    store.put([4], passage(1))
    assert [number for number in range(5) if [number] in store] == [0, 3, 4]
    assert (store.evictions, store.bytes) == (2, 3 * one_bytes)


def disk_bytes(folder: Path) -> int:
    disk(folder).put([0], passage(1))
    return files(folder)[0].stat().st_size


def newest(folder: Path) -> Path:
    return max(files(folder), key=lambda path: path.stat().st_mtime)


def test_a_passage_larger_than_the_budget_is_not_kept(tmp_path: Path) -> None:
    store = disk(tmp_path, 100)
    store.put([1, 2, 3, 4], passage())
    assert (files(tmp_path), store.unwritten) == ([], 0)


def test_a_full_disk_is_counted_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = PassageStore(ROOMY, disk(tmp_path))
    assert store.disk is not None
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(Path, "replace", full)
        store.put([1], passage(1))
        store.put([2], passage(1))
    assert store.get([1]) is not None  # memory has it
    assert (store.disk.unwritten, files(tmp_path)) == (2, [])
    assert caplog.text.count("No space left") == 1
    store.put([3], passage(1))
    assert len(files(tmp_path)) == 1


def test_a_folder_that_cannot_be_read_any_more_is_counted_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "folder"
    store = disk(folder, disk_bytes(tmp_path / "scale") * 3 // 2)
    store.put([0], passage(1))
    shutil.rmtree(folder)
    folder.write_text("no folder")
    store.put([1], passage(1))  # over the budget, so the folder is looked at first
    store.count()
    assert [0] not in store
    assert store.unwritten == 1
    assert caplog.text.count("cannot be kept") == 1


def test_a_file_that_cannot_be_read_at_the_moment_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def too_many(*_: object) -> bytes:
        raise OSError(errno.EMFILE, "Too many open files")

    store = disk(tmp_path)
    store.put([1, 2, 3, 4], passage())
    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", too_many)
        assert [store.get([1, 2, 3, 4]) for _ in range(2)] == [None, None]
    assert caplog.text.count("Too many open files") == 1
    assert store.get([1, 2, 3, 4]) is not None
    assert (store.misses, store.hits, store.damaged) == (2, 1, 0)


def test_what_a_killed_process_left_unfinished_is_removed_later(tmp_path: Path) -> None:
    for age_s in (0, 3600):
        handle, name = tempfile.mkstemp(dir=tmp_path, suffix=".unfinished")
        os.close(handle)
        os.utime(name, (time.time() - age_s,) * 2)
    disk(tmp_path)
    assert len(files(tmp_path)) == 1


def test_processes_share_a_folder_that_is_too_small_for_them(tmp_path: Path) -> None:
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        counts = list(pool.map(write_and_read, [tmp_path] * 2, [3, 5]))
    assert [wrong for wrong, _ in counts] == [0, 0]
    assert all(found > 0 for _, found in counts)
    assert not list(tmp_path.glob("*.unfinished"))


@pytest.fixture(scope="module")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    return load_tiny("gemma3", tmp_path_factory.mktemp("tiny"))


def test_after_a_restart_nothing_is_computed_again_and_the_logits_are_the_same(
    tmp_path: Path, decoder: Decoder
) -> None:
    prompt = PromptTokens([[3, 4, 5], [6, 7, 8, 9], [10, 11, 12]], "block")

    def logits() -> tuple[DecoderRunner, torch.Tensor]:
        runner = DecoderRunner(decoder, 1024)
        runner.passages.disk = disk(tmp_path)
        return runner, runner.read(prompt, never)[1]

    before, first = logits()
    after, again = logits()
    assert torch.equal(first, again)
    assert (before.passages.misses, after.passages.misses) == (2, 0)
    assert after.passages.disk is not None
    assert after.passages.disk.hits == 2
    assert len(after.passages) == 2  # the next prompt finds them in memory


def test_a_prompt_whose_passages_are_not_to_be_kept_leaves_none(tmp_path: Path, decoder: Decoder) -> None:
    runner = DecoderRunner(decoder, 1024)
    runner.passages.disk = disk(tmp_path)
    parts = [[3, 4, 5], [6, 7, 8, 9], [10, 11, 12]]
    _, unkept = runner.read(PromptTokens(parts, "block", keep=False), never)
    assert (len(runner.passages), files(tmp_path)) == (0, [])
    _, kept = runner.read(PromptTokens(parts, "block"), never)
    assert torch.equal(unkept, kept)
    assert (len(runner.passages), len(files(tmp_path))) == (2, 2)


def test_a_prompt_read_as_one_that_is_not_to_be_kept_leaves_none(decoder: Decoder) -> None:
    runner = DecoderRunner(decoder, 1024)
    parts = [[3] * BLOCK_TOKENS, [4] * BLOCK_TOKENS, [5]]
    sequence, unkept = runner.read(PromptTokens(parts, keep=False), never)
    runner.cache.close(sequence)
    assert not runner.prefixes.held_blocks
    _, kept = runner.read(PromptTokens(parts), never)
    assert len(runner.prefixes) == 2
    _, found = runner.read(PromptTokens(parts, keep=False), never)
    assert runner.prefixes.hit_tokens == 2 * BLOCK_TOKENS  # what others keep is used
    torch.testing.assert_close(unkept, kept)
    torch.testing.assert_close(found, kept)


def test_a_folder_that_cannot_be_looked_at_ends_no_answer(
    tmp_path: Path, decoder: Decoder, caplog: pytest.LogCaptureFixture
) -> None:
    """No file system takes its name, and asking for a file in it raises OSError, for root too."""
    generator = Generator("tiny", decoder, byte_tokenizer(), context_tokens=512)
    prompts = [Segments((f"{word} ", "two ", "why?"), "block") for word in ("one", "another")]
    options = DecodingOptions(max_new_tokens=3)
    in_memory = generator.generate_batch(prompts, options)
    generator.runner.forget()
    generator.keep_passages(PassageFolder(tmp_path / ("x" * 300), ROOMY))
    assert generator.generate_batch(prompts, options) == in_memory
    assert generator.runner.passages.disk is not None
    assert generator.runner.passages.disk.unwritten == 3
    assert generator.runner.passages.disk.damaged == 0
    assert "is not used" not in caplog.text
    assert caplog.text.count("cannot be kept") == 1
    generator.generate_batch(["long " * BLOCK_TOKENS], options)
    assert generator.runner.prefixes.held_blocks
    generator.runner.forget()
    assert not generator.runner.prefixes.held_blocks
