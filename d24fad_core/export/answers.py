"""Answers to the questions of a reader, some words of which lead to a warning."""

from collections.abc import Sequence
from dataclasses import dataclass

from d24fad_core.detection.result import AnalysisWarning, WarningCode
from d24fad_core.export.wording import count_text

_DOUBTS = {
    WarningCode.CASE_IN_SUPPORT: "the study and one of the normals look like one person",
    WarningCode.DIFFERS_EVERYWHERE: "the study differs from the normals everywhere",
    WarningCode.OTHER_SIZE: "the body is not as large as in the normals",
    WarningCode.OTHER_RESOLUTION: "the resolution is not that of the normals",
    WarningCode.OTHER_SCANNER: "the scanner is not that of the normals",
    WarningCode.SUPPORTS_ALIKE: "two of the normals look like one person",
    WarningCode.ABNORMAL_SUPPORT: "one of the normals stands out from the others",
    WarningCode.PRIOR_LATER: "the prior was made on a later day",
    WarningCode.PRIOR_UNLIKE: "study and prior do not look like one patient in one kind of scan",
    WarningCode.PRIOR_PARTIAL: "much of the study could not be compared with the prior",
    WarningCode.PRIOR_RESOLUTION: "study and prior have different resolutions",
    WarningCode.CONTRAST_MISSING: "a contrast, or a normal, was left out",
    WarningCode.CONTRAST_UNLIKE: "a contrast covers too little of the study",
}


@dataclass(frozen=True)
class Part:
    """Words of an answer.

    Attributes:
        text: the words.
        warning: number of the warning that they lead to, from 1; None where they lead nowhere.
    """

    text: str
    warning: int | None = None


@dataclass(frozen=True)
class Answer:
    """A question and what a page answers.

    Attributes:
        question: of a reader who knows nothing of the program.
        parts: the answer.
    """

    question: str
    parts: tuple[Part, ...]

    @property
    def text(self) -> str:
        """The answer without its links."""
        return "".join(part.text for part in self.parts)


def plain_answer(question: str, text: str) -> Answer:
    """An answer that leads nowhere."""
    return Answer(question, (Part(text),))


def doubts(warnings: Sequence[AnalysisWarning]) -> tuple[Part, ...]:
    """A sentence that names each reason to doubt a result; nothing without warnings.

    Args:
        warnings: all of the page, in its order.
    """
    if not warnings:
        return ()
    verb = "is" if len(warnings) == 1 else "are"
    parts = [Part(f"There {verb} {count_text(len(warnings), 'reason')} to doubt this result: ")]
    for number, warning in enumerate(warnings, start=1):
        if number > 1:
            parts.append(Part("; "))
        parts.append(Part(_DOUBTS[warning.code], number))
    return (*parts, Part(". "))
