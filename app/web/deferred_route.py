"""Routes that FastAPI works out when they are first asked for, and not while the service starts."""

from collections.abc import Callable
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import Match, compile_path
from starlette.types import Scope

from app.web.convertors import register_convertors

register_convertors()


class DeferredRoute(APIRoute):
    """A route that knows which requests are its own, and no more until one comes.

    What FastAPI makes of a handler's signature takes some milliseconds: for all routes together, a
    quarter of a start. `web/warming.py` does it right after.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self._not_worked_out: dict[str, Any] | None = options
        self._beginning = path.partition("{")[0]
        self.path, self.endpoint = path, endpoint
        self.methods = {*options["methods"]}
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)

    def __getattr__(self, name: str) -> Any:
        """What is not there yet."""
        if self.__dict__.get("_not_worked_out") is None:
            raise AttributeError(name)
        self.work_out()
        return getattr(self, name)

    def work_out(self) -> None:
        """Make what serving it takes, unless that is done.

        Raises:
            FastAPIError: FastAPI can make nothing of the handler; each time that this is asked.
        """
        if self._not_worked_out is None:
            return
        options, self._not_worked_out = self._not_worked_out, None
        try:
            super().__init__(self.path, self.endpoint, **options)
        except BaseException:
            self._not_worked_out = options
            raise

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        # Below a proxy's path, only the pattern knows where ours begins.
        if not scope.get("root_path") and not scope["path"].startswith(self._beginning):
            return Match.NONE, {}
        return super().matches(scope)
