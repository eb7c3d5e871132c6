"""Files that are served as they are."""

from http import HTTPStatus

from fastapi import Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from app.routes.errors import FILE_METHODS


class Files(StaticFiles):
    """The files of a folder, which also say how they may be asked."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file, or to OPTIONS with the methods it takes."""
        if scope["method"] != "OPTIONS":
            return await super().get_response(path, scope)
        # what is not there takes none
        await super().get_response(path, {**scope, "method": "HEAD"})
        return Response(
            status_code=HTTPStatus.NO_CONTENT,
            headers={"Allow": ", ".join(FILE_METHODS)},
        )
