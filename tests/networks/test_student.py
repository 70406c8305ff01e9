import pytest
import torch

from d24fad_core.networks.student import Student, StudentConfig
from d24fad_core.networks.teacher import TEACHERS, build_teacher

CONFIGS = {
    "own widths": StudentConfig(blocks=(2, 1, 1), widths=(32, 16, 8)),
    "teacher's widths": StudentConfig(blocks=(1, 1, 1)),
}


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("name", TEACHERS)
def test_it_predicts_features_of_the_teachers_shapes(
    name: str, config: StudentConfig, size: int
) -> None:
    info = TEACHERS[name]
    student = Student(info, config).eval()
    with torch.inference_mode():
        features = student(torch.randn(1, info.channels[3], size // 32, size // 32))
    shapes = [tuple(each.shape) for each in features]
    assert shapes == [
        (1, channels, size // stride, size // stride)
        for channels, stride in zip(info.channels[:3], info.strides, strict=True)
    ]


@pytest.mark.parametrize("size", [64, 128])
@pytest.mark.parametrize("name", TEACHERS)
def test_the_teachers_own_features_have_the_shapes_it_describes(name: str, size: int) -> None:
    teacher = build_teacher(name, pretrained=False)
    with torch.inference_mode():
        features, embedding = teacher(torch.rand(1, 3, size, size))
    channels = teacher.info.channels
    assert [tuple(each.shape) for each in (*features, embedding)] == [
        (1, width, size // stride, size // stride)
        for width, stride in zip(channels, (4, 8, 16, 32), strict=True)
    ]


def test_blocks_are_counted_from_the_coarsest_stage() -> None:
    student = Student(TEACHERS["resnet18"])
    assert [len(stage) for stage in (student.layer1, student.layer2, student.layer3)] == [3, 4, 6]


def test_predictions_of_other_widths_may_be_negative() -> None:
    """A rectified last layer could not follow the signed features of some teachers."""
    torch.manual_seed(0)
    info = TEACHERS["efficientnet_lite0"]
    features = Student(info, CONFIGS["own widths"])(torch.randn(2, info.channels[3], 2, 2))
    assert all((each < 0).any() for each in features)


@pytest.mark.parametrize("widths", [None, (16, 12, 8)])
@pytest.mark.parametrize("finest", [0, 1, 2])
def test_leaving_fine_scales_out_does_not_change_the_others(
    widths: tuple[int, int, int] | None, finest: int
) -> None:
    student = Student(TEACHERS["resnet18"], StudentConfig((1, 1, 1), widths)).eval()
    embedding = torch.randn(2, TEACHERS["resnet18"].channels[3], 2, 2)
    with torch.inference_mode():
        every, some = student(embedding), student(embedding, finest)
    assert len(some) == 3 - finest
    for one, other in zip(every[finest:], some, strict=True):
        assert torch.equal(one, other)
