"""`[enrolment]` of `perch.toml`, and the `[[reader]]`s and `[[edge]]`s beside it: who gets into the broker, and how."""

import ipaddress
import re
from collections.abc import Collection
from pathlib import Path

from perch.model import Identity
from perch.settings.files import path_beside
from perch.settings.reading import RefusedError, choice, flag, identifier, several, shown, text, whole
from perch.settings.table import Table, refuse_twice
from perch.settings.values import OWN_LOGIN, RELOAD, Broker, BrokerEdge, BrokerReader, Enrolment

TLS_PORT, DESK_PORT = 8883, 8884
_PLACE = re.compile(r"([A-Za-z0-9.-]+|\[[0-9a-f:]+\]):[0-9]{1,5}")
_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?")


def read_enrolment(parent: Table, folder: Path, broker: Broker, sites: Collection[str]) -> Enrolment | None:
    """Read how agents of some sites are enrolled; None where that is left out."""
    table, readers, edges = parent.table("enrolment"), parent.tables("reader"), parent.tables("edge")
    if "enrolment" not in parent and "folder" not in table:
        for name in [name for name, found in (("[[reader]]", readers), ("[[edge]]", edges)) if found]:
            parent.complain(name, "is there without [enrolment]", "add [enrolment], or take it out")
        return None
    enrolment = Enrolment(
        folder=table.need("folder", path_beside(folder), folder),
        host=table.need("host", host_name, ""),
        port=table.take("port", whole(1, 65_535), TLS_PORT),
        desk_port=table.take("desk_port", whole(1, 65_535), DESK_PORT),
        password_port=table.take("password_port", whole(1, 65_535), None),
        identity=table.take("identity", choice(Identity), Identity.PASSWORD),
        reload=table.take("reload", several(text), RELOAD),
        pid_file=table.take("pid_file", path_beside(folder), None),
        readers=tuple(_reader(reader, folder) for reader in readers),
        edges=tuple(_edge(edge, folder, sites) for edge in edges),
        bridged_to=table.take("bridged_to", place_of_broker, None),
        home_assistant=table.take("home_assistant", flag, False),
    )
    refuse_twice(readers, enrolment.readers, "name", lambda reader: reader.name)
    refuse_twice(edges, enrolment.edges, "site", lambda edge: edge.site)
    _check(table, broker, enrolment, sites)
    table.finish()
    return enrolment


def _check(table: Table, broker: Broker, enrolment: Enrolment, sites: Collection[str]) -> None:
    if broker.password_file is None or not _is_here(broker.host):
        what = "needs a broker on this machine that the server logs in to"
        table.complain("", what, "set host to 127.0.0.1, username and password_file under [broker]")
    if broker.username is not None and "_" in broker.username:
        table.complain("", "the server's username looks like an agent's", "leave out the _ in username under [broker]")
    if any(reader.name == broker.username for reader in enrolment.readers):
        table.complain("", f"a reader has the server's name {broker.username}", "give each its own")
    if OWN_LOGIN in (broker.username, *(reader.name for reader in enrolment.readers)):
        table.complain("", f"the login {OWN_LOGIN} is Perch's own", "give the server, or that reader, another name")
    if "reload" in table and "pid_file" in table:
        table.complain("pid_file", "goes without reload", "keep the one by which your broker is told")
    if enrolment.port == enrolment.desk_port:
        table.complain("desk_port", "is the broker's", "give the desk a port of its own")
    if enrolment.password_port in (enrolment.port, enrolment.desk_port, broker.port):
        table.complain("password_port", "is another's", "give readers a port of their own")
    if enrolment.bridged_to is not None and (len(sites) != 1 or enrolment.edges):
        what = "is for the broker of one site, which has no sites of its own below it"
        table.complain("bridged_to", what, "take it out at the network's broker; name one site at a site's")
    if enrolment.password_port is not None and enrolment.identity is Identity.PASSWORD:
        what = "is for a broker whose agents show certificates"
        table.complain("password_port", what, 'take it out: readers come in at port; or set identity = "certificate"')


def _reader(table: Table, folder: Path) -> BrokerReader:
    reader = BrokerReader(
        name=table.need("name", identifier, ""),
        password_file=table.need("password_file", path_beside(folder), folder),
    )
    table.finish()
    return reader


def _edge(table: Table, folder: Path, sites: Collection[str]) -> BrokerEdge:
    edge = BrokerEdge(
        site=table.need("site", identifier, ""),
        password_file=table.need("password_file", path_beside(folder), folder),
    )
    if edge.site and edge.site not in sites:
        known = ", ".join(sorted(sites)) or "none"
        table.complain("site", f"there is no site {edge.site}", f"name one of those under sites: {known}")
    table.finish()
    return edge


def place_of_broker(value: object) -> str:
    """Read where another broker is, as host:port."""
    place = text(value)
    if not _PLACE.fullmatch(place):
        raise RefusedError(f"{shown(place)} is no place of a broker", "write it as broker.example:8883")
    return place


def host_name(value: object) -> str:
    """Read the name or address by which other machines call one."""
    name = text(value)
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        if not _NAME.fullmatch(name):
            what = f"{shown(name)} is no name of a machine"
            raise RefusedError(what, "write it as broker.hq.example or 192.0.2.7") from None
        return name.lower()


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
