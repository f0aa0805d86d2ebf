"""The JSON Schema of `kumo.toml`, for editors: made of the models that read the file."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from kumo.declarations.document import DURATIONS, MAY_BE_NONE, SIZES, FileTable
from kumo.declarations.quantities import DURATION_PATTERN, NONE, SIZE_PATTERN

_ABOUT = ("default", "description")
_NULL = {"type": "null"}


@lru_cache(maxsize=1)
def schema_text() -> str:
    """The schema as JSON, the same each time."""
    schema = FileTable.model_json_schema()
    for definition in (schema, *schema["$defs"].values()):
        definition["properties"] = {name: _as_written(name, each) for name, each in definition["properties"].items()}
    described = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "kumo.toml"}
    text = json.dumps(described | {k: v for k, v in schema.items() if k != "title"}, indent=2, ensure_ascii=False)
    return text.replace("#/$defs/", "#/definitions/").replace('"$defs":', '"definitions":') + "\n"


def _as_written(name: str, field: dict[str, Any]) -> dict[str, Any]:
    """A field as TOML writes it, which has no null, and as the file may write durations and sizes."""
    field = {key: value for key, value in field.items() if key != "title"}
    kinds = [each for each in field.pop("anyOf", []) if each != _NULL]
    if not kinds:
        kinds = [{key: value for key, value in field.items() if key not in _ABOUT}]
        field = {key: value for key, value in field.items() if key in _ABOUT}
    if name in DURATIONS:
        kinds.append({"type": "string", "pattern": DURATION_PATTERN})
    if name in SIZES:
        kinds.append({"type": "string", "pattern": SIZE_PATTERN})
    if name in MAY_BE_NONE:
        kinds.append({"const": NONE})
    if field.get("default", ...) is None:
        del field["default"]
    return field | (kinds[0] if len(kinds) == 1 else {"anyOf": kinds})
