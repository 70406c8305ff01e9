"""The errors that reach a user: what is wrong, with the value, and what to do about it."""

_SENTENCE_ENDS = (".", "?", "!")


class D24FADError(Exception):
    """Base of every error that is written for the user.

    `str(error)` is both parts as one text. The command line prints that as one line with status 2;
    the server answers 4xx with the parts apart.

    Args:
        cause: what is wrong, with the value: a sentence, or a clause that the remedy follows.
        remedy: what to do about it; empty where nothing can be done.
    """

    def __init__(self, cause: str, remedy: str) -> None:
        super().__init__(cause, remedy)
        self.cause = cause
        self.remedy = remedy

    def __str__(self) -> str:
        if not self.remedy:
            return self.cause
        joint = " " if self.cause.endswith(_SENTENCE_ENDS) else "; "
        return f"{self.cause}{joint}{self.remedy}"

    def sentences(self) -> tuple[str, str]:
        """Cause and remedy as sentences of their own, for those who show them apart."""
        ending = "" if self.cause.endswith(_SENTENCE_ENDS) else "."
        return f"{self.cause}{ending}", f"{self.remedy[:1].upper()}{self.remedy[1:]}"


class InputError(D24FADError):
    """An image, study or folder cannot be analysed as given."""


class SupportError(D24FADError):
    """The support set does not fit: too few studies, or another modality than the query."""


class CheckpointError(D24FADError):
    """A checkpoint is missing, damaged, or of another configuration."""


class ConfigurationError(D24FADError):
    """An option has a value outside its range."""


class CancelledError(D24FADError):
    """The caller asked to stop; the cause says what had been written.

    Args:
        cause: that it stopped.
        remedy: how to go on, where that is possible.
    """

    def __init__(self, cause: str, remedy: str = "") -> None:
        super().__init__(cause, remedy)
