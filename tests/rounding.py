"""How exact float32 can be: what its tolerances are made from, on whichever processor this is.

A processor's kernels decide in which order a sum is added up, so two of them differ by rounding.
How much that is follows from the arithmetic: by comparison with float64 on the same machine, or by
the number of summands.
"""

import copy
import math

from torch import Tensor

from d24fad_core.networks.d24fad import D24FAD

UNIT_ROUNDOFF = 2.0**-24
"""Of float32: the largest relative error of one operation."""


def in_float64(model: D24FAD) -> D24FAD:
    """A copy whose rounding errors do not count beside those of float32."""
    return copy.deepcopy(model).double()


def largest_error(values: Tensor, exact: Tensor) -> float:
    """Largest absolute deviation."""
    return float((values.double() - exact).abs().max())


def as_exact_as(values: Tensor, others: Tensor, exact: Tensor) -> bool:
    """Whether two float32 evaluations miss the float64 one by errors of the same size.

    The largest of thousands of rounding errors varies by less than a factor of 4 with the order of
    summation.

    Args:
        values: the evaluation in question.
        others: a plain one in float32.
        exact: one in float64.
    """
    return largest_error(values, exact) <= 4.0 * largest_error(others, exact)


def sum_error(magnitudes: Tensor, summands: int) -> Tensor:
    """Bound of the rounding error of float32 sums of products, whatever the order of summation.

    The probabilistic bound of Higham and Mary (2019, "A new approach to probabilistic rounding
    error analysis"): errors exceed 4 √n u Σ|a b| with a probability below 1e-3; the worst case is
    n u Σ|a b|.

    Args:
        magnitudes: sums of the products' magnitudes, of any shape.
        summands: n.
    """
    return 4.0 * math.sqrt(summands) * UNIT_ROUNDOFF * magnitudes
