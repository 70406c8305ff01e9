import json
from dataclasses import replace

from benchmarks.image_tasks.methods import variants, without_teacher
from d24fad_core.comparison.scoring import ImageScoringConfig, MapKind, default_image_scoring
from d24fad_core.evaluation.methods import without_student_images


def kinds(scoring: ImageScoringConfig) -> list[set[MapKind]]:
    parts = [part for part in (scoring.base, scoring.in_place) if part]
    return [{kind for kind, _ in part.keys} for part in parts]


def test_every_method_has_a_name_of_its_own_and_can_be_written_down() -> None:
    methods = variants()
    assert len({method.name for method in methods}) == len(methods)
    lines = [json.dumps(method.to_dict(), sort_keys=True) for method in methods]
    assert len(set(lines)) == len(lines)


def test_a_method_scored_in_another_way_is_written_differently() -> None:
    scoring = default_image_scoring()
    other = replace(scoring, base=replace(scoring.base, blur=7.0))
    assert variants(scoring)[0].to_dict() != variants(other)[0].to_dict()


def test_without_teacher_only_the_student_is_compared_with_the_support() -> None:
    scoring = default_image_scoring()
    for before, after in zip(kinds(scoring), kinds(without_teacher(scoring)), strict=True):
        assert MapKind.TEACHER_SUPPORT not in after
        assert (MapKind.SELF_DISTILLATION in after) == (
            bool({MapKind.TEACHER_SUPPORT, MapKind.SELF_DISTILLATION, MapKind.RESIDUAL} & before)
        )
        assert MapKind.RESIDUAL not in after
        assert (MapKind.TEACHER_STUDENT in after) == (MapKind.TEACHER_STUDENT in before)


def test_without_student_only_the_teacher_is_compared() -> None:
    result = kinds(without_student_images(default_image_scoring()))
    assert result == [{MapKind.TEACHER_SUPPORT}] * 2


def test_without_student_something_is_left_of_a_student_alone() -> None:
    student = next(method for method in variants() if method.name == "teacher_student")
    assert kinds(without_student_images(student.recipe)) == [{MapKind.TEACHER_SUPPORT}]
