"""What all planners' pages share: form, definitions, the ways between them, and what cannot be answered."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from api.entrance.access import Reader
from api.live.shapes import ProblemCause
from api.pages.frame import frame_of, is_page_wanted, template
from api.pages.languages import PARAMETER, Language, language_of, remembering
from api.planners.asking import Asked, Wish, is_day, kinds_of
from api.planners.wording import meaning, put_over, say, words
from api.problems import ParametersError
from perch.errors import PerchError, QuestionError
from perch.history.definitions import DEFINITIONS
from perch.model import SpaceKind

SHARES = (0.8, 0.9, 0.95, 0.98, 0.99)
_FIELDS: Mapping[str, Sequence[str]] = {
    "week": ("site", "kind"),
    "planning": ("site", "kind", "share"),
    "report": ("site",),
    "space": (),
}
_HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Accept-Language, Cookie"}


def answered(
    request: Request,
    reader: Reader,
    name: str,
    asked: Asked,
    build: Callable[[], Mapping[str, Any]],
    fields: Mapping[str, Any] | None = None,
) -> Response:
    """Give a page, or one that says what to do instead; whoever asks for no page gets a problem document.

    `fields` are those of the page's form, where it is not the usual one.
    """
    try:
        context, status = build(), 200
    except (ParametersError, PerchError, HTTPException) as error:
        if not is_page_wanted(request):
            raise
        status = _status(error)
        causes = [ProblemCause(cause.where, put_over(cause.what)) for cause in _causes(error)]
        context = {"heading": say(f"refused_{status}"), "causes": causes, "form": fields or form(asked, name)}
    file = f"{name}.html" if status == 200 else "refused.html"
    texts = asked.texts if status == 200 else {"site": asked.site.id}
    body = template(file).render(
        frame=frame_of(request, reader, name, texts),
        words=words(),
        put_over=put_over,
        site=asked.site,
        path=asked.path,
        **context,
    )
    return Response(body, status, _headers(request), "text/html; charset=utf-8")


def _headers(request: Request) -> dict[str, str]:
    """Say that an answer hangs on the language, and keep the one that the address chose."""
    if request.query_params.get(PARAMETER) in set(Language):
        return {**_HEADERS, "Set-Cookie": remembering(language_of(request))}
    return _HEADERS


def _status(error: Exception) -> int:
    if isinstance(error, HTTPException):
        return error.status_code
    return 422 if isinstance(error, ParametersError | QuestionError) else 503


def _causes(error: ParametersError | PerchError | HTTPException) -> list[ProblemCause]:
    if isinstance(error, ParametersError):
        return list(error.causes)
    if isinstance(error, HTTPException):
        return [ProblemCause("", str(error.detail))]
    what = f"{error.what}; {error.remedy}" if error.remedy else error.what
    return [ProblemCause(error.parameter if isinstance(error, QuestionError) else "", what)]


def form(asked: Asked, name: str) -> dict[str, Any]:
    """Give the fields of a page's form, as they were filled in or are taken to be."""
    site = asked.site
    kinds = kinds_of(site)
    chosen = asked.texts.get("kind", kinds[0])
    share = asked.texts.get("share", "0.95")
    shares = {f"{each:g}": f"{each:.0%}" for each in SHARES}
    selects = {
        "site": [option(each.id, each.name, site.id) for each in asked.sites],
        "kind": [option(kind, words()["kind_names"][kind], chosen) for kind in _with(kinds, chosen)],
        "share": [option(value, text, share) for value, text in {share: share, **shares}.items()],
    }
    return {
        "selects": {field: selects[field] for field in _FIELDS[name]},
        "days": [day_field(which, text) for which, text in asked.window(site).items()],
    }


def _with(kinds: list[SpaceKind], chosen: str) -> list[SpaceKind]:
    return [kind for kind in SpaceKind if kind in kinds or kind == chosen]


def option(value: str, text: str, chosen: str) -> dict[str, Any]:
    """Give something to choose."""
    return {"value": value, "text": text, "chosen": value == chosen}


def day_field(name: str, text: str) -> dict[str, Any]:
    """Give a field for a day, or for a time where one was written."""
    return {"name": name, "text": text, "type": "date" if is_day(text) else "text", "label": words()["fields"][name]}


def definitions(metrics: Iterable[str]) -> list[dict[str, Any]]:
    """Give what numbers mean, to stand on the same page."""
    return [meaning(DEFINITIONS[metric], "metrics") for metric in metrics]


def api_address(path: str, wish: Wish, asked: Asked, **more: str) -> str:
    """Give the address at which the API answers the same."""
    return f"/api/v1/{path}?" + urlencode({"site": wish.site.id, **asked.window(wish.site), **more})
