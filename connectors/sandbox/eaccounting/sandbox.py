"""The eAccounting sandbox: sign-in server and API as one ASGI app, with a company's books behind them."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount, Route

from connectors.sandbox import down
from connectors.sandbox.eaccounting import documents, ledger
from connectors.sandbox.eaccounting.api import Api
from connectors.sandbox.eaccounting.bookkeeper import Bookkeeper
from connectors.sandbox.eaccounting.books import Books
from connectors.sandbox.eaccounting.control import Control
from connectors.sandbox.eaccounting.errors import Code, error_body
from connectors.sandbox.eaccounting.identity import Identity
from connectors.sandbox.eaccounting.seed import open_books
from connectors.sandbox.eaccounting.signinpage import SignIn
from connectors.sandbox.eaccounting.switches import BooksSwitches
from connectors.sandbox.eaccounting.table import json_bytes
from connectors.sandbox.eaccounting.validate import EMPTY_ID
from connectors.sandbox.outages import Outages

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from connectors.sandbox.eaccounting.documents import DocumentState
    from connectors.sandbox.eaccounting.ledger import BooksLedger
    from connectors.sandbox.faults import FaultPlan
    from connectors.sandbox.world import World


def utcnow() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)


def fault_error(status: int) -> tuple[str, bytes]:
    """Return content type and body of the vendor's own 429 and 500, for faults on demand."""
    if status == 429:  # noqa: PLR2004 - too many requests
        code, text = Code.TOO_MANY_REQUESTS, "API calls quota exceeded! maximum admitted 600 per Minute. Try again in 1 seconds."
    else:
        code, text = Code.INTERNAL, "InternalServerErrorException - An unexpected error occurred."
    return "application/json; charset=UTF-8", error_body(code, text, EMPTY_ID, status=status)


class BooksSandbox:
    """One company of eAccounting with the world's articles, the helper articles and the default debtor in it.

    ``app`` serves ``/connect/...`` (the page with the button too), ``/v2/...`` and, for people and tests, ``/_sandbox/...``.
    ``client_id``, ``client_secret``, ``refresh_token`` and ``access_token`` are valid from the start.  ``requests`` counts by method and
    documented path.
    """

    def __init__(
        self,
        world: World,
        *,
        clock: Callable[[], datetime] = utcnow,
        limits: bool = True,
        seed: int = 0,
        switches: BooksSwitches | None = None,
        faults: FaultPlan | None = None,
    ) -> None:
        self.switches = switches or BooksSwitches()
        self.faults = faults
        #: what the vendor's operations do, by the sandbox's own clock; those of the plan where there is one
        self.outages = faults.outages if faults is not None else Outages()
        self.outages.clock = clock
        self.books = Books(world, clock=clock, seed=seed, switches=self.switches, plan=faults)
        open_books(self.books, world)
        #: what people do in the books' own screens
        self.bookkeeper = Bookkeeper(self.books)
        self.identity = Identity(
            clock,
            seed,
            timedelta(days=self.switches.refresh_lifetime_days),
            timedelta(seconds=self.switches.refresh_reuse_grace_seconds),
            self.switches.refresh_reuse_ends_grant,
        )
        self.client_id = self.identity.client_id
        self.client_secret = self.identity.client_secret
        self.refresh_token, self.access_token = self.identity.consent(self.switches.scopes)
        self.requests: Counter[tuple[str, str]] = Counter()
        self._sign_in = SignIn(self.identity, company=self.books.company["Name"], registered=self.switches.redirect_uris)
        pages = Starlette(
            routes=[
                Mount("/v2", app=Api(self.books, self.identity, limits=limits, requests=self.requests)),  # first: nearly all requests
                Route("/connect/authorize", self._authorize, methods=["GET", "POST"]),
                Route("/connect/token", self._token, methods=["POST"]),
                Route("/connect/revocation", self._revocation, methods=["POST"]),
                Route("/_sandbox/ledger", self._ledger),
                Route("/_sandbox/requests", self._requests),
                Route("/_sandbox/faults", self._fired),
                Route("/_sandbox/faults", self._faults, methods=["POST"]),
                Route("/_sandbox/password", self._password, methods=["POST"]),
                Route("/_sandbox/files/{key}", self._file),
                *Control(self.books, self.bookkeeper).routes(),
                *down.control(self.outages),
            ]
        )
        self.app: ASGIApp = down.OutageMiddleware(pages, self.outages, errors=fault_error)

    def ledger(self) -> BooksLedger:
        """Read what the books say now."""
        return ledger.read(self.books)

    def documents(self) -> tuple[DocumentState, ...]:
        """Return how each document stands in the books, the deleted ones last."""
        return documents.read(self.books)

    async def _authorize(self, request: Request) -> Response:
        self.requests[request.method, "/connect/authorize"] += 1
        return await self._sign_in(request)

    async def _password(self, _request: Request) -> Response:
        """Let the user change the password: every token of every grant ends (reference: eaccounting.md section 3)."""
        return _json({"grants_ended": self.identity.end_all()})

    async def _file(self, request: Request) -> Response:
        """Answer the temporary address of a file, which needs no sign-in."""
        kind, content = self.books.files.get(request.path_params["key"], ("", b""))
        return Response(content, media_type=kind) if kind else Response(status_code=404)

    async def _token(self, request: Request) -> Response:
        self.requests["POST", "/connect/token"] += 1
        return await self.identity.token(request)

    async def _revocation(self, request: Request) -> Response:
        self.requests["POST", "/connect/revocation"] += 1
        return await self.identity.revocation(request)

    async def _ledger(self, _request: Request) -> Response:
        return _json(self.ledger().as_json())

    async def _requests(self, _request: Request) -> Response:
        return _json([{"method": method, "route": route, "count": count} for (method, route), count in sorted(self.requests.items())])

    async def _fired(self, _request: Request) -> Response:
        return _json({} if self.faults is None else dict(self.faults.fired))

    async def _faults(self, request: Request) -> Response:
        if self.faults is None:
            return _json({"error": "this sandbox was started without a plan of faults"}, 409)
        try:
            changes = json.loads(await request.body())
            self.faults.update(changes)
        except (ValueError, AttributeError) as error:
            return _json({"error": str(error)}, 400)
        return _json(changes)


def _json(value: object, status: int = 200) -> Response:
    return Response(json_bytes(value), status, media_type="application/json")
