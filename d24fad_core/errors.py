"""The errors that reach a user: one sentence with the value, the cause and the remedy."""


class D24FADError(Exception):
    """Base of every error whose message is written for the user.

    The command line prints it as one line with status 2; the server answers 4xx with it.
    """


class InputError(D24FADError):
    """An image, study or folder cannot be analysed as given."""


class SupportError(D24FADError):
    """The support set does not fit: too few studies, or another modality than the query."""


class CheckpointError(D24FADError):
    """A checkpoint is missing, damaged, or of another configuration."""


class ConfigurationError(D24FADError):
    """An option has a value outside its range."""


class CancelledError(D24FADError):
    """The caller asked to stop; the message says what had been written."""
