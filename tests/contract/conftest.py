"""Tells at the end what the contracts covered."""

from __future__ import annotations

from tests.contract.counts import pytest_terminal_summary

__all__ = ["pytest_terminal_summary"]
