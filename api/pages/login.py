"""The page where one logs in with a key, and out again: a plain form; where the summary is public, it stands there too.

Logging in sets a cookie with a random number, whose hash is kept. The key itself stays nowhere.
"""

import json
import re
from functools import cache, lru_cache
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter, HTTPException, Request, Response

from api.entrance.access import ANYBODY, Matter, Reader
from api.entrance.entrance import Entrance, Refused
from api.live.live import Live
from api.live.resources import counted, summarised
from api.pages.assets import assets, text_of
from api.pages.frame import Frame, frame_of, render, sent
from api.pages.languages import Language, Words, filled, language_of, say, words_in
from api.parameters import TheLive, TheReader
from perch.adapters.keys import DAY_S, SESSION_DAYS, Key

router = APIRouter(include_in_schema=False)
LARGEST_BYTES = 4_000
LONGEST_WAY = 1_000
_A_WAY = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
_NO_STORE = {"Cache-Control": "no-store"}


@router.get("/login")
async def login_page(request: Request, live: TheLive, reader: TheReader) -> Response:
    """Show the form; who was sent here because they have no key goes on to what they asked for."""
    refused: Refused | None = request.scope["state"].get("refused")
    if request.scope["state"].get("hurried"):
        return sent(request, _plain_form(language_of(request), None))
    wanted = request.scope["state"].get("wanted") or request.query_params.get("next", "/")
    return _form(request, live, reader, wanted, refused)


@router.post("/login")
async def log_in(request: Request, live: TheLive, reader: TheReader) -> Response:
    """Take a key, and give a cookie for it."""
    given = await _fields(request)
    entrance: Entrance = request.app.state.entrance
    wanted = way_on(given.get("next", ""))
    key = entrance.try_key(given.get("key", "").strip(), request.scope)
    if isinstance(key, Refused):
        return _form(request, live, reader, wanted, key, tried=True)
    if entrance.is_open:
        return _sent_on(wanted)
    wait_s = entrance.wait_to_log_in(key, request.scope)
    if wait_s is not None:
        return _form(request, live, reader, wanted, Refused(429, "too many log in with this key", wait_s), tried=True)
    if reader.session is not None:
        await entrance.keys.close_session(reader.session)
    return _sent_on(wanted, _cookie(entrance, await entrance.keys.open_session(key)))


@router.post("/logout")
async def log_out(request: Request, reader: TheReader) -> Response:
    """End the login of this browser."""
    entrance: Entrance = request.app.state.entrance
    if reader.session is not None:
        await entrance.keys.close_session(reader.session)
    return _sent_on("/login", _cookie(entrance, "", 0))


def way_on(text: str) -> str:
    """Give the address to go on to: one of this server, and nothing that a browser could take for another's."""
    return text if len(text) <= LONGEST_WAY and _A_WAY.fullmatch(text) and not text.startswith("/log") else "/"


def _way_for(reader: Reader, way: str) -> str:
    """Lead whoever may not see the first page to one that they may see."""
    lost = way == "/" and reader.role is not None and not reader.may_read(Matter.LIVE)
    return "/manage" if lost else way


def _sent_on(where: str, cookie: str | None = None) -> Response:
    headers = {**_NO_STORE, "Location": where}
    return Response(status_code=303, headers=headers if cookie is None else {**headers, "Set-Cookie": cookie})


def _cookie(entrance: Entrance, token: str, seconds: int = SESSION_DAYS * DAY_S) -> str:
    secure = "; Secure" if entrance.names.is_tls else ""
    return f"{entrance.cookie}={token}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"


async def _fields(request: Request) -> dict[str, str]:
    """Read a small form; raises HTTPException."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise HTTPException(415, "send a form, with Content-Type: application/x-www-form-urlencoded")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BYTES:
            raise HTTPException(413, f"what is sent here has no more than {LARGEST_BYTES} bytes")
    try:
        return {name: values[0] for name, values in parse_qs(body.decode("ascii"), max_num_fields=10).items()}
    except ValueError:
        return {}


def _form(
    request: Request, live: Live, reader: Reader, wanted: str, refused: Refused | None, *, tried: bool = False
) -> Response:
    entrance: Entrance = request.app.state.entrance
    if refused is not None and refused.wait_s is not None:
        return _with(sent(request, _plain_form(language_of(request), refused.wait_s), refused.status), refused)
    frame = frame_of(request, reader, "login", {})
    words = _words()[frame.language]
    key = entrance.keys.get(reader.key)
    body = render(
        "login.html",
        frame,
        login=words,
        stays=filled(words["stays"], n=SESSION_DAYS),
        known="" if key is None else _known(words, live, key),
        is_open=entrance.is_open,
        complaint=words["wrong"] if refused is not None and tried else "",
        wanted=_way_for(reader, way_on(wanted)),
        summary=_summary(live) if entrance.public_summary and reader == ANYBODY else None,
    )
    return sent(request, body) if refused is None else _with(sent(request, body, refused.status), refused)


def _with(answer: Response, refused: Refused) -> Response:
    answer.headers.update(refused.headers)
    return answer


@lru_cache(maxsize=256)
def _plain_form(language: Language, wait_s: int | None) -> bytes:
    """Write the form that hangs on nobody, and leads to the first page: it costs next to nothing, however often."""
    words, own = words_in(language), _words()[language]
    return render(
        "login.html",
        Frame(language, words, assets().path, False, "/", [], [], False),
        login=own,
        stays=filled(own["stays"], n=SESSION_DAYS),
        known="",
        is_open=False,
        complaint="" if wait_s is None else say(own, "too_often", n=wait_s),
        wanted="/",
        summary=None,
    )


@cache
def _words() -> dict[str, Words]:
    words: dict[str, Words] = json.loads(text_of("login.json"))
    return words


def _known(words: Words, live: Live, key: Key) -> str:
    named = ", ".join(site.name for site in live.directory.sites.values() if key.sites is None or site.id in key.sites)
    sites = words["everywhere"] if key.sites is None else named
    return say(words, "known", name=key.name, role=words["roles"][key.role], sites=sites)


def _summary(live: Live) -> list[dict[str, Any]]:
    chosen = counted(live, ANYBODY)
    by_site = summarised(chosen, "").by_site
    return [
        {"name": site.name, "tally": by_site[site.id]} for site in live.directory.sites.values() if site.id in by_site
    ]
