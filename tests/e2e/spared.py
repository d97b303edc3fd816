"""What `st run` loads: requests that would shut out the run itself are not made."""

from __future__ import annotations

import os
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

SPARED = "DBYARD_TEST_SPARED"
"""The token and the account that the run uses, by every name that a path may have for them."""


@schemathesis.hook
def filter_case(_context: HookContext, case: Case[Any]) -> bool:
    return not set(os.environ[SPARED].split()) & set((case.path_parameters or {}).values())
