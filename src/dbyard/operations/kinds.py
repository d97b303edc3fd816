"""Which steps make up which kind of operation."""

from __future__ import annotations

from collections.abc import Mapping

from dbyard.model import OperationKind
from dbyard.operations import Kind, create, delete, heal, restrict, rotate, update

KINDS: Mapping[OperationKind, Kind] = {
    OperationKind.CREATE: create.KIND,
    OperationKind.DELETE: delete.KIND,
    OperationKind.HEAL: heal.KIND,
    OperationKind.RESTRICT: restrict.KIND,
    OperationKind.ROTATE: rotate.KIND,
    OperationKind.UPDATE: update.KIND,
}
