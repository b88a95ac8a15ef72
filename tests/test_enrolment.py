"""Enrolment without a network: what an invitation says, whom the desk believes, what the broker is then told."""

import hashlib
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perch.contract import roster as rosters
from perch.contract.credentials import is_kept, kept_of, mosquitto_passwords
from perch.contract.desk import (
    LASTS_S,
    MOST_WATCHED,
    MOST_WRONG,
    WINDOW_S,
    Desk,
    Verdict,
    is_over,
    is_used_up,
    judged,
    opened,
    settled,
)
from perch.contract.enrolment import (
    MAX_BYTES,
    Invitation,
    Request,
    Terms,
    certificate_in,
    decode,
    encode,
    fingerprint,
    hash_of,
    parse_invitation,
)
from perch.contract.rights import Others, Rights, mosquitto_acl, rights_of
from perch.contract.roster import Member, Roster, with_member, without_member
from perch.contract.topics import topic, user_name
from perch.errors import ContractError, IllegalEventError, InputError
from perch.settings.broker_written import new_agent, with_broker
from tests.enrolled import a_site

SECRET = "s" * 43
ids = st.from_regex(r"[a-z0-9][a-z0-9-]{0,31}", fullmatch=True)
hosts = st.one_of(st.ip_addresses().map(str), st.just("broker.hq.example"))
urlsafe = st.text("abcXYZ019_-", min_size=43, max_size=43)
hexes = st.text("0123456789abcdef", min_size=64, max_size=64)
invitations = st.builds(Invitation, ids, ids, urlsafe, hosts, st.integers(1, 65_535), hexes)


# The invitation.


@given(invitations)
def test_an_invitation_is_read_as_it_was_written(one: Invitation) -> None:
    assert parse_invitation(f"  {one}\n") == one
    assert one.secret not in repr(one)


@given(invitations, st.integers(0, 200))
def test_a_part_of_an_invitation_is_refused_and_not_repeated(one: Invitation, length: int) -> None:
    text = str(one)
    with pytest.raises(ContractError, match="no invitation") as refusal:
        parse_invitation(text[: min(length, len(text) - 1)])
    assert one.secret not in str(refusal.value.sentence)


@given(st.text(max_size=200))
def test_any_text_is_an_invitation_or_refused(text: str) -> None:
    with pytest.raises(ContractError):
        parse_invitation(text)


@pytest.mark.parametrize("text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nA\n-----END CERTIFICATE-----"])
def test_what_is_no_certificate_has_no_fingerprint(text: str) -> None:
    with pytest.raises(ContractError):
        fingerprint(text)


def test_a_message_that_is_too_long_or_none_is_refused() -> None:
    for body in (b"", b"{}", b"[" * 10_000, b" " * (MAX_BYTES + 1), b'{"v":1,"user":"' + b"x" * 100 + b'"}'):
        with pytest.raises(ContractError):
            decode(body, Request)
    assert decode(encode(Request(v=1, user="hq_pi-1", secret=SECRET)), Request).secret == SECRET
    with pytest.raises(ContractError):
        decode(b'{"v":1,"host":"h","port":1,"identity":"face"}', Terms)


# The desk.


ONE, OTHER = hash_of("one"), hash_of("other")


def a_desk() -> Desk:
    return opened([(ONE, "hq_pi-1"), (OTHER, "hq_pi-2")], 0.0)


def test_an_invitation_works_once_for_its_agent_in_its_time() -> None:
    desk, verdict = judged(a_desk(), ONE, "hq_pi-1", b"asked", "here", 1.0)
    assert verdict is Verdict.GRANT
    assert desk.waits_for == ("hq_pi-1", "hq_pi-2")
    desk = settled(desk, ONE, b"asked")
    assert desk.waits_for == ("hq_pi-2",)
    assert judged(desk, ONE, "hq_pi-1", b"asked", "here", 2.0)[1] is Verdict.AGAIN
    assert judged(desk, ONE, "hq_pi-1", b"another", "here", 2.0)[1] is Verdict.USED
    assert judged(desk, OTHER, "hq_pi-1", b"asked", "here", 2.0)[1] is Verdict.OTHER
    assert judged(desk, OTHER, "hq_pi-2", b"asked", "here", LASTS_S)[1] is Verdict.OVER
    assert judged(desk, hash_of("guess"), "hq_pi-2", b"asked", "here", 2.0)[1] is Verdict.UNKNOWN
    assert not is_used_up(desk, LASTS_S - 1)
    assert is_used_up(desk, LASTS_S)
    assert is_used_up(settled(desk, OTHER, b"asked"), 3.0)
    assert not is_over(settled(desk, OTHER, b"asked"), LASTS_S - 1), "somebody may still find that his was used"
    assert is_over(desk, LASTS_S)


def test_whoever_guesses_is_not_looked_at_for_a_minute_and_others_are() -> None:
    desk = a_desk()
    for guess in range(MOST_WRONG):
        desk, verdict = judged(desk, hash_of(str(guess)), "hq_pi-1", b"", "there", float(guess))
        assert verdict is Verdict.UNKNOWN
    assert judged(desk, ONE, "hq_pi-1", b"", "there", 10.0)[1] is Verdict.TOO_MANY
    assert judged(desk, ONE, "hq_pi-1", b"", "here", 10.0)[1] is Verdict.GRANT
    assert judged(desk, ONE, "hq_pi-1", b"", "there", 10.0 + WINDOW_S)[1] is Verdict.GRANT


def test_guesses_from_everywhere_fill_no_memory() -> None:
    desk = a_desk()._replace(wrong={str(number): (1.0,) for number in range(MOST_WATCHED)})
    after, verdict = judged(desk, hash_of("guess"), "hq_pi-1", b"", "one more", 2.0)
    assert verdict is Verdict.TOO_MANY
    assert len(after.wrong) == MOST_WATCHED
    assert judged(desk, ONE, "hq_pi-1", b"", "one more", 2.0)[1] is Verdict.GRANT, "nor keep out who was invited"


@given(
    st.lists(
        st.tuples(st.sampled_from([b"1", b"2", b"3"]), st.sampled_from("ab"), st.binary(max_size=1), st.floats(0, 300)),
        max_size=40,
    )
)
def test_whatever_is_shown_in_whatever_order_each_invitation_is_granted_for_one_request(
    shown: list[tuple[bytes, str, bytes, float]],
) -> None:
    desk = opened([(b"1", "a"), (b"2", "b")], 0.0)
    granted: dict[bytes, bytes] = {}
    now_s = 0.0
    for secret, user, request, step_s in shown:
        now_s += step_s
        desk, verdict = judged(desk, secret, user, request, "there", now_s)
        if verdict is Verdict.GRANT:
            assert secret not in granted
            assert now_s < LASTS_S
            assert (secret, user) in ((b"1", "a"), (b"2", "b"))
            granted[secret] = request
            desk = settled(desk, secret, request)
        elif verdict is Verdict.AGAIN:
            assert granted[secret] == request


# Passwords.


def test_what_is_kept_of_a_password_is_what_mosquitto_computes() -> None:
    """The broker itself says so in `test_broker_attacks`; here the parts are told apart."""
    kept = kept_of("secret", b"twelve bytes")
    _, kind, rounds, salt, digest = kept.split("$")
    assert (kind, rounds) == ("7", "101")
    assert (len(salt), len(digest)) == (16, 88)
    assert "secret" not in kept
    assert is_kept(kept)
    assert mosquitto_passwords({"hq_pi-2": "b", "hq_pi-1": "a"}) == "hq_pi-1:a\nhq_pi-2:b\n"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "$7$101$",
        kept_of("x", b"twelve bytes") + "\nserver:$7$",
        "\n" + kept_of("x", b"twelve bytes"),
        "$6$a$b",
        "plain",
    ],
)
def test_what_would_be_another_line_of_the_brokers_file_is_no_password(text: str) -> None:
    assert not is_kept(text)


# The roster.


def member(agent: str, **more: object) -> Member:
    return Member(site="hq", agent=agent, since_s=1, **more)  # type: ignore[arg-type]


def test_a_roster_is_read_as_it_was_written() -> None:
    roster = with_member(with_member(Roster(), member("pi-1", kept="k")), member("pi-2", serial="AB12"))
    roster = without_member(roster, "hq_pi-2", 7)
    assert rosters.decode(rosters.encode(roster)) == roster
    assert (roster.members["hq_pi-2"].kept, roster.members["hq_pi-2"].serial) == (None, None)
    assert (roster.passwords, roster.revoked) == ({"hq_pi-1": "k"}, {"hq_pi-2"})
    assert [(one.serial, one.since_s) for one in roster.withdrawn] == [("AB12", 7)]


def test_a_certificate_that_is_replaced_is_withdrawn() -> None:
    roster = with_member(Roster(), member("pi-1", serial="AA"))
    roster = with_member(roster, replace_member(member("pi-1", serial="BB"), 9))
    assert [one.serial for one in roster.withdrawn] == ["AA"]
    assert roster.members["hq_pi-1"].serial == "BB"


def replace_member(one: Member, since_s: int) -> Member:
    return Member(site=one.site, agent=one.agent, since_s=since_s, serial=one.serial)


def test_who_has_nothing_cannot_be_revoked_and_nothing_changes() -> None:
    roster = without_member(with_member(Roster(), member("pi-1", kept="k")), "hq_pi-1", 2)
    for user in ("hq_pi-1", "hq_nobody"):
        with pytest.raises(IllegalEventError):
            without_member(roster, user, 3)
    assert with_member(roster, member("pi-1", kept="new")).passwords == {"hq_pi-1": "new"}


@pytest.mark.parametrize("body", [b"", b"{", b'{"v":2}', b'{"members":{"a":1}}', b"[" * 10_000])
def test_what_is_no_roster_is_refused(body: bytes) -> None:
    with pytest.raises(ContractError):
        rosters.decode(body)


# Rights.


def matches(filter_: str, name: str) -> bool:
    """Whether a filter of an access list covers a topic."""
    wanted, parts = filter_.split("/"), name.split("/")
    if wanted[-1] == "#":
        wanted, parts = wanted[:-1], parts[: len(wanted) - 1]
    return len(wanted) == len(parts) and all(one in ("+", part) for one, part in zip(wanted, parts, strict=True))


def topics_of(site: str, agent: str) -> list[str]:
    return [topic(site, agent, channel) for channel in ("up", "ack", "status")] + [topic(site, agent, "state", "d01")]


@given(st.lists(st.tuples(ids, ids), min_size=2, max_size=6, unique=True), st.booleans())
def test_no_agent_has_a_right_to_a_topic_of_another(agents: list[tuple[str, str]], tells: bool) -> None:
    sites = [a_site(site, *(agent for name, agent in agents if name == site)) for site in {site for site, _ in agents}]
    rights = {one.user: one for one in rights_of(sites, Others("server", ("lobby",)), home_assistant=tells)}
    for site, agent in agents:
        own = rights[user_name(site, agent)]
        assert [name for name in topics_of(site, agent) if any(matches(one, name) for one in own.write)] == [
            name for name in topics_of(site, agent) if not name.endswith("/ack")
        ]
        assert own.read == (topic(site, agent, "ack"),)
        for others in agents:
            if others != (site, agent):
                assert not any(matches(one, name) for one in (*own.write, *own.read) for name in topics_of(*others))
    assert rights["lobby"].write == ()
    assert not any(
        matches(one, name) for one in rights["lobby"].read for pair in agents for name in topics_of(*pair)[:2]
    )
    assert not any(
        matches(one, name) for one in rights["server"].write for pair in agents for name in topics_of(*pair)[::2]
    )
    for one in rights.values():
        assert not any(name.startswith(("$", "#", "+")) for name in (*one.write, *one.read))


def test_who_was_revoked_or_is_in_no_layout_is_not_listed() -> None:
    sites = [a_site("hq", "pi-1", "pi-2")]
    listed = [one.user for one in rights_of(sites, Others(), without={"hq_pi-2"})]
    assert listed == ["hq_pi-1"]


def test_the_access_list_is_what_mosquitto_reads() -> None:
    text = mosquitto_acl([Rights("server", ("a/+",), ("a/#",)), Rights("hq_pi-1", (), ("b",))])
    assert text == "user server\ntopic write a/+\ntopic read a/#\n\nuser hq_pi-1\ntopic read b\n"


# agent.toml.


BROKER = {"host": "b.example", "port": 8883, "ca": "ca.pem", "password_file": "agent.password"}
WRITTEN = """# Our third Pi.
site = "hq"
agent = "pi-3"   # by the window
data = "/var/lib/perch"
{}
# What hangs on it.
[[space]]
id = "d01"
kind = "desk"
"""


@pytest.mark.parametrize(
    "table", ["", '\n[broker]\nhost = "old"\ncertificate = "a"\nkey = "b"\nprotocol = "3.1.1"   # an old one\n']
)
def test_the_broker_is_put_into_what_somebody_wrote_and_nothing_else_changes(table: str) -> None:
    text = with_broker(WRITTEN.format(table), BROKER, "agent.toml")
    kept = {"protocol": "3.1.1"} if table else {}
    assert tomllib.loads(text) == {**tomllib.loads(WRITTEN.format("")), "broker": {**BROKER, **kept}}
    for line in ("# Our third Pi.", 'agent = "pi-3"   # by the window', "# What hangs on it."):
        assert line in text
    assert with_broker(text, BROKER, "agent.toml") == text


def test_a_broker_that_cannot_be_told_apart_is_left_alone() -> None:
    with pytest.raises(InputError, match="cannot be replaced"):
        with_broker('site = "hq"\nbroker = { host = "old" }\n', BROKER, "agent.toml")


def test_a_new_configuration_begins_with_who_and_where() -> None:
    values = tomllib.loads(new_agent("hq", "pi-3", "/var/lib/perch", BROKER))
    assert values == {"site": "hq", "agent": "pi-3", "data": "/var/lib/perch", "broker": BROKER}


def test_a_fingerprint_is_that_of_the_certificate_and_not_of_the_text() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert fingerprint(pem) == fingerprint("with words before\n" + pem) == hashlib.sha256(b"\0\0\0").hexdigest()
    with pytest.raises(ContractError):
        fingerprint(pem + pem)


def test_of_a_text_around_a_certificate_nothing_is_trusted() -> None:
    other = "-----BEGIN X509 CERTIFICATE-----\nAAAB\n-----END X509 CERTIFICATE-----\n"
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    assert certificate_in(f"{other}words\n{pem}{other}") == pem
    assert certificate_in(pem.replace("AAAA", "A A\nAA")) == pem
