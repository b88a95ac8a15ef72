"""Processes that are killed, frozen, or die at a named point; outboxes that are cloned or restored."""

import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from perch.adapters.journal import backup as journal_backup
from perch.adapters.outbox.store import Outbox
from perch.adapters.sqlite import open_reader
from perch.chaos.faults import Broken, Deed, Fault
from perch.chaos.stage import LONGER_THAN_ITS_WORD_S, Stage, answers
from perch.errors import PerchError

AGENT_POINTS = ("outbox.db/written", "outbox.db/committed", "publish/sent")
COLLECTOR_POINTS = (
    *("journal.db/written", "journal.db/committed", "history.db/written", "history.db/committed"),
    *("publish/sent", "influx/sent"),
)
LONG_MINUTES = 3.0
MOST_CLONES = 3
MOST_BACKUPS = 4
UNDER_WAY_S, NOTICED_S = 30.0, 60.0


def _kill(name: str) -> Deed:
    def deed(stage: Stage) -> Broken | None:
        part = stage.parts.get(name)
        if part is None or not part.running:
            return None
        if name == "api":
            stage.api_is_disturbed(10.0)
        part.kill(stage.chance.uniform(0.0, 1.5))
        return Broken()

    return deed


def _kill_agent(stage: Stage) -> Broken | None:
    agent = stage.chance.choice(stage.agents)
    stage.use_config(agent)
    return _kill(agent)(stage)


def _lose_agent(stage: Stage) -> Broken | None:
    """Kill an agent for so long that nothing it said may be believed any more, nor for five seconds after that."""
    agent, for_s = stage.chance.choice(stage.agents), stage.chance.uniform(*LONGER_THAN_ITS_WORD_S)
    if not stage.parts[agent].running or not stage.lasts(for_s):
        return None
    stage.use_config(agent)
    stage.parts[agent].kill(for_s)
    return Broken()


def _restart_agent(stage: Stage) -> Broken | None:
    """End an agent in order, as an upgrade does."""
    agent = stage.chance.choice(stage.agents)
    if not stage.parts[agent].running:
        return None
    stage.use_config(agent)
    stage.parts[agent].end(1.5)
    stage.parts[agent].kill(0.0)
    return Broken()


def _reboot_agent(stage: Stage) -> Broken | None:
    """Kill an agent that comes back in a new boot, not knowing the time until the fault is over."""
    agent = stage.chance.choice(stage.agents)
    if not stage.parts[agent].running:
        return None
    stage.reboot(agent)
    stage.use_config(agent, "--unsynced")
    killed = _kill(agent)(stage)

    def undo() -> None:
        stage.use_config(agent)
        stage.parts[agent].tell("synced")

    return killed and Broken(stage.chance.uniform(2.0, 4.0), undo)


def _freeze(choose: Callable[[Stage], str]) -> Deed:
    def deed(stage: Stage) -> Broken | None:
        name = choose(stage)
        part = stage.parts.get(name)
        pid = part.freeze() if part is not None else None
        if part is None or pid is None:
            return None
        if name in ("api", "broker"):
            stage.api_is_disturbed(10.0)
        return Broken(stage.chance.uniform(0.05, 3.0), lambda: part.thaw(pid))

    return deed


def _freeze_long(stage: Stage) -> Broken | None:
    """Freeze an agent for more than the minute that nothing vouches for, where the campaign is long enough."""
    if stage.plan.minutes < LONG_MINUTES:
        return None
    agent = stage.chance.choice(stage.agents)
    part = stage.parts[agent]
    pid = part.freeze()
    return Broken(stage.chance.uniform(62.0, 75.0), lambda: part.thaw(pid))


def _die_at(choose: Callable[[Stage], str], points: tuple[str, ...]) -> Deed:
    """Let the next process die at a named point, and make way for it now."""

    def deed(stage: Stage) -> Broken | None:
        part = stage.parts[choose(stage)]
        if not part.running:
            return None
        part.die_at(f"{stage.chance.choice(points)}:{stage.chance.randint(1, 12)}")
        part.kill(0.0)
        return Broken()

    return deed


def _any_agent(stage: Stage) -> str:
    return stage.chance.choice(stage.agents)


def _clone_agent(stage: Stage) -> Broken | None:
    """Let a copy of an agent's files run beside the agent for a while, under the same name."""
    agent = stage.chance.choice(stage.agents)
    if len(stage.clones) >= MOST_CLONES or not stage.parts[agent].running:
        return None
    stage.parts[agent].kill(0.5)
    config = stage.clone(agent)
    twin = stage.part(config.stem, stage.agent_command(agent, config, 5.0), agent)
    twin.start()
    return Broken(stage.chance.uniform(2.0, 5.0), lambda: twin.kill(None))


def _restore_outbox(stage: Stage) -> Broken | None:
    """Put an older copy of an outbox in its place, when nothing that came after it waits to be delivered."""
    agent = stage.chance.choice(stage.agents)
    part, folder = stage.parts[agent], stage.agent_data(agent)
    if not part.running:
        return None
    part.kill(0.2)
    return Broken(became=_put_back(stage, folder, stage.folder / f"{agent}-copy"))


def _put_back(stage: Stage, folder: Path, copy: Path) -> str:
    """Put a copy in the place of an agent's files where that can be; says what came of it, the agent being killed."""
    try:
        if not copy.exists():
            shutil.copytree(folder, copy)
            return "agent killed, its outbox copied"
        if _holds_what_only_it_knows(stage, folder):
            return "agent killed"
        stage.journal_knows_alone = True
        for backup in stage.folder.glob("backup-*.db"):
            backup.unlink()  # what only the journal has from now on must not be taken from it as well
        for path in folder.glob("outbox.db*"):
            path.unlink()
        shutil.copytree(copy, folder, dirs_exist_ok=True)
        shutil.rmtree(copy)
    except (OSError, PerchError, sqlite3.Error):
        return "agent killed"
    return ""


def _holds_what_only_it_knows(stage: Stage, folder: Path) -> bool:
    with Outbox.open(folder / "outbox.db") as outbox:
        waits = any(lane.settled.missing(1, lane.last) for lane in outbox.lanes()) or bool(getattr(outbox, "lost", ()))
        heard = outbox.journal
    with closing(open_reader(stage.data / "journal.db")) as db:
        return waits or (heard,) != db.execute("SELECT id FROM journal").fetchone()


def _back_up_journal(stage: Stage) -> Broken | None:
    """Make a copy of the journal; the oldest is kept, as are the newest, and those between them make room."""
    copies = sorted(stage.folder.glob("backup-*.db"))
    for old in copies[1 : max(1, len(copies) - MOST_BACKUPS + 2)]:
        old.unlink()
    number = int(copies[-1].stem.partition("-")[2]) + 1 if copies else 1
    try:
        journal_backup.back_up(stage.data / "journal.db", stage.folder / f"backup-{number:06}.db")
    except PerchError:
        return None
    return Broken()


def may_restore_collector(stage: Stage) -> bool:
    """Whether the first third of a campaign lasts still."""
    return stage.lasts(stage.plan.minutes * 40)


def _restore_collector(stage: Stage) -> Broken | None:
    """Let the collector go on from an older copy of its journal, in the first third of a campaign.

    Agents then send again all that they keep, which would hide what was lost before.
    """
    copies = sorted(stage.folder.glob("backup-*.db"))
    if not may_restore_collector(stage):
        return None
    if not copies:
        return _back_up_journal(stage)
    stage.parts["collector"].kill(0.2)
    try:
        journal_backup.put_back(stage.chance.choice(copies), stage.data / "journal.db")
    except PerchError:
        return Broken(became="collector killed")
    return Broken()


def _remove_journal(stage: Stage) -> Broken | None:
    """Take the journal away from under a running collector, which has to notice, and to begin a new one.

    What was altered on purpose must not be under way then: to a new journal the altered one would be the true one.
    """
    part = stage.parts["collector"]
    told_lately = time.monotonic() - stage.intruder.lied_s < UNDER_WAY_S
    if not part.running or not may_restore_collector(stage) or stage.journal_knows_alone or told_lately:
        return None
    part.excuse(NOTICED_S)
    for path in stage.data.glob("journal.db*"):
        if path.suffix != ".lock":
            path.unlink(missing_ok=True)
    return Broken()


def _restart_broker(stage: Stage) -> Broken | None:
    """End the broker in order: one that keeps messages writes them down first."""
    part = stage.parts["broker"]
    if not part.running or not answers(stage.broker_port):
        return None
    part.excuse(3.0)
    part.end(2.0)
    part.kill(0.1)
    return Broken()


FAULTS = (
    Fault("agent gone for longer than its word", 0.6, _lose_agent, deadly=True),
    Fault("agent killed", 3, _kill_agent, deadly=True),
    Fault("agent restarted in order", 0.5, _restart_agent, deadly=True),
    Fault("agent rebooted without the time", 1, _reboot_agent, deadly=True),
    Fault("agent frozen", 3, _freeze(_any_agent)),
    Fault("agent frozen for over a minute", 0.1, _freeze_long),
    Fault("agent died at a named point", 3, _die_at(_any_agent, AGENT_POINTS), deadly=True),
    Fault("agent cloned", 0.2, _clone_agent, deadly=True),
    Fault("outbox restored from a copy", 0.1, _restore_outbox, deadly=True),
    Fault("collector killed", 2, _kill("collector"), deadly=True),
    Fault("collector frozen", 3, _freeze(lambda _: "collector")),
    Fault("collector died at a named point", 3, _die_at(lambda _: "collector", COLLECTOR_POINTS), deadly=True),
    Fault("journal backed up", 0.3, _back_up_journal),
    Fault("collector restored from a backup", 0.1, _restore_collector, deadly=True),
    Fault("journal removed while in use", 0.1, _remove_journal, deadly=True),
    Fault("API killed", 1, _kill("api"), disturbs=True, deadly=True),
    Fault("API frozen", 1, _freeze(lambda _: "api"), disturbs=True),
    Fault("broker killed", 1, _kill("broker"), disturbs=True, deadly=True),
    Fault("broker restarted", 0.5, _restart_broker, disturbs=True, deadly=True),
    Fault("broker frozen", 2, _freeze(lambda _: "broker"), disturbs=True),
    Fault("InfluxDB killed", 0.5, _kill("influxdb"), deadly=True),
    Fault("InfluxDB frozen", 2, _freeze(lambda _: "influxdb")),
)
