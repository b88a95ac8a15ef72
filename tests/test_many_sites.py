"""A network of sites: each works on while its uplink is cut, collectors share the work, and an API keeps nothing."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.network import SPACES, Network, perch, running, until_all_settled
from tests.parts import Broker, Influx, until


@pytest.mark.long
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
            until(lambda site=site: set(network.states(site)) == set(SPACES), 60)  # type: ignore[misc]
            until(lambda site=site: "unknown" not in network.states(site).values(), 60)  # type: ignore[misc]
            until(lambda site=site: network.told(site) == network.observed(site, site), 60)  # type: ignore[misc]


@pytest.mark.long
def test_a_site_moves_to_another_collector_and_nothing_is_lost_or_repeated(
    tmp_path: Path, start_mosquitto: Callable[..., Broker], influxdb: Influx
) -> None:
    with running(Network(tmp_path, start_mosquitto, influxdb)) as network:
        until(lambda: network.testimonies["a"].total > 20, 30)
        until(lambda: network.told("a"), 60)
        network.collectors["a"].end(10)
        network.collectors["b"].end(10)
        source = str(network.data("a") / "journal.db")
        words = ("journal", "take-over", source, "--site", "a", "--config", str(network.config))
        assert perch(*words, PERCH_DATA=str(network.data("b"))).returncode == 0
        again = perch(*words, PERCH_DATA=str(network.data("b")))
        assert again.stdout.startswith("0 events of a ")
        network.collect("b", "a", "b")
        before = network.testimonies["a"].total
        until(lambda: network.testimonies["a"].total > before + 5, 30)
        network.load(0)
        until_all_settled(network, a="b")
        assert network.violations("b", "a") == []
        assert network.violations("b", "b") == []
        for site in "ab":
            until(lambda site=site: network.told(site) == network.observed("b", site), 60)  # type: ignore[misc]
