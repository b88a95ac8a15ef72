"""What can go wrong, and what to do next."""

from dataclasses import dataclass


class PerchError(Exception):
    """Root of every error that Perch raises on purpose: what went wrong, and what to do next."""

    exit_code = 1

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy

    @property
    def sentence(self) -> str:
        """What went wrong, and what to do, in one."""
        return f"{self.what} ({self.remedy})" if self.remedy else self.what


@dataclass(frozen=True, slots=True, order=True)
class Complaint:
    """One thing wrong with an input: where (file and line, or file and key), what, and what to do about it."""

    where: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" + (f" ({self.remedy})" if self.remedy else "")


class InputError(PerchError):
    """Configuration or an input file is wrong; carries every complaint at once."""

    exit_code = 2

    def __init__(self, complaints: tuple[Complaint, ...]) -> None:
        super().__init__("\n".join(map(str, complaints)))
        self.complaints = complaints


class ContractError(PerchError):
    """A topic or payload does not follow the MQTT contract; `code` is a stable word for counting."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(what, "see the quarantine for the message")
        self.code = code


class IllegalEventError(PerchError):
    """A state machine was given an event that its state does not allow; nothing was changed."""


class QuestionError(PerchError):
    """A question cannot be answered as asked; `parameter` names what to ask otherwise."""

    exit_code = 2

    def __init__(self, parameter: str, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.parameter = parameter


class StorageError(PerchError):
    """A local database or folder cannot be read or written."""


class DamagedError(StorageError):
    """A local database is torn or holds what cannot be read: it is of no use any more."""


class UnavailableError(PerchError):
    """A broker or database on the network does not answer, or refuses."""
