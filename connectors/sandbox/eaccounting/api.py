"""The API itself: which operation a request is, whether it may pass, and its answer."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from connectors.sandbox.eaccounting import (
    access,
    articles,
    attachments,
    banking,
    bookkeeping,
    codings,
    company,
    customers,
    dispatch,
    drafts,
    invoices,
    labels,
    ledgeritems,
    links,
    orders,
    projects,
    quotes,
    registers,
    suppliers,
    vouchers,
    years,
)
from connectors.sandbox.eaccounting.call import Call, File
from connectors.sandbox.eaccounting.errors import Code, Refusal, error_body, invalid_field, no_access_to_module
from connectors.sandbox.eaccounting.facts import facts
from connectors.sandbox.eaccounting.overlay import OPTIONAL_BODIES

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Handler
    from connectors.sandbox.eaccounting.facts import Operation
    from connectors.sandbox.eaccounting.identity import Access, Identity
    from connectors.sandbox.eaccounting.switches import BooksSwitches

_MODULES: Final = (
    articles, attachments, banking, bookkeeping, company, customers, dispatch, drafts, invoices, labels, ledgeritems, links, orders,
    projects, quotes, registers, suppliers, vouchers, years,
)  # fmt: skip
HANDLERS: Final[dict[str, Handler]] = {key: handler for module in _MODULES for key, handler in module.OPERATIONS.items()}
_PREFIX: Final = "/v2"
_NOT_FOUND, _NOT_ALLOWED, _WRONG_TYPE, _TOO_MANY = 404, 405, 415, 429
_API_SCOPE: Final = "ea:api"
_MINUTE: Final = 60


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation with its handler and what stands between everybody and it."""

    operation: Operation
    handler: Handler | None
    barrier: access.Barrier | None


@dataclass(slots=True)
class Node:
    """A place in the tree of paths: what may follow, by name, as a parameter, or as a parameter with an ending; and what can be done."""

    children: dict[str, Node] = field(default_factory=dict)
    parameter: Node | None = None
    endings: dict[str, Node] = field(default_factory=dict)
    entries: dict[str, Entry] = field(default_factory=dict)


def path_tree(switches: BooksSwitches) -> Node:
    """Return the documented operations as a tree; names in paths are compared without regard to case."""
    root = Node()
    for operation in facts().operations:
        node = root
        for part in operation.path.strip("/").lower().split("/"):
            if part.startswith("{"):
                ending = part.rpartition("}")[2]
                node.parameter = node.parameter or Node()
                node = node.endings.setdefault(ending, Node()) if ending else node.parameter
            else:
                node = node.children.setdefault(part, Node())
        handler = HANDLERS.get(f"{operation.method} {operation.path}")
        node.entries[operation.method] = Entry(operation, handler, access.barrier(operation, switches, served=handler is not None))
    for path in facts().withdrawn:  # documented without a method: there, and not to be mistaken for an id
        node = root
        for part in path.strip("/").lower().split("/"):
            if part.startswith("{"):
                break
            node = node.children.setdefault(part, Node())
    return root


def lookup(root: Node, path: str) -> tuple[Node, tuple[str, ...]] | None:
    """Return the place of a path with its parameters; ``None`` when nothing is documented there."""
    node, args = root, []
    for part in path.strip("/").split("/"):
        following = node.children.get(part.lower())
        if following is None:
            following = node.parameter
            for ending, other in node.endings.items():
                if part.lower().endswith(ending):
                    following, part = other, part[: -len(ending)]  # noqa: PLW2901 - the parameter is what stands before the ending
            args.append(part)
        if following is None or not part:
            return None
        node = following
    return (node, tuple(args)) if node.entries else None


class Plain(Exception):
    """An answer without a body of the vendor's: an unknown address, a wrong method or media type."""

    def __init__(self, status: int, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(str(status))
        self.status = status
        self.headers = headers


class Api:
    """An ASGI app for everything under ``/v2``."""

    def __init__(self, books: Books, identity: Identity, *, limits: bool, requests: Counter[tuple[str, str]]) -> None:
        self._books = books
        self._identity = identity
        self._limits = limits
        self._requests = requests
        self._tree = path_tree(books.switches)
        self._in_hand = 0
        self._window = 0
        self._counts: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        operation: Operation | None = None
        headers: tuple[tuple[str, str], ...] = ()
        self._in_hand += 1
        try:
            entry, args = self._entry(scope["method"], scope["path"].removeprefix(_PREFIX))
            operation = entry.operation
            handler = self._admit(scope, entry)
            body = await _body(scope, receive, operation)
            status, content = self._succeed(operation, handler(self._call(operation, args, scope, body)))
        except Plain as answer:
            status, content, headers = answer.status, b"", answer.headers
        except Refusal as refusal:
            status = self._status(refusal, operation)
            words = refusal.message if self._books.switches.message_texts == "worded" or status == _TOO_MANY else None
            content = error_body(refusal.code, words, self._books.new_id(), status=status, errors=refusal.errors)
            headers = refusal.headers
        finally:
            self._in_hand -= 1
        await _send(send, status, content, (*headers, ("date", format_datetime(self._books.now(), usegmt=True))))

    def _succeed(self, operation: Operation, content: bytes) -> tuple[int, bytes]:
        """Return status and body of what worked; some writes may be answered without a body (reference: section 7, 5)."""
        switches = self._books.switches
        if operation.method == "DELETE":
            return switches.delete_status, content
        silent = switches.empty_success == "both" or switches.empty_success == operation.method.lower()
        return operation.success, b"" if silent and operation.method in ("POST", "PUT") else content

    def _entry(self, method: str, path: str) -> tuple[Entry, tuple[str, ...]]:
        """Return the documented operation of a request and the parameters in its path, and count it.

        Raises:
            Plain: 404 for an address that is not documented, 405 for a method that is not.
        """
        found = lookup(self._tree, path)
        if found is None:
            self._requests[method, "unknown"] += 1
            raise Plain(_NOT_FOUND)
        node, args = found
        entry = node.entries.get(method)
        if entry is None:
            self._requests[method, "not allowed"] += 1
            raise Plain(_NOT_ALLOWED, (("allow", ", ".join(sorted(node.entries))),))
        self._requests[method, _PREFIX + entry.operation.path] += 1
        return entry, args

    def _admit(self, scope: Scope, entry: Entry) -> Handler:
        """Check token, rate, scope and company; return what answers."""
        operation = entry.operation
        token = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode("latin-1")
        scheme, _, value = token.partition(" ")
        granted = self._identity.check(value) if scheme.lower() == "bearer" else None
        if granted is None or not self._still_accepted(granted):
            raise Refusal(Code.NOT_AUTHORIZED, "AuthorizationException - Authorization has been denied for this request.")
        if self._limits:
            self._crowd()
            self._throttle(f"{_PREFIX}{operation.path}" if self._books.switches.limit_per_route else scope["path"].lower())
        needed = operation.scopes if _API_SCOPE in granted.grant.scopes else (_API_SCOPE,)
        if needed and not granted.grant.scopes.intersection(needed):
            raise Refusal(Code.NO_ACCESS_TO_SCOPES, f"NoAccessToScopesException - One of {', '.join(needed)} is required.")
        if entry.barrier is not None or entry.handler is None:
            raise entry.barrier.refusal() if entry.barrier else no_access_to_module(None)
        return entry.handler

    def _still_accepted(self, granted: Access) -> bool:
        granted.requests += 1
        plan = self._books.plan
        if plan and plan.revoke_token_after and granted.requests > plan.revoke_token_after:
            granted.revoked = True
        return not granted.revoked

    def _crowd(self) -> None:
        """Refuse one request too many at the same time."""
        most = self._books.switches.concurrent_requests
        if most and self._in_hand > most:
            text = f"API calls quota exceeded! maximum admitted {most} at a time. Try again in 1 seconds."
            raise Refusal(Code.TOO_MANY_REQUESTS, text, headers=self._try_again(1))

    def _try_again(self, seconds: int) -> tuple[tuple[str, str], ...]:
        return (("retry-after", str(seconds)),) if self._books.switches.retry_after else ()

    def _throttle(self, path: str) -> None:
        now = self._books.clock().timestamp()
        window = int(now // _MINUTE)
        if window != self._window:
            self._window = window
            self._counts.clear()
        self._counts[path] += 1
        allowed = self._books.switches.requests_per_minute
        if self._counts[path] > allowed:
            left = max(1, int(_MINUTE - now % _MINUTE))
            raise Refusal(
                Code.TOO_MANY_REQUESTS,
                f"API calls quota exceeded! maximum admitted {allowed} per Minute. Try again in {left} seconds.",
                headers=self._try_again(left),
            )

    def _call(self, operation: Operation, args: tuple[str, ...], scope: Scope, body: Any) -> Call:
        books = self._books
        if books.sweep():
            codings.sweep(books)
        clean: Any = {}
        if operation.body:
            if operation.method == "POST" and books.switches.id_in_post == "refused" and isinstance(body, dict) and body.get("Id"):
                raise invalid_field("Id", "Id is given by the server.")
            schema = books.schemas(operation.body)
            if operation.body_is_list:
                if not isinstance(body, list):
                    raise invalid_field("", "The body must be a list.")
                clean = [schema.clean(one, f"[{index}].") for index, one in enumerate(body)]
            else:
                clean = schema.clean(body)
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True, errors="replace"))
        return Call(books, operation, args, query, clean, scope)

    def _status(self, refusal: Refusal, operation: Operation | None) -> int:
        status = dict(self._books.switches.statuses).get(refusal.code, refusal.status)
        undeclared = operation is not None and _NOT_FOUND not in operation.statuses
        if status == _NOT_FOUND and undeclared and not self._books.switches.undeclared_404:
            return 400
        return status


async def _body(scope: Scope, receive: Receive, operation: Operation) -> Any:
    """Read a JSON body; numbers keep their digits.  An operation without a body, or a conversion, may be sent none."""
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    content = b"".join(parts)
    if operation.body is None:
        return {}
    if not content and operation.body in OPTIONAL_BODIES:
        return {}
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    if kind.partition(b";")[0].strip().lower() != b"application/json":
        raise Plain(_WRONG_TYPE)
    try:
        body = json.loads(content, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise invalid_field("", "The body is not JSON.") from error
    return {} if operation.body == "OrderConversionApi" and body == [] else body  # as one plug-in sends it (section 6)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


async def _send(send: Send, status: int, content: bytes, headers: tuple[tuple[str, str], ...]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    raw.append((b"content-length", str(len(content)).encode()))
    if content:
        raw.append((b"content-type", content.kind.encode() if isinstance(content, File) else b"application/json; charset=UTF-8"))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})
