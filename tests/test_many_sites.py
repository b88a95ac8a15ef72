"""A network of sites: each works on while its uplink is cut, collectors share the work, and an API keeps nothing."""

from collections.abc import Callable
from pathlib import Path

from tests.network import Network, running, until_all_settled
from tests.parts import Broker, Influx, until


def test_whatever_is_killed_or_cut_nothing_is_lost_and_a_replica_tells_of_all_sites(
    tmp_path: Path, start_mosquitto: Callable[..., Broker], influxdb: Influx
) -> None:
    with running(Network(tmp_path, start_mosquitto, influxdb)) as network:
        until(lambda: network.settled("a", "a") and network.stored("a", "a"), 30)
        network.centre.kill()
        before = network.testimonies["b"].total
        until(lambda: network.testimonies["b"].total > before + 5, 30)  # each site senses on by itself
        network.centre.start()
        network.collectors["a"].kill(None)
        network.edges["b"].kill()
        before = network.testimonies["a"].total
        until(lambda: network.testimonies["a"].total > before + 5, 30)
        network.edges["b"].start()
        network.collectors["a"].start()
        network.agents["b"].kill(None)
        network.agents["b"].start()
        network.load(0)
        until_all_settled(network)
        for site, other in ("ab", "ba"):
            assert network.violations(site, site) == []
            assert network.stored(other, site) == []
            until(lambda site=site: "unknown" not in network.states(site).values(), 60)  # type: ignore[misc]
