"""Stands in for pypcre, which gptqmodel imports: that has no wheel and wants Python's headers and C, for a dozen patterns that
the standard library matches as well."""

import re
from re import Pattern, compile, escape, split

__all__ = ["Flag", "Pattern", "compile", "escape", "split"]


class Flag:
    """pypcre's names for the flags in use."""

    CASELESS = re.IGNORECASE
    DOTALL = re.DOTALL
    MULTILINE = re.MULTILINE
