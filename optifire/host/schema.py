"""JSON Schema (draft-07) of the configuration files, made from the tables of settings.

The schemas ship in ``templates`` so that an editor can check and complete the files; the service
itself checks with the tables (`checks`), which say more.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from optifire.core.setting import Kind, Setting
from optifire.core.settings import (
    CONFIG_FIELDS,
    DEFAULTS_FIELDS,
    FEATURES_FIELDS,
    PLUGIN_FIELDS,
)

DRAFT = "http://json-schema.org/draft-07/schema#"
_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_NEED: dict[str, Any] = {
    "anyOf": [
        _TEXT,
        {
            "type": "object",
            "properties": {
                "needs": _TEXT,
                "after": _TEXT,
                "optional": {"type": ["string", "object"]},
                "max_age": _TEXT,
            },
            "additionalProperties": False,
        },
    ]
}
_FORMS: Mapping[Kind, dict[str, Any]] = {
    Kind.FLAG: {"type": "boolean"},
    Kind.COUNT: {"type": "integer"},
    Kind.NUMBER: {"type": "number"},
    Kind.TEXT: _TEXT,
    Kind.TEXTS: {"type": "array", "items": {"type": "string"}},
    Kind.DURATION: {
        "type": ["number", "string"],
        "pattern": r"^\s*\d+(\.\d+)?\s*[smhdSMHD]\s*$",
    },
    Kind.DATE: {"type": "string", "format": "date"},
    Kind.MAPPING: {"type": ["object", "null"]},
    Kind.NAMES: {"type": "object", "additionalProperties": {"type": "string"}},
    Kind.SCHEDULE: {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}]},
    Kind.NEEDS: {"type": "array", "items": _NEED},
    Kind.VARIABLES: {
        "type": "array",
        "items": {"type": "string", "pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"},
    },
}


def schema_of(setting: Setting) -> dict[str, Any]:
    """Give the schema of one value."""
    otherwise = setting.otherwise or ""
    doc = f"{setting.doc} Default: {otherwise}." if otherwise else setting.doc
    schema = {"description": doc, **_FORMS[setting.kind]}
    if setting.choices:
        choices = {"enum": [str(choice) for choice in setting.choices]}
        schema |= {"items": choices} if setting.kind is Kind.TEXTS else choices
    limits = {
        "minimum": setting.minimum, "maximum": setting.maximum, "exclusiveMinimum": setting.above,
    }  # fmt: skip
    schema |= {key: limit for key, limit in limits.items() if limit is not None}
    if setting.default is not None and not isinstance(setting.default, Mapping):
        plain = setting.default
        schema["default"] = list(plain) if isinstance(plain, tuple) else plain
    return schema


def object_of(fields: Sequence[Setting]) -> dict[str, Any]:
    """Give the schema of a mapping with these settings; dotted keys become nested mappings."""
    schema: dict[str, Any] = {"type": "object", "properties": {}, "additionalProperties": False}
    for setting in fields:
        inner = schema
        for key in setting.path[:-1]:
            inner = inner["properties"].setdefault(
                key, {"type": "object", "properties": {}, "additionalProperties": False}
            )
        inner["properties"][setting.path[-1]] = schema_of(setting)
    return schema


def features_schema() -> dict[str, Any]:
    """Give the schema of features.yaml."""
    schema = object_of(FEATURES_FIELDS)
    schema["properties"]["defaults"] = object_of(DEFAULTS_FIELDS)
    schema["properties"]["plugins"] = {
        "type": ["object", "null"],
        "additionalProperties": object_of(PLUGIN_FIELDS),
    }
    return {"$schema": DRAFT, "title": "OptiFIRE features", **schema}


def config_schema() -> dict[str, Any]:
    """Give the schema of config.yaml."""
    return {"$schema": DRAFT, "title": "OptiFIRE config", **object_of(CONFIG_FIELDS)}


#: What ships in ``templates``, by file name.
SHIPPED = {"features.schema.json": features_schema, "config.schema.json": config_schema}


def as_text(schema: Mapping[str, Any]) -> str:
    """Write a schema as the file that ships."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
