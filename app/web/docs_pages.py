"""/docs and /redoc, with all that they need served from here: they work without the internet."""

from collections.abc import Awaitable, Callable
from pathlib import Path

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

FOLDER = Path(__file__).resolve().parents[1] / "static" / "docs"
# The package ships Swagger UI and ReDoc as they were released.
VENDOR = ("fastapi_offline", "static")
# Both write styles into the page, and ReDoc searches in a worker made of a blob.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "worker-src blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
# A day; then browsers ask whether the file's ETag is still the same.
CACHING = "public, max-age=86400"


def install_docs_pages(app: FastAPI) -> None:
    """Serve the two pages, and the files that they load."""
    app.router.routes += [
        Route("/docs", _page("swagger.html"), include_in_schema=False),
        Route("/redoc", _page("redoc.html"), include_in_schema=False),
        Route("/docs/assets/{name}", _assets(), include_in_schema=False),
    ]


def _page(name: str) -> Callable[[Request], Awaitable[Response]]:
    async def page(_request: Request) -> Response:
        return FileResponse(FOLDER / name, headers={"Content-Security-Policy": POLICY})

    return page


def _assets() -> Callable[[Request], Awaitable[Response]]:
    files = StaticFiles(directory=FOLDER, packages=[VENDOR])

    async def asset(request: Request) -> Response:
        response = await files.get_response(request.path_params["name"], request.scope)
        response.headers["Cache-Control"] = CACHING
        return response

    return asset
