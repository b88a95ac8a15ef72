"""Disks that are full, and writes that fail for another reason."""

from collections.abc import Callable
from pathlib import Path

from perch.chaos import small_disks
from perch.chaos.faults import Broken, Deed, Fault
from perch.chaos.stage import Stage

EXCUSED_S = 20.0
"""A process that was frozen or starts again may find only later what is wrong with its disk."""


def _fill(choose: Callable[[Stage], tuple[str, Path]]) -> Deed:
    def deed(stage: Stage) -> Broken | None:
        name, folder = choose(stage)
        if not stage.disks or (folder / small_disks.BALLOON).exists():
            return None
        for_s = stage.chance.uniform(0.3, 2.0)
        stage.parts[name].excuse(for_s + EXCUSED_S)
        small_disks.fill(folder)
        return Broken(for_s, lambda: small_disks.release(folder))

    return deed


def _fail_writes(choose: Callable[[Stage], tuple[str, Path]]) -> Deed:
    def deed(stage: Stage) -> Broken | None:
        part = stage.parts[choose(stage)[0]]
        if not part.running:
            return None
        for_s = stage.chance.uniform(0.1, 1.0)
        part.excuse(for_s + EXCUSED_S)
        part.limit_files(True)
        return Broken(for_s, lambda: part.limit_files(False))

    return deed


def _an_agent(stage: Stage) -> tuple[str, Path]:
    agent = stage.chance.choice(stage.agents)
    return agent, stage.agent_data(agent)


def _the_collector(stage: Stage) -> tuple[str, Path]:
    return "collector", stage.data


FAULTS = (
    Fault("agent's disk full", 1, _fill(_an_agent), deadly=True),
    Fault("collector's disk full", 0.5, _fill(_the_collector), deadly=True),
    Fault("agent's writes failed", 1, _fail_writes(_an_agent), deadly=True),
    Fault("collector's writes failed", 0.5, _fail_writes(_the_collector), deadly=True),
)
