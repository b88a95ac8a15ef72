"""Who may say and hear what at the broker, as an access list in mosquitto's words.

A login's name is its topics: an agent publishes under its own alone and hears its own acknowledgements alone. The
server hears its sites and acknowledges; a reader hears what holds now and says nothing. Whoever is not listed has no
right at all, and nobody has one to `$SYS`, to `$CONTROL` or to publish on a wildcard.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from perch.contract.bridge import IN, OUT, edge_name
from perch.contract.home_assistant import discovery_topic
from perch.contract.topics import ROOT, topic, user_name
from perch.model import Site


class Rights(NamedTuple):
    """What a login may publish on (`write`) and what is delivered to it (`read`); `+` stands for any one part."""

    user: str
    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()


def agent_rights(site: str, agent: str, *, home_assistant: bool = False) -> Rights:
    """Give an agent its own channels; with `home_assistant` it may tell Home Assistant of its spaces as well."""
    said = [topic(site, agent, "up"), topic(site, agent, "status"), topic(site, agent, "state", "+")]
    told = [discovery_topic(site, agent)] if home_assistant else []
    return Rights(user_name(site, agent), (*said, *told), (topic(site, agent, "ack"),))


def server_rights(user: str, sites: Iterable[str]) -> Rights:
    """Let a server hear all of its sites, messages on wrong topics too, and acknowledge."""
    named = tuple(sites)
    return Rights(user, tuple(topic(site, "+", "ack") for site in named), tuple(f"{ROOT}/{site}/#" for site in named))


def reader_rights(user: str, sites: Iterable[str], discovery: Iterable[str] = ()) -> Rights:
    """Let a reader (an API on another machine, Home Assistant) hear what holds now, and further topics by name."""
    live = (name for site in sites for name in (topic(site, "+", "state", "+"), topic(site, "+", "status")))
    return Rights(user, (), (*live, *discovery))


def edge_rights(site: str) -> Rights:
    """Let a site's own broker say what its agents say, and hear what they are told."""
    said, heard = ([f"{ROOT}/{site}/{what}" for what in those] for those in (OUT, IN))
    return Rights(edge_name(site), tuple(said), tuple(heard))


def farewell_rights(user: str, agents: Iterable[tuple[str, str]]) -> Rights:
    """Let a login say of agents that were put out that they are gone, as they cannot themselves any more."""
    return Rights(user, tuple(topic(site, agent, "status") for site, agent in agents))


class Others(NamedTuple):
    """The logins that are no agents: the server's own (None where it needs none), readers by name, edges by site."""

    server: str | None = None
    readers: tuple[str, ...] = ()
    edges: tuple[str, ...] = ()


def rights_of(
    sites: Sequence[Site], others: Others, *, without: Collection[str] = (), home_assistant: bool = False
) -> Iterator[Rights]:
    """Give the rights of everybody at a broker; logins in `without` get none."""
    ids = [site.id for site in sites]
    agents = [(site.id, agent) for site in sites for agent in site.agents if user_name(site.id, agent) not in without]
    discovery = [discovery_topic(*agent) for agent in agents] if home_assistant else []
    if others.server is not None:
        yield server_rights(others.server, ids)
    for name in others.readers:
        yield reader_rights(name, ids, discovery)
    yield from map(edge_rights, others.edges)
    for site_id, agent in agents:
        yield agent_rights(site_id, agent, home_assistant=home_assistant)


def mosquitto_acl(everybody: Iterable[Rights]) -> str:
    """Write an access list for mosquitto's `acl_file`."""
    return "\n".join("".join(f"{line}\n" for line in _lines(one)) for one in everybody)


def _lines(one: Rights) -> Iterator[str]:
    yield f"user {one.user}"
    yield from (f"topic write {name}" for name in one.write)
    yield from (f"topic read {name}" for name in one.read)
