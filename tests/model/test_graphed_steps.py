"""Replayed decode steps against the plain ones: a stand-in records the step and computes it at every replay.

Attention over the paged storage is the plain formula over gathered blocks; the kernel itself is checked in
`test_triton`, and real graphs on a device in `test_triton_gpu`.
"""

from __future__ import annotations

import pytest
import torch

from model.attention import AttentionMask, attend, paged
from model.decoder_runner import DecoderRunner
from model.graphed_steps import FEWEST_BLOCKS, ROWS, GraphedSteps
from model.kv_cache import BLOCK_TOKENS, CacheFull
from model.scores import best_of
from tests.model.test_triton import tiny_decoder

BLOCKS = 60
PROMPTS = (2 * BLOCK_TOKENS - 3, 5, BLOCK_TOKENS, 1, 200, 40, 63)


class Recorder:
    """What a graph does: it computes again, from and to the same memory."""

    def __init__(self):
        self.captures = self.replays = 0

    def __call__(self, run):
        self.captures += 1
        run()  # as the warm-up before a capture does: with this step's inputs, which the replay repeats

        def replay():
            self.replays += 1
            run()

        return replay


@pytest.fixture(autouse=True)
def gathered(monkeypatch):
    """Attention of every row over its own blocks, by plain torch; padding gets zeros."""

    def attend_rows(q, keys, values, mask, *, scale):
        assert mask.tables.dtype == mask.lengths.dtype == torch.int32
        assert mask.lengths.is_contiguous()
        k, v = (each[mask.tables.long()].flatten(1, 2).transpose(1, 2) for each in (keys, values))
        lengths = mask.lengths.long()
        rules = AttentionMask(True, mask.window, lengths - 1, lengths)
        return attend(q, k, v, rules, scale=scale, implementation="reference")

    monkeypatch.setattr(paged, "attend", attend_rows)


def started(blocks=BLOCKS, *, graphed, prompts=PROMPTS):
    """A runner and sequences that hold prompts of different lengths, in blocks out of order."""
    runner = DecoderRunner(tiny_decoder(), blocks * BLOCK_TOKENS)
    recorder = Recorder()
    if graphed:
        runner.use_graphs(recorder)
    sequences = [runner.prefill([(7 * at + n) % 60 for at in range(n)], lambda: False)[0] for n in prompts]
    return runner, sequences, recorder


def storage_of(runner, sequences):
    return [torch.stack(runner.cache.read(sequence, 0)) for sequence in sequences]


@pytest.mark.parametrize("batch", range(1, len(PROMPTS) + 1))
def test_logits_equal_those_of_a_plain_step_while_tables_grow(batch):
    (plain, theirs, _), (graphed, ours, recorder) = started(graphed=False), started(graphed=True)
    for step in range(BLOCK_TOKENS // 8):
        tokens = [(3 * step + row) % 60 for row in range(batch)]
        torch.testing.assert_close(
            graphed.advance(ours[:batch], tokens), plain.advance(theirs[:batch], tokens), rtol=0, atol=1e-5
        )
    assert (recorder.captures, recorder.replays) == (1, BLOCK_TOKENS // 8)
    for mine, other in zip(storage_of(graphed, ours), storage_of(plain, theirs), strict=True):
        torch.testing.assert_close(mine, other, rtol=0, atol=1e-5)  # those that did not decode as well
    graphed.cache.check_integrity()


def test_drafts_of_different_lengths_are_rows_like_any_other():
    (plain, theirs, _), (graphed, ours, _) = started(graphed=False), started(graphed=True)
    tokens = [[1, 2, 3, 4, 5], [6], [7, 8], [9]]
    expected, actual = plain.extend(theirs[:4], tokens), graphed.extend(ours[:4], tokens)
    torch.testing.assert_close(actual.logits, expected.logits, rtol=0, atol=1e-5)
    for runner, sequences in ((plain, theirs), (graphed, ours)):
        runner.cache.truncate(sequences[0], sequences[0].length_tokens - 3)  # wrong drafts, written over next
    torch.testing.assert_close(
        graphed.advance(ours[:2], [10, 11]), plain.advance(theirs[:2], [10, 11]), rtol=0, atol=1e-5
    )


def test_only_as_many_shapes_are_captured_as_there_are_sizes():
    runner, sequences, recorder = started(graphed=True)
    for rows in (1, 2, 3, 4, 5, 7, 6, 3):
        runner.advance(sequences[:rows], [1] * rows)
    assert runner.graphs.shapes == [(1, 16), (2, 16), (4, 16), (8, 16)]
    assert (recorder.captures, recorder.replays) == (4, 8)


def test_prepared_steps_are_captured_before_anyone_waits_and_touch_no_sequence():
    runner, sequences, recorder = started(graphed=True)
    before = storage_of(runner, sequences)
    runner.graphs.prepare()
    assert recorder.captures == len(ROWS)
    for mine, other in zip(storage_of(runner, sequences), before, strict=True):
        assert torch.equal(mine, other)
    runner.advance(sequences[:3], [1, 2, 3])
    assert recorder.captures == len(ROWS)


def test_a_table_that_outgrows_its_width_gets_a_wider_graph():
    length = FEWEST_BLOCKS * BLOCK_TOKENS - 1
    (plain, theirs, _), (graphed, ours, _) = (
        started(graphed=graphed, prompts=(length, 3)) for graphed in (False, True)
    )
    for _ in range(3):
        torch.testing.assert_close(
            graphed.advance(ours, [1, 2]), plain.advance(theirs, [1, 2]), rtol=0, atol=1e-5
        )
    assert graphed.graphs.shapes == [(2, 16), (2, 64)]


def test_padding_writes_to_no_block_that_is_in_use():
    runner, sequences, _ = started(graphed=True)
    runner.advance(sequences[:3], [1, 2, 3])
    (padding,) = runner.cache._sequences - set(sequences)
    changed = padding.blocks[0]
    before = runner.cache.keys.codes.clone()
    runner.advance(sequences[:3], [4, 5, 6])
    written = {sequence.blocks[-1] for sequence in sequences[:3]}
    same = (runner.cache.keys.codes == before).flatten(2).all(dim=2).all(dim=0)
    assert {block for block, kept in enumerate(same[: max(written) + 1].tolist()) if not kept} <= written | {
        changed
    }
    assert changed not in {block for sequence in sequences for block in sequence.blocks}


def test_forks_copy_a_shared_block_before_a_replay_writes_to_it():
    (plain, theirs, _), (graphed, ours, _) = started(graphed=False), started(graphed=True)
    both = []
    for runner, sequences in ((plain, theirs), (graphed, ours)):
        fork = runner.cache.fork(sequences[1])
        both.append([runner.advance([sequences[1], fork], tokens) for tokens in ([1, 2], [3, 3])])
    for expected, actual in zip(*both, strict=True):
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-5)
    assert not torch.equal(both[0][1][0], both[0][1][1])


def test_many_tokens_at_once_are_a_plain_step():
    runner, sequences, recorder = started(graphed=True)
    logits = runner.extend(sequences[:1], [[1] * (ROWS[-1] + 1)]).logits
    assert (len(logits), recorder.captures) == (ROWS[-1] + 1, 0)


def test_logits_that_were_returned_outlive_the_next_step():
    runner, sequences, _ = started(graphed=True)
    first = runner.advance(sequences[:2], [1, 2])
    kept = first.clone()
    runner.advance(sequences[:2], [3, 4])
    assert torch.equal(first, kept)


def test_a_full_cache_changes_nothing():
    runner, sequences, recorder = started(3, graphed=True, prompts=(BLOCK_TOKENS, BLOCK_TOKENS))
    with pytest.raises(CacheFull):
        runner.advance(sequences, [1, 2])
    assert [sequence.length_tokens for sequence in sequences] == [BLOCK_TOKENS] * 2
    assert recorder.captures == 0


@pytest.mark.parametrize("graphed", [False, True])
def test_the_best_of_every_row_comes_with_the_step(graphed):
    runner, sequences, _ = started(graphed=graphed)
    scores = runner.extend(sequences[:3], [[1], [2, 3], [4]], only_best=True)
    parts = list(scores.split([1, 2, 1]))
    rows = [part.best(row) for part in parts for row in range(len(part))]
    assert [token for token, _ in rows] == scores.logits.argmax(dim=-1).tolist()
    expected = scores.logits.log_softmax(dim=-1).max(dim=-1).values.tolist()
    assert [logprob for _, logprob in rows] == pytest.approx(expected, abs=1e-5)


def test_the_best_of_a_large_vocabulary_is_not_rounded():
    logits = torch.zeros(2, 300_001)
    logits[0, 300_000] = logits[1, 299_999] = 5.0
    assert best_of(logits)[:, 0].tolist() == [300_000, 299_999]


def test_the_step_that_is_captured_leaves_what_a_plain_one_does():
    """It is computed twice, from the same inputs to the same memory."""
    (plain, theirs, _), (graphed, ours, _) = started(graphed=False), started(graphed=True)
    plain.advance(theirs[:1], [5])
    graphed.advance(ours[:1], [5])
    torch.testing.assert_close(
        *(storage_of(runner, sequences[:1])[0] for runner, sequences in ((plain, theirs), (graphed, ours))),
        rtol=0,
        atol=1e-5,
    )


def test_steps_hold_one_block():
    runner = DecoderRunner(tiny_decoder(), 4 * BLOCK_TOKENS)
    GraphedSteps(runner.decoder, runner.cache, Recorder())
    assert runner.cache.free_blocks == 3
    runner.cache.check_integrity()
