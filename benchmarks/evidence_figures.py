"""What `benchmarks.evidence` measured: the rows, their shares, a picture and a text."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from d24fad_core import RESEARCH_USE_ONLY
from d24fad_core.files import whole_file, write_text

SHOTS = 4
_NAME = "evidence.json"


@dataclass(frozen=True)
class Untouched:
    """A held-out person without a lesion.

    Attributes:
        draw: number of the draw of normals.
        person: who it is.
        smallest: smallest p-value of a finding; None without findings.
    """

    draw: int
    person: str
    smallest: float | None


@dataclass(frozen=True)
class Planting:
    """A lesion of a case that one normal carries too.

    Attributes:
        draw: number of the draw of normals.
        person: whose study the case is.
        carrier: the normal that carries it.
        nearest: the normal that is named.
    """

    draw: int
    person: str
    carrier: str
    nearest: str | None


@dataclass(frozen=True)
class Measured:
    """All draws so far.

    Attributes:
        untouched: people without a lesion.
        plantings: lesions that a normal carries too.
    """

    untouched: tuple[Untouched, ...] = ()
    plantings: tuple[Planting, ...] = ()

    @property
    def draws(self) -> int:
        """How many draws these are."""
        return len({each.draw for each in self.untouched})

    @property
    def carriers_named(self) -> int:
        """Number of lesions for which the normal that carries them is named."""
        return sum(each.nearest == each.carrier for each in self.plantings)

    def and_draw(self, untouched: Iterable[Untouched], plantings: Iterable[Planting]) -> "Measured":
        """These and one draw more."""
        return Measured((*self.untouched, *untouched), (*self.plantings, *plantings))


def load(folder: Path) -> Measured:
    """What an earlier run wrote; nothing where there was none."""
    path = folder / _NAME
    if not path.exists():
        return Measured()
    document = json.loads(path.read_text())
    return Measured(
        tuple(Untouched(**row) for row in document["untouched"]),
        tuple(Planting(**row) for row in document["plantings"]),
    )


def save(measured: Measured, folder: Path) -> None:
    """Write all draws."""
    write_text(folder / _NAME, json.dumps(asdict(measured), indent=1) + "\n")


def shares(untouched: Sequence[Untouched]) -> list[tuple[float, float, float, float]]:
    """Level, share of people with a finding at or below it, and its 95 % interval (exact)."""
    count, rows = len(untouched), []
    for step in range(1, SHOTS + 1):
        level = step / (SHOTS + 1)
        # p-values are fractions of the same denominator; a finding at the level counts.
        hit = sum(each.smallest is not None and each.smallest <= level + 1e-9 for each in untouched)
        interval = stats.binomtest(hit, count).proportion_ci(0.95)
        rows.append((level, hit / count, float(interval.low), float(interval.high)))
    return rows


def draw_picture(measured: Measured, path: Path) -> None:
    """Both promises and what was measured, as PNG."""
    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    levels, share, low, high = (
        np.array(column) for column in zip(*shares(measured.untouched), strict=True)
    )
    left.plot([0, 1], [0, 1], "--", color="grey", label="allowed at most")
    left.errorbar(levels, share, (share - low, high - share), fmt="o", capsize=3)
    left.set(xlabel="level", ylabel="share with a finding at or below it")
    left.set_title(f"untouched people, n = {len(measured.untouched)}", fontsize=10)
    left.legend(fontsize=8)
    count = len(measured.plantings)
    right.bar(
        ["chance", "named"],
        [1 / SHOTS, measured.carriers_named / count],
        color=["lightgrey", "tab:blue"],
    )
    right.axhline(0.95, ls="--", color="grey")
    right.set(ylim=(0, 1), ylabel="share of plantings")
    right.set_title(f"the normal with the same lesion, n = {count}", fontsize=10)
    figure.suptitle(RESEARCH_USE_ONLY, fontsize=8)
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=90)


def report(measured: Measured) -> str:
    """Both results as text."""
    lines = [
        f"carrier named: {measured.carriers_named} of {len(measured.plantings)}",
        "level, share, 95 % interval:",
    ]
    lines += [f"{a:.2f} {b:.2f} ({c:.2f} to {d:.2f})" for a, b, c, d in shares(measured.untouched)]
    return "\n".join([*lines, RESEARCH_USE_ONLY])
