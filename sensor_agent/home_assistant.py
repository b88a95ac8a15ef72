"""Tells Home Assistant of the agent's spaces, where it is asked to, and takes back what it told once."""

import contextlib
from collections.abc import Callable

from perch import __version__
from perch.adapters.mqtt.announced import forget_announced, read_announced, write_announced
from perch.contract import Publication
from perch.contract.home_assistant import build_discovery, build_no_discovery
from perch.errors import StorageError
from perch.settings import AgentSettings


class HomeAssistant:
    """Publishes the retained discovery message anew at each connection, as a broker may have forgotten it."""

    def __init__(self, settings: AgentSettings, valid_for_ms: int, publish: Callable[[Publication], bool]) -> None:
        self._settings = settings
        self._valid_for_ms = valid_for_ms
        self._publish = publish
        self._told = read_announced(settings.data)

    def __repr__(self) -> str:
        return f"<HomeAssistant, which was told of {len(self._told)} spaces>"

    def announce(self) -> None:
        """Tell what there is; where nothing is to be told any more, take back what was told once."""
        if self._settings.home_assistant:
            self._tell(tuple(space.id for space in self._settings.sensing.spaces))
        elif self._told and self._publish(build_no_discovery(self._settings.site, self._settings.agent)):
            self._told = ()
            forget_announced(self._settings.data)

    def _tell(self, spaces: tuple[str, ...]) -> None:
        removed = tuple(space for space in self._told if space not in spaces)
        self._keep((*removed, *spaces))
        site, agent = self._settings.site, self._settings.agent
        self._publish(build_discovery(site, agent, spaces, removed, __version__, self._valid_for_ms))

    def _keep(self, told: tuple[str, ...]) -> None:
        """Note what is about to be told, before it is: what nobody remembers cannot be taken back."""
        if told != self._told:
            self._told = told
            with contextlib.suppress(StorageError):  # the outbox lies on the same disk, and tells of its trouble
                write_announced(self._settings.data, told)
