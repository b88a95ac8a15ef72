"""`perch dashboards push`, against a server that answers as Grafana's documentation says."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dashboards import building
from perch.commands.dashboards import dashboards
from perch.errors import InputError, PerchError
from tests.grafana_server import TOKEN, Grafana, grafana_server
from tests.parts import free_port

ZONES_ONLY = [one["uid"] for one in building.all_dashboards() if one["uid"] != "perch-spaces"]


@pytest.fixture
def grafana() -> Iterator[Grafana]:
    with grafana_server() as server:
        yield server


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "grafana.token"
    path.write_text(f"{TOKEN}\n")
    return path


def push(url: str, token_file: Path, *options: str) -> Result:
    arguments = ["push", "--url", url, "--token-file", str(token_file), *options]
    return CliRunner(env={"NO_PROXY": "*"}).invoke(dashboards, arguments)


def refused(result: Result) -> PerchError:
    assert isinstance(result.exception, PerchError), result.output
    assert TOKEN not in result.output + str(result.exception)
    return result.exception


def test_the_first_push_makes_the_folder_and_each_dashboard_by_uid(grafana: Grafana, token_file: Path) -> None:
    result = push(grafana.url, token_file)
    assert result.exit_code == 0, result.exception
    assert result.output.splitlines() == [f"Perch {name}: created" for name in ("live", "week", "network", "fleet")]
    assert grafana.folders == {"perch": "Perch"}
    assert list(grafana.dashboards) == ZONES_ONLY
    assert set(grafana.folder_of.values()) == {"perch"}
    assert all("/id/" not in asked for asked in grafana.asked)


def test_single_spaces_are_pushed_only_where_asked_for_and_into_a_folder_of_their_own(
    grafana: Grafana, token_file: Path
) -> None:
    assert push(grafana.url, token_file, "--spaces").exit_code == 0
    assert grafana.folders == {"perch": "Perch", "perch-spaces": "Perch spaces"}
    assert [uid for uid, folder in grafana.folder_of.items() if folder == "perch-spaces"] == ["perch-spaces"]


def test_pushing_again_changes_nothing(grafana: Grafana, token_file: Path) -> None:
    push(grafana.url, token_file)
    grafana.asked.clear()
    result = push(f"{grafana.url}/", token_file)
    assert result.output.count("is current") == len(ZONES_ONLY)
    assert not [asked for asked in grafana.asked if asked.startswith("POST")]
    assert {one["version"] for one in grafana.dashboards.values()} == {1}


def test_what_somebody_changed_is_left_as_it_is_until_told_otherwise(grafana: Grafana, token_file: Path) -> None:
    push(grafana.url, token_file)
    grafana.dashboards["perch-week"].update(title="Our week", version=4)
    left = push(grafana.url, token_file)
    assert "Perch week: differs, and was left as it is" in left.output
    assert "--overwrite" in refused(left).remedy
    assert grafana.dashboards["perch-week"]["title"] == "Our week"
    result = push(grafana.url, token_file, "--overwrite")
    assert result.exit_code == 0
    assert "Perch week: updated" in result.output
    assert (grafana.dashboards["perch-week"]["title"], grafana.dashboards["perch-week"]["version"]) == ("Perch week", 5)


def test_a_change_in_the_same_moment_is_not_overwritten(grafana: Grafana, token_file: Path) -> None:
    push(grafana.url, token_file)
    grafana.dashboards["perch-live"]["title"] = "Mine"
    grafana.changes_meanwhile = True
    error = refused(push(grafana.url, token_file, "--overwrite"))
    assert "412" in error.what
    assert "somebody changed it a moment ago" in error.remedy
    assert grafana.dashboards["perch-live"]["title"] == "Mine"


def test_a_namesake_in_the_folder_is_not_replaced(grafana: Grafana, token_file: Path) -> None:
    grafana.folders["perch"] = "Perch"
    grafana.dashboards["other"] = {"uid": "other", "title": "Perch live", "version": 1}
    grafana.folder_of["other"] = "perch"
    assert "another dashboard of that name" in refused(push(grafana.url, token_file)).remedy


def test_an_answer_without_a_word_is_success(grafana: Grafana, token_file: Path) -> None:
    grafana.nothing_to_say = True
    assert push(grafana.url, token_file).exit_code == 0
    assert list(grafana.dashboards) == ZONES_ONLY


@pytest.mark.parametrize(
    ("status", "body", "remedy"),
    [
        (401, b'{"message":"Invalid API key"}', "service account"),
        (403, b'{"message":"Access denied"}', "Editor"),
        (400, b'{"message":"Cannot save provisioned dashboard"}', "change the file"),
        (429, b"slow down", "in a minute"),
        (500, b'{"message":"database is locked"}', "Grafana's log"),
        (502, b"<html>bad gateway</html>", "Grafana's log"),
        (200, b"<html>please log in</html>", "address of Grafana itself"),
        (200, b"[]", "address of Grafana itself"),
    ],
)
def test_a_refusal_says_what_to_do(grafana: Grafana, token_file: Path, status: int, body: bytes, remedy: str) -> None:
    grafana.status, grafana.body = status, body
    error = refused(push(grafana.url, token_file))
    assert remedy in error.remedy
    assert grafana.url in error.what


def test_a_wrong_token_is_refused_by_grafana_and_not_shown(grafana: Grafana, token_file: Path) -> None:
    token_file.write_text("glsa_wrong")
    error = refused(push(grafana.url, token_file))
    assert "401" in error.what
    assert "glsa_wrong" not in error.sentence


def test_a_token_that_would_travel_unencrypted_over_a_network_is_told_of(token_file: Path) -> None:
    assert "unencrypted" in push(f"http://0.0.0.0:{free_port()}", token_file).output
    assert "unencrypted" not in push(f"http://127.0.0.1:{free_port()}", token_file).output


def test_a_grafana_that_is_not_there_is_named(token_file: Path) -> None:
    error = refused(push(f"http://127.0.0.1:{free_port()}", token_file))
    assert "does not answer" in error.what


@pytest.mark.parametrize("text", ["", " \n", "two words", "ключ"])
def test_a_file_without_a_token_is_a_wrong_input(token_file: Path, text: str) -> None:
    token_file.write_text(text)
    assert isinstance(push("http://127.0.0.1:1", token_file).exception, InputError)


def test_a_missing_file_and_a_wrong_address_are_wrong_input(tmp_path: Path, token_file: Path) -> None:
    assert isinstance(push("http://127.0.0.1:1", tmp_path / "none").exception, InputError)
    for url in ("grafana.example", "ftp://grafana.example", "https://me:secret@grafana.example"):
        assert isinstance(push(url, token_file).exception, InputError), url
