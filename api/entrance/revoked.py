"""What takes long ends when its reader would not be let in any more."""

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class EndedError(Exception):
    """A reader's key or login ended in the middle of an answer."""


class WhileAdmitted:
    """Sends an answer as long as its reader is admitted; what is cut off is no whole answer, and looks like none."""

    def __init__(self, send: Send, is_admitted: Callable[[], bool]) -> None:
        self._send = send
        self._is_admitted = is_admitted
        self._is_events = False

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Have a request answered."""
        try:
            await app(scope, receive, self)
        except EndedError:
            if self._is_events:
                await self._send({"type": "http.response.body", "body": b""})

    async def __call__(self, message: Message) -> None:
        """Send one piece; raises EndedError instead where more than one is to come."""
        if message["type"] == "http.response.start":
            kinds = [text for name, text in message.get("headers", ()) if name.lower() == b"content-type"]
            self._is_events = any(kind.startswith(b"text/event-stream") for kind in kinds)
        elif message.get("more_body") and not self._is_admitted():
            raise EndedError
        await self._send(message)
