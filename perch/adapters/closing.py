"""What has something open: it closes, also at the end of a `with`."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """Is open from its beginning on, and closed when its `with` ends, whatever happened in it."""

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open; no other call may follow."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
