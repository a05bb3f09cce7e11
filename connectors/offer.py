"""What a connector's folder offers: one :class:`Connector`, by the name ``CONNECTOR`` in the folder's ``__init__``.

Whoever runs the connectors knows them through this alone (:mod:`connectors.registry` finds them), and lends each what an
:class:`Opening` holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, get_args

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from connectors.http import HttpClient, Transport
    from connectors.model import Difference, Kind
    from connectors.port import Books, Clock, HttpGate, HttpObserver, Till, Tokens, TokenStore
    from connectors.settings import ConnectionSettings


class SignInRefused(Exception):
    """The vendor, or the person at its page, said no; the text is one line and holds no secret."""


class OtherSignIn(Exception):
    """What came back is not the answer to this sign-in."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a connection is opened with.

    ``tokens`` is for a connector that signs in.  Every exchange passes the ``gate`` and is told to the ``observer``.  A ``transport``
    stands in for the network and stays open.  ``terms_of_payment`` names the terms that books give a new customer, ``None``: their own.
    """

    name: str
    clock: Clock
    tokens: TokenStore
    user_agent: str = "Kassabrug"
    observer: HttpObserver | None = None
    gate: HttpGate | None = None
    transport: Transport | None = None
    terms_of_payment: str | None = None


class Attempt(Protocol):
    """One sign-in on its way.  ``address`` is what the person opens, ``redirect_uri`` where the vendor sends the browser afterwards."""

    @property
    def address(self) -> str:
        """What the person opens."""
        ...

    @property
    def redirect_uri(self) -> str:
        """Where the browser comes back to."""
        ...

    def code_from(self, address: str) -> str:
        """Return the code in the address to which the browser was sent back; raises :class:`OtherSignIn`, :class:`SignInRefused`."""
        ...

    async def exchange(self, code: str, *, http: HttpClient, clock: Clock) -> Tokens:
        """Exchange a code, which works once, for tokens; raises :class:`SignInRefused` and the errors of the port."""
        ...


@dataclass(frozen=True, slots=True)
class SignIn:
    """How a person signs in to books, in a browser: ``redirect_uri`` reads the settings, ``begin`` makes an attempt that ends there."""

    redirect_uri: Callable[[Any], str]
    begin: Callable[[Any, str], Attempt]


@dataclass(frozen=True, slots=True)
class SchemaCheck:
    """How what a vendor publishes is compared with what the connector relies on.

    Attributes:
        address: of what belongs to a connection with these settings
        reads: whether a document at this address is one of this vendor's
        differences: what differs there; raises the errors of the port
    """

    address: Callable[[Any], str]
    reads: Callable[[str], bool]
    differences: Callable[[HttpClient, str], Awaitable[Sequence[Difference]]]


@dataclass(frozen=True, slots=True)
class Connector:
    """What a folder offers.

    ``source`` and ``target`` are the kinds of records that can be read from it and written to it; what the port's methods for other kinds
    do does not matter, for nobody calls them.  ``open_books`` and ``open_till`` get an instance of ``settings`` and ask nothing yet;
    ``None`` where it cannot be that end of a link.  What it knows about its own set-up, for a check, the port's ``facts`` tell.
    """

    settings: type[ConnectionSettings]
    source: frozenset[Kind]
    target: frozenset[Kind]
    open_books: Callable[[Any, Opening], Books] | None = None
    open_till: Callable[[Any, Opening], Till] | None = None
    sign_in: SignIn | None = None
    schema: SchemaCheck | None = None
    #: its name in the configuration and in the metrics: what the settings call ``kind``
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        """Read the name from the settings, so that it stands in one place."""
        names = get_args(self.settings.model_fields["kind"].annotation)
        if len(names) != 1:
            raise TypeError(f"{self.settings.__name__}: kind must be a Literal of one name")
        if self.sign_in is not None and self.open_books is None:
            raise TypeError(f"{names[0]}: only books are signed in to")
        object.__setattr__(self, "kind", names[0])
