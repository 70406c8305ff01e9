"""What jobs do, and which of them wait for each other."""

from enum import Enum


class Lane(str, Enum):
    """Jobs of one lane run one after the other, lanes beside each other."""

    PEOPLE = "people"
    BACKGROUND = "background"
    TRAINING = "training"


class JobKind(str, Enum):
    """What a job does."""

    DETECT = "detect"
    QUALITY = "quality"
    SCORE = "score"
    TRAIN = "train"

    @property
    def lane(self) -> Lane:
        """What it waits for: scoring gives way to people, and training holds up neither."""
        lanes = {JobKind.SCORE: Lane.BACKGROUND, JobKind.TRAIN: Lane.TRAINING}
        return lanes.get(self, Lane.PEOPLE)
