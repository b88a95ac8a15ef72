"""Every block of every page is carried out by a test, or it is said why not."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from perch import commands
from tests.documented import CARRIED_OUT, FENCE, NOT_HERE, OUTPUT, PAGES, ROOT, Block, blocks_of, indented, lines_of

ALL = [block for page in PAGES for block in blocks_of(page) if "toctree" not in block.language]
SHELL = [block for block in ALL if block.language in ("sh", "console")]


def excused(block: Block) -> bool:
    return any(page == block.page and block.text.startswith(words) for page, words in NOT_HERE)


def test_every_block_is_carried_out_by_a_test_or_it_is_said_why_not() -> None:
    loose = [
        block
        for block in ALL
        if (block.page, block.language) not in CARRIED_OUT and block.language not in OUTPUT and not excused(block)
    ]
    assert loose == [], "carry it out in a test, and say in tests/documented.py in which"


def test_nothing_that_is_said_of_blocks_is_out_of_date() -> None:
    there = {(block.page, block.language) for block in ALL}
    assert CARRIED_OUT.keys() - there == set()
    begun = {key for key in NOT_HERE for block in ALL if block.page == key[0] and block.text.startswith(key[1])}
    assert NOT_HERE.keys() - begun == set()
    for (page, language), test in CARRIED_OUT.items():
        source = (ROOT / "tests" / f"{test}.py").read_text("utf-8")
        assert Path(page).name in source, (page, test)
        assert language in source, (page, language, test)


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_fenced_and_says_what_it_is(page: str) -> None:
    assert indented(page) == []


def test_a_block_without_a_fence_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("Words:\n\n    perch demo\n\n- a list\n\n  ```sh\n  perch up\n  ```\n")
    page = os.path.relpath(tmp_path / "page.md", ROOT)
    assert indented(page) == ["    perch demo"]
    assert blocks_of(page) == [Block(page, 7, "sh", "perch up\n")]


def test_every_command_is_one_that_a_shell_takes() -> None:
    for block in SHELL:
        said = subprocess.run(["bash", "-n"], input="\n".join(lines_of(block)), capture_output=True, text=True)
        assert (said.returncode, said.stderr) == (0, ""), block


def perch_calls(line: str) -> Iterator[list[str]]:
    """Give the words behind `perch`, wherever a line calls it."""
    words = shlex.shlex(line, posix=True, punctuation_chars=True)
    words.whitespace_split = True
    call: list[str] | None = None
    for word in (*words, ";"):
        if set(word) <= set("();<>|&"):
            if call and "/" not in call[0]:  # else a folder of that name is moved or removed
                yield call
            call = None
        elif call is not None:
            call.append(word)
        elif Path(word).name == "perch":
            call = []


def parse(command: click.Command, words: list[str], above: click.Context | None = None) -> None:
    """Take words as `perch` would; raises where there is no such command or option."""
    context = click.Context(command, above)
    _, rest, _ = command.make_parser(context).parse_args(list(words))
    if isinstance(command, click.Group) and rest:
        found = command.get_command(context, rest[0])
        assert found is not None, rest
        parse(found, rest[1:], context)


def test_every_command_and_option_of_perch_is_there() -> None:
    called = [(block, call) for block in SHELL for line in lines_of(block) for call in perch_calls(line)]
    assert len(called) > 60
    for block, call in called:
        try:
            parse(commands.perch, call)
        except click.ClickException as error:
            pytest.fail(f"{block.page}:{block.line}: perch {shlex.join(call)}: {error.message}")


@pytest.mark.parametrize("page", PAGES)
def test_every_command_in_a_sentence_is_there(page: str) -> None:
    text = FENCE.sub("", (ROOT / page).read_text("utf-8"))
    for said in re.findall(r"`((?:\S*/)?perch [a-z-][^`]*)`", text):
        for words in alternatives(said):
            for call in perch_calls(words):
                try:
                    parse(commands.perch, call)
                except click.ClickException as error:
                    pytest.fail(f"{page}: {said}: {error.message}")


def alternatives(said: str) -> list[str]:
    """Give the commands that a sentence means by `a|b` (a shell's own `|` has spaces around it)."""
    found = re.search(r"(\S+\|\S+)", said)
    return [said.replace(found[1], word) for word in found[1].split("|")] if found else [said]


def test_a_command_that_is_not_there_is_found() -> None:
    assert [*perch_calls("cd x; sudo /opt/perch/bin/perch up --config a &")] == [["up", "--config", "a"]]
    with pytest.raises(click.ClickException):
        parse(commands.perch, ["up", "--conifg", "a"])
    with pytest.raises(AssertionError):
        parse(commands.perch, ["agents", "send-home"])
