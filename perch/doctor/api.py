"""The API: does it answer, and is every part of it ready."""

import http.client
import json
from collections.abc import Iterator
from http import HTTPStatus

from perch.doctor.findings import Finding, fault, ok, warn
from perch.settings import Api

TIMEOUT_S = 4.0
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  nothing is bound here


def look_at_api(api: Api) -> Iterator[Finding]:
    """Ask the API how it is."""
    where = f"{api.host}:{api.port}"
    connection = http.client.HTTPConnection(_EVERYWHERE.get(api.host, api.host), api.port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        parts = json.loads(answer.read())["parts"]
        unready = [f"{part['part']} ({part['detail']})" for part in parts if not part["ok"]]
        if answer.status == HTTPStatus.SERVICE_UNAVAILABLE and not parts:
            unready = ["it tells which part only to keys of all sites"]
    except ConnectionRefusedError:
        yield warn("api", f"does not run at {where}", "start it: perch api --config perch.toml")
        return
    except TimeoutError:
        yield fault("api", f"listens at {where} and does not answer", "see its log, and restart it")
        return
    except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError) as error:
        what = f"what listens at {where} is not Perch's API: {error}"
        yield fault("api", what, "correct port under [api], or end the other program")
        return
    finally:
        connection.close()
    if unready:
        yield warn("api", f"runs at {where}, but is not ready: {'; '.join(unready)}", "see the lines of these parts")
    else:
        yield ok("api", f"runs at {where}, and every part of it is ready")
