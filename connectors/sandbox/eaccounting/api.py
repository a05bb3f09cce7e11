"""The API itself: which operation a request is, whether it may pass, and its answer."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl

from connectors.sandbox.eaccounting import articles, customers, drafts, invoices, labels, orders, registers
from connectors.sandbox.eaccounting.call import Call
from connectors.sandbox.eaccounting.errors import Code, Refusal, error_body, invalid_field
from connectors.sandbox.eaccounting.facts import facts

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from connectors.sandbox.eaccounting.books import Books
    from connectors.sandbox.eaccounting.call import Handler
    from connectors.sandbox.eaccounting.facts import Operation
    from connectors.sandbox.eaccounting.identity import Access, Identity

HANDLERS: Final[dict[str, Handler]] = {
    key: handler
    for module in (articles, customers, drafts, invoices, labels, orders, registers)
    for key, handler in module.OPERATIONS.items()
}
_PREFIX: Final = "/v2"
_NOT_FOUND, _NOT_ALLOWED, _WRONG_TYPE = 404, 405, 415
_MINUTE: Final = 60


@dataclass(slots=True)
class Node:
    """A place in the tree of paths: what may follow, and what can be done here."""

    children: dict[str, Node] = field(default_factory=dict)
    parameter: Node | None = None
    operations: dict[str, Operation] = field(default_factory=dict)


def path_tree() -> Node:
    """Return the documented operations as a tree; names in paths are compared without regard to case."""
    root = Node()
    for operation in facts().operations:
        node = root
        for part in operation.path.strip("/").lower().split("/"):
            if part.startswith("{") and part.endswith("}"):
                node.parameter = node.parameter or Node()
                node = node.parameter
            else:
                node = node.children.setdefault(part, Node())
        node.operations[operation.method] = operation
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
            args.append(part)
        if following is None or not part:
            return None
        node = following
    return (node, tuple(args)) if node.operations else None


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
        self._tree = path_tree()
        self._window = 0
        self._counts: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        operation: Operation | None = None
        headers: tuple[tuple[str, str], ...] = ()
        try:
            operation, args = self._operation(scope["method"], scope["path"].removeprefix(_PREFIX))
            self._admit(scope, operation)
            body = await _body(scope, receive, operation)
            status, content = operation.success, self._handle(operation, args, scope["query_string"], body)
        except Plain as answer:
            status, content, headers = answer.status, b"", answer.headers
        except Refusal as refusal:
            status = self._status(refusal, operation)
            content = error_body(refusal.code, refusal.message, self._books.new_id(), status=status, errors=refusal.errors)
            headers = refusal.headers
        await _send(send, status, content, (*headers, ("date", format_datetime(self._books.now(), usegmt=True))))

    def _operation(self, method: str, path: str) -> tuple[Operation, tuple[str, ...]]:
        """Return the documented operation of a request and the parameters in its path, and count it.

        Raises:
            Plain: 404 for an address that is not documented, 405 for a method that is not.
        """
        found = lookup(self._tree, path)
        if found is None:
            self._requests[method, "unknown"] += 1
            raise Plain(_NOT_FOUND)
        node, args = found
        operation = node.operations.get(method)
        if operation is None:
            self._requests[method, "not allowed"] += 1
            raise Plain(_NOT_ALLOWED, (("allow", ", ".join(sorted(node.operations))),))
        self._requests[method, _PREFIX + operation.path] += 1
        return operation, args

    def _admit(self, scope: Scope, operation: Operation) -> None:
        """Check token, scope and rate."""
        token = next((value for name, value in scope["headers"] if name == b"authorization"), b"").decode("latin-1")
        scheme, _, value = token.partition(" ")
        access = self._identity.check(value) if scheme.lower() == "bearer" else None
        if access is None or not self._still_accepted(access):
            raise Refusal(Code.NOT_AUTHORIZED, "AuthorizationException - Authorization has been denied for this request.")
        if self._limits:
            self._throttle(f"{_PREFIX}{operation.path}" if self._books.switches.limit_per_route else scope["path"].lower())
        if operation.scopes and not set(access.chain.scopes.split()) & set(operation.scopes):
            raise Refusal(Code.NO_ACCESS_TO_SCOPES, f"NoAccessToScopesException - One of {', '.join(operation.scopes)} is required.")
        if f"{operation.method} {operation.path}" not in HANDLERS:
            raise Refusal(Code.CANNOT_BE_CREATED_OR_UPDATED, "ForbiddenRequestException - No access to module", status=403)

    def _still_accepted(self, access: Access) -> bool:
        access.requests += 1
        plan = self._books.plan
        if plan and plan.revoke_token_after and access.requests > plan.revoke_token_after:
            access.revoked = True
        return not access.revoked

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
                headers=(("retry-after", str(left)),) if self._books.switches.retry_after else (),
            )

    def _handle(self, operation: Operation, args: tuple[str, ...], query: bytes, body: Any) -> bytes:
        books = self._books
        books.sweep()
        clean: Any = {}
        if operation.body:
            schema = books.schemas(operation.body)
            if operation.body_is_list:
                if not isinstance(body, list):
                    raise invalid_field("", "The body must be a list.")
                clean = [schema.clean(one, f"[{index}].") for index, one in enumerate(body)]
            else:
                clean = schema.clean(body)
        parameters = dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="replace"))
        return HANDLERS[f"{operation.method} {operation.path}"](Call(books, operation, args, parameters, clean))

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
    if not content and operation.body in ("CustomerInvoiceDraftValidationApi", "OrderConversionApi"):
        return {}
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    if kind.partition(b";")[0].strip().lower() != b"application/json":
        raise Plain(_WRONG_TYPE)
    try:
        body = json.loads(content, parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise invalid_field("", "The body is not JSON.") from error
    return {} if operation.body == "OrderConversionApi" and body == [] else body


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


async def _send(send: Send, status: int, content: bytes, headers: tuple[tuple[str, str], ...]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    raw.append((b"content-length", str(len(content)).encode()))
    if content:
        raw.append((b"content-type", b"application/json; charset=UTF-8"))
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})
