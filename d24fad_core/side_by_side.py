"""Two computations at once, where libraries let other threads run meanwhile, as SimpleITK does."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

_Here = TypeVar("_Here")
_Beside = TypeVar("_Beside")


def side_by_side(here: Callable[[], _Here], beside: Callable[[], _Beside]) -> tuple[_Here, _Beside]:
    """Run two functions at once; one after the other where PyTorch has one thread.

    Args:
        here: runs in this thread.
        beside: runs in a second one. It must not compute with PyTorch, which would keep a team of
            threads for it as well, more than there are processors.

    Returns:
        What each returned. Where one fails, its error is raised after the other has ended.
    """
    if torch.get_num_threads() == 1:
        return here(), beside()
    with ThreadPoolExecutor(max_workers=1) as second_thread:
        future = second_thread.submit(beside)
        result = here()
        return result, future.result()
