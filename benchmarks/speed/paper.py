"""This project's path against a plain loop, and against what the machine's arithmetic allows."""

import copy
from functools import partial

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.speed.machine import Measured, alternating_seconds, best_seconds, gemm_gflops
from benchmarks.speed.networks import BATCH, images, paper_network
from benchmarks.speed.plain_loop import plain_scores
from d24fad_core.images.paper_scorer import PaperScorer
from d24fad_core.networks.d24fad import D24FAD
from d24fad_core.networks.inference import for_inference

SHOTS = (2, 4, 8)


def measure() -> Measured:
    """Slices per second for each K, largest difference of scores, share of the limit."""
    model = paper_network()
    queries = images(BATCH, seed=2)
    rows = []
    scorers = {}
    for shots in SHOTS:
        support = images(shots, seed=3)
        scorer = scorers[shots] = PaperScorer(model, support)
        seconds = alternating_seconds(
            {
                "plain": partial(plain_scores, model, queries, support),
                "ours": partial(scorer.scores, queries),
            },
            repeats=2,
        )
        difference = (plain_scores(model, queries, support) - scorer.scores(queries)).abs().max()
        rows.append(
            {
                "shots": shots,
                "plain_slices_per_second": BATCH / seconds["plain"],
                "slices_per_second": BATCH / seconds["ours"],
                "ratio": seconds["plain"] / seconds["ours"],
                "largest_score_difference": float(difference),
            }
        )
    cached = alternating_seconds(
        {str(shots): partial(scorers[shots].scores, queries) for shots in (2, 8)}, repeats=5
    )
    return {
        "rows": rows,
        "eight_over_two_shots": cached["8"] / cached["2"],
        "limit": _limit(model, queries),
    }


def _limit(model: D24FAD, queries: torch.Tensor) -> Measured:
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.encode(queries[:1])
    gflop = counter.get_total_flops() / 1e9
    ready = for_inference(copy.deepcopy(model))
    lying = queries.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        seconds = best_seconds(lambda: ready.encode(lying), repeats=4) / BATCH
    rate = gemm_gflops()
    return {
        "gflop_per_image": gflop,
        "gemm_gflops": rate,
        "network_gflops": gflop / seconds,
        "share_of_limit": gflop / seconds / rate,
    }


def table(measured: Measured) -> str:
    """As Markdown."""
    lines = [
        "| K | plain loop, slices/s | this project, slices/s | ratio | largest score difference |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['shots']} | {row['plain_slices_per_second']:.2f} | "
        f"{row['slices_per_second']:.2f} | {row['ratio']:.1f} | "
        f"{row['largest_score_difference']:.1e} |"
        for row in measured["rows"]
    ]
    limit = measured["limit"]
    return "\n".join(
        [
            *lines,
            "",
            f"Seconds at K = 8 over K = 2, cached: {measured['eight_over_two_shots']:.2f}. The "
            f"network takes {limit['gflop_per_image']:.1f} GFLOP an image and runs at "
            f"{limit['network_gflops']:.0f} GFLOP/s, {limit['share_of_limit']:.0%} of the "
            f"{limit['gemm_gflops']:.0f} GFLOP/s of a large matrix product.",
        ]
    )
