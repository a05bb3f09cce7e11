"""What a person types.

Exit codes: 0 good, 1 something was held, failed or differs, 2 wrong usage, 78 wrong configuration.
"""

from daemon.cli.main import main

__all__ = ["main"]
