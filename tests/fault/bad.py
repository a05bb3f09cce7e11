"""Bridges that are wrong on purpose: each of them must be caught, or the search is worth nothing."""
from __future__ import annotations
from contextlib import contextmanager
from dataclasses import dataclass
@dataclass(frozen=True)
class Variant:
    name: str
    @contextmanager
    def applied(self):
        yield
    def fit(self, life): pass
VARIANTS={"good":Variant("good")}
