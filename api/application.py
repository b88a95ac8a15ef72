"""The application put together: routes, problems, document, door."""

from collections.abc import Sequence
from pathlib import Path

from fastapi import FastAPI
from starlette.types import ASGIApp

from api import metrics, operations
from api.audit import resource as audit_resource
from api.audit.taps import Taps
from api.document.openapi import DOCUMENT, describe
from api.entrance.allowances import Allowances
from api.entrance.door import Door
from api.entrance.entrance import Entrance, open_entrance
from api.entrance.gate import Gate
from api.forecast import resource as forecast_resource
from api.forecast.forecasts import Forecasts
from api.history import resources as history_resources
from api.history.way import History
from api.live import events as events_resource
from api.live import resources as live_resources
from api.live.kept import Kept
from api.live.live import Live
from api.metrics import Health
from api.operations import Check
from api.pages import audit as audit_page
from api.pages import find, manage, space
from api.pages import login as login_page
from api.pages import site as page
from api.planners import comparison_page, planning_page, report_page, week_page
from api.planning import resources as planning_resources
from api.plans.drawings import Drawings
from api.privacy import page as privacy_page
from api.problems import declare_problems
from api.replica import LoggedReadings, Replica
from api.spaceapi import resource as spaceapi_resource
from api.watches import resource as watches_resource
from api.watches.watches import Watches
from perch.adapters.readings_log import ReadingsLog
from perch.settings import Api, Broker, Face, ServerSettings

UNLIMITED = Api(requests_per_minute=0)


def build(
    live: Live,
    history: History,
    taps: Taps,
    checks: Sequence[tuple[str, Check]],
    *,
    health: Health = lambda: None,
    demo: bool = False,
    settings: Api = UNLIMITED,
    entrance: Entrance | None = None,
    readings: ReadingsLog | LoggedReadings | None = None,
    watches: Watches | None = None,
    faces: Sequence[Face] = (),
    served: ServerSettings | None = None,
) -> ASGIApp:
    """Put the application together around what it serves.

    `checks` are the parts that readiness depends on, `health` reads what the collector says of itself; `demo` says on
    the page that its data are simulated; `entrance` decides who comes in (None: everybody, as if at this machine), and
    `readings` keeps who read what of single spaces; `watches` tells whoever asked to be told;
    `faces` are what sites show to everybody, and `served` is the whole configuration, which `/privacy` tells of.
    """
    app = with_routes()
    app.state.checks = checks
    app.state.health = health
    app.state.demo = demo
    app.state.taps = taps
    app.state.readings = readings
    app.state.watches = watches
    app.state.faces = {face.site: face for face in faces}
    if settings.replica:
        app.add_middleware(Replica)
    return serving(app, live, history, settings, entrance, served)


def with_routes() -> FastAPI:
    """Give the application with nothing to serve yet."""
    app = FastAPI(
        title="Perch",
        version="1",
        summary="Desk and room occupancy: what holds now, and what was.",
        openapi_url=DOCUMENT,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    for routes in (
        live_resources,
        events_resource,
        history_resources,
        forecast_resource,
        planning_resources,
        audit_resource,
        watches_resource,
        spaceapi_resource,
        operations,
        metrics,
        login_page,
        page,
        privacy_page,
        audit_page,
        week_page,
        planning_page,
        comparison_page,
        find,
        space,
        manage,
        report_page,
    ):
        app.include_router(routes.router)
    app.include_router(privacy_page.resources)
    app.state.faces = {}
    declare_problems(app)
    describe(app)
    return app


def serving(
    app: FastAPI,
    live: Live,
    history: History,
    settings: Api = UNLIMITED,
    entrance: Entrance | None = None,
    served: ServerSettings | None = None,
) -> ASGIApp:
    """Have an application serve a network, behind its door and its gate."""
    app.state.live = live
    sites = tuple(live.directory.sites.values())
    app.state.served = served or ServerSettings(Path(), sites, (), Broker(), api=settings)
    app.state.history = history
    app.state.forecasts = Forecasts(history)
    app.state.drawings = Drawings(live.directory.sites.values())
    app.state.kept = kept = Kept(live.version_to, lambda: live.now().mono_ms)
    allowances = Allowances(settings.requests_per_minute, lambda: live.now().mono_ms)
    app.state.entrance = entrance = entrance or open_entrance(lambda: live.now().mono_ms)
    app.state.looked = None
    entrance.pages = frozenset(settings.cors_origins)
    return Gate(Door(app, live, kept, allowances, entrance), settings.cors_origins)
