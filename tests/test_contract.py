"""The wire: what is built can be parsed, and comes out as it went in."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch import contract
from perch.contract import Ack, AliveEvent, Batch, Event, LiveState, StateEvent, Status
from perch.errors import ContractError
from perch.model import Clock, Reason, State
from tests.wire import BOOT, EPOCH, acks, alive, batches, epochs, events, ids, lives, statuses, up


@given(batch=batches(), site=ids, agent=ids)
def test_a_batch_comes_out_as_it_went_in(batch: Batch, site: str, agent: str) -> None:
    message = contract.build_up(site, agent, batch)
    parsed = contract.parse_up(message.payload)
    assert (parsed.epoch, parsed.boot, parsed.sent_mono_ms) == (batch.epoch, batch.boot, batch.sent_mono_ms)
    assert parsed.events == batch.events
    assert contract.parse_topic(message.topic) == contract.Address(site, agent, "up")
    assert not message.retain


@given(event=events)
def test_an_event_comes_out_as_it_went_in(event: Event) -> None:
    assert contract.decode_event(contract.encode_event(event)) == event


@given(state=lives, site=ids, agent=ids, space=ids)
def test_a_live_state_comes_out_as_it_went_in(state: LiveState, site: str, agent: str, space: str) -> None:
    message = contract.build_state(site, agent, space, state)
    assert contract.parse_state(message.payload) == state
    assert contract.parse_topic(message.topic) == contract.Address(site, agent, "state", space)
    assert message.retain
    assert message.expiry_s is not None
    assert state.valid_for_ms <= message.expiry_s * 1000 < state.valid_for_ms + 1000


@given(ack=acks)
def test_a_receipt_comes_out_as_it_went_in(ack: Ack) -> None:
    assert contract.parse_ack(contract.build_ack("hq", "pi-3", ack).payload) == ack


@given(status=statuses)
def test_a_status_comes_out_as_it_went_in(status: Status) -> None:
    message = contract.build_status("hq", "pi-3", status)
    assert contract.parse_status(message.payload) == status
    assert message.retain


@given(epoch=epochs, run=st.integers(0, 2**53))
def test_a_will_says_no_more_than_that_the_agent_is_gone(epoch: str, run: int) -> None:
    payload = contract.build_status("hq", "pi-3", contract.will(epoch, run)).payload
    assert json.loads(payload) == {"v": 1, "online": False, "epoch": epoch, "run": run}
    assert contract.parse_status(payload) == contract.will(epoch, run)


def test_payloads_look_as_the_contract_writes_them() -> None:
    event = StateEvent(1, "d01", State.OCCUPIED, 0.97, None, Reason.MOTION, 10, 20, Clock.OK)
    batch = Batch(v=1, epoch=EPOCH, boot=BOOT, sent_mono_ms=None, events=(event,))
    text = contract.build_up("hq", "pi-3", batch).payload.decode()
    assert text == (
        f'{{"v":1,"epoch":"{EPOCH}","boot":"{BOOT}","sent_mono_ms":null,"events":[{{"type":"state","seq":1,'
        '"space":"d01","state":"occupied","probability":0.97,"count":null,"reason":"motion","wall_ms":10,'
        '"mono_ms":20,"clock":"ok"}]}'
    )


def test_fields_that_are_not_known_are_ignored() -> None:
    assert contract.parse_up(up(alive(1, colour="red"), colour="red")).events == (AliveEvent(1, 1, 2, Clock.OK),)
    status = b'{"v":1,"online":true,"epoch":"%s","run":1,"mood":{"deep":[1]}}' % EPOCH.encode()
    assert contract.parse_status(status).online


def test_topics_are_those_of_the_contract() -> None:
    assert contract.topic("hq", "pi-3", "up") == "perch/v1/hq/pi-3/up"
    assert contract.topic("hq", "pi-3", "state", "d01") == "perch/v1/hq/pi-3/state/d01"
    assert contract.topic("+", "+", "state", "+") == "perch/v1/+/+/state/+"
    assert contract.user_name("hq", "pi-3") == "hq_pi-3"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "perch",
        "perch/v1/hq/pi-3",
        "perch/v2/hq/pi-3/up",
        "perch/v1/hq/pi-3/down",
        "perch/v1/hq/pi-3/up/d01",
        "perch/v1/hq/pi-3/state",
        "perch/v1/hq/pi-3/state/",
        "perch/v1/hq/pi-3/state/d01/x",
        "perch/v1/HQ/pi-3/up",
        "perch/v1/hq/pi-3\n/up",
        "perch/v1//pi-3/up",
        "/perch/v1/hq/pi-3/up",
        "perch/v1/+/pi-3/up",
        "perch/v1/hq/pi-3/state/#",
        "x" * 70_000,
    ],
    ids=lambda text: text[:30],
)
def test_a_topic_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(ContractError) as caught:
        contract.parse_topic(text)
    assert caught.value.code == "bad-topic"


@given(text=st.text(max_size=60) | st.lists(ids | st.sampled_from(["perch", "v1", "up", "state"])).map("/".join))
def test_any_topic_is_parsed_back_to_itself_or_refused(text: str) -> None:
    try:
        address = contract.parse_topic(text)
    except ContractError:
        return
    assert contract.topic(address.site, address.agent, address.channel, address.space) == text
