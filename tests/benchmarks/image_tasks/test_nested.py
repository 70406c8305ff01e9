"""The choice of a method without the task that it is measured on."""

from benchmarks.image_tasks.nested import ALL_METHODS, TRAINING_FREE, choose_without_task
from benchmarks.image_tasks.official import OFFICIAL
from d24fad_core.evaluation.image_scores import CORRECTED
from d24fad_core.evaluation.image_summary import MEAN_OF_TASKS, MeasureSummary, SummaryRow


def row(
    task: str, method: str, auroc: float, *, trained: bool = False, protocol: str = CORRECTED
) -> SummaryRow:
    measure = MeasureSummary(auroc, None, (auroc, auroc))
    return SummaryRow(task, method, protocol, 4, trained, 1, 0, 10, measure, measure, measure)


def table(figures: dict[str, tuple[float, ...]], *, trained: bool = False) -> list[SummaryRow]:
    return [
        row(task, method, value, trained=trained)
        for method, values in figures.items()
        for task, value in zip("abc", values, strict=False)
    ]


def test_a_method_that_shines_on_one_task_is_not_chosen_for_it() -> None:
    rows = table({"lucky on a": (0.99, 0.5, 0.5), "steady": (0.7, 0.7, 0.7)})
    choices = {
        one.task: one for one in choose_without_task(rows) if one.candidates == TRAINING_FREE
    }
    assert choices["a"].method == "steady" and choices["a"].auroc == 0.7
    # On the other tasks the luck on a counts: the price is paid there.
    assert choices["b"].method == "lucky on a" and choices["b"].auroc == 0.5


def test_trained_methods_stand_in_one_of_the_two_choices() -> None:
    rows = table({"plain": (0.6, 0.6, 0.6)}) + table({"taught": (0.8, 0.8, 0.8)}, trained=True)
    choices = {one.candidates: one.method for one in choose_without_task(rows) if one.task == "b"}
    assert choices == {TRAINING_FREE: "plain", ALL_METHODS: "taught"}


def test_what_was_not_measured_everywhere_or_honestly_takes_no_part() -> None:
    rows = table({"whole": (0.6, 0.6, 0.6), "part": (0.9, 0.9)})
    rows += [row(task, "inflated", 0.99, protocol=OFFICIAL) for task in "abc"]
    rows += [row(MEAN_OF_TASKS, "part", 0.9)]
    assert {one.method for one in choose_without_task(rows)} == {"whole"}
    assert {one.task for one in choose_without_task(rows)} == set("abc")


def test_one_task_leaves_nothing_to_choose_by() -> None:
    assert choose_without_task([row("a", "m", 0.9)]) == []
