"""What `st run` loads: requests that would shut out the run itself are not made.

Nobody else may import it: a hook holds for the whole process.
"""

from __future__ import annotations

import os
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

from tests.e2e.test_schema import SPARED


@schemathesis.hook
def filter_case(_context: HookContext, case: Case[Any]) -> bool:
    return not set(os.environ[SPARED].split()) & set((case.path_parameters or {}).values())
