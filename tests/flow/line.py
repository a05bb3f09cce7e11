"""The line to a vendor in process: what the vendor's sandbox raises where a socket would have failed is what an HTTP client would see."""

from __future__ import annotations

import httpx2


class Line(httpx2.ASGITransport):
    """An ASGI transport on which a refused connection is known not to have carried anything, and a reset one is not."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass one request on.

        Raises:
            httpx2.ConnectError: nobody listened.
            httpx2.ReadError: the connection was reset.
        """
        try:
            return await super().handle_async_request(request)
        except ConnectionRefusedError as error:
            raise httpx2.ConnectError(str(error), request=request) from error
        except ConnectionResetError as error:
            raise httpx2.ReadError(str(error), request=request) from error
