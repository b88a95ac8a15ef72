"""Links that are cut, slow, trickling, mute, or that swallow replies."""

from perch.chaos.faults import Broken, Deed, Fault
from perch.chaos.proxy import FAIR, Weather
from perch.chaos.stage import LONGER_THAN_ITS_WORD_S, Stage

KEEPALIVE_NOTICED_S = 45.0
"""The API may need so long to notice a link that says nothing, and to connect again."""


def _reset(stage: Stage) -> Broken:
    name = _any_link(stage)
    if name == "api":
        stage.api_is_disturbed(10.0)
    stage.links[name].reset()
    return Broken()


def _unplug_agent(stage: Stage) -> Broken | None:
    """Let an agent's link be silent for so long that nothing it said may be believed, nor for five seconds after."""
    name, for_s = stage.chance.choice(stage.agents), stage.chance.uniform(*LONGER_THAN_ITS_WORD_S)
    if not stage.lasts(for_s) or name in stage.unplugged:
        return None
    stage.unplugged.add(name)
    stage.links[name].turn(Weather(silent=True))

    def undo() -> None:
        stage.links[name].turn(FAIR)
        stage.unplugged.discard(name)

    return Broken(for_s, undo)


def _turn(weather: Weather, longest_s: float) -> Deed:
    def deed(stage: Stage) -> Broken:
        name = _any_link(stage)
        link, for_s = stage.links[name], stage.chance.uniform(0.2, longest_s)
        if name == "api":
            stage.api_is_disturbed(for_s + KEEPALIVE_NOTICED_S)
        link.turn(weather)
        return Broken(for_s, lambda: link.turn(FAIR))

    return deed


def _any_link(stage: Stage) -> str:
    return stage.chance.choice(sorted(stage.links.keys() - stage.unplugged))


FAULTS = (
    Fault("agent unplugged for longer than its word", 0.6, _unplug_agent),
    Fault("link reset", 14, _reset),
    Fault("link delayed", 5, _turn(Weather(delay_s=0.3), 3.0)),
    Fault("link trickling", 3, _turn(Weather(bytes_per_s=2_000), 3.0)),
    Fault("link swallowing replies", 5, _turn(Weather(swallows_replies=True), 3.0)),
    Fault("link silent", 4, _turn(Weather(silent=True), 5.0)),
    Fault("link refusing", 3, _turn(Weather(refuses=True), 2.0)),
)
