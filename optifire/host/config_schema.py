"""Checks a plugin's configuration against its JSON schema, and fills in the defaults.

Understood: ``type`` (one or several), ``enum``, ``const``, ``minimum``, ``maximum``,
``exclusiveMinimum``, ``exclusiveMaximum``, ``minLength``, ``maxLength``, ``minItems``,
``maxItems``, ``items``, ``properties``, ``required``, ``additionalProperties``, ``default``,
``anyOf``, ``oneOf`` (as ``anyOf``), and ``$ref`` to a place in the same schema. All else is not
looked at; ``pattern`` is not, since a pattern can be written that keeps the service busy for
hours. Two things are stricter than JSON Schema: a mapping that lists ``properties`` takes no
others unless ``additionalProperties`` says so, and 5.0 is no integer.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from operator import ge, gt, le, lt
from typing import Any

from optifire.core.errors import ContractError
from optifire.host.documents import describe

#: Way to a value: keys of mappings and places in lists.
Place = tuple[str | int, ...]
Schema = Mapping[str, Any]

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (Mapping,),
    "array": (list, tuple),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
_NOTHING: Mapping[str, Any] = {"object": {}, "array": (), "number": None}
#: References followed from one value at most: a schema may refer to itself.
_MOST_REFERENCES = 32
_BOUNDS: Sequence[tuple[str, str, Callable[[float, float], bool]]] = (
    ("minimum", "of at least", ge),
    ("maximum", "of at most", le),
    ("exclusiveMinimum", "above", gt),
    ("exclusiveMaximum", "below", lt),
)
_SIZES = (
    (str, "minLength", "maxLength", "characters"),
    ((list, tuple), "minItems", "maxItems", "items"),
)


@dataclass(frozen=True, slots=True)
class Misfit:
    """One thing in a configuration that does not fit; nothing here repeats a value."""

    place: Place
    message: str
    remedy: str


class ConfigSchema:
    """The JSON schema of one plugin's configuration.

    Methods raise `ContractError` naming ``where`` when the schema itself is broken.
    """

    def __init__(self, schema: Schema, where: str) -> None:
        self._whole = schema
        self._where = where

    def filled(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Give a configuration with the default of each key that it leaves out."""
        return dict(self._filled(self._whole, config))

    def misfits(self, config: Mapping[str, Any]) -> list[Misfit]:
        """Find everything in a configuration that does not fit."""
        return list(self._check(self._whole, config, ()))

    # --- defaults ---------------------------------------------------------------------------

    def _filled(self, schema: object, value: Any) -> Any:  # noqa: ANN401 - plain value
        schema = self._resolved(schema)
        if isinstance(value, list):
            return [self._filled(schema.get("items", True), each) for each in value]
        if not isinstance(value, Mapping):
            return value
        known = self._said(schema, "properties", "object")
        made = {key: self._filled(known.get(key, True), each) for key, each in value.items()}
        for key, each in known.items():
            inner = self._resolved(each)
            if key not in made and "default" in inner:
                made[key] = self._filled(inner, inner["default"])
        return made

    # --- checks -----------------------------------------------------------------------------

    def _check(self, schema: object, value: Any, at: Place) -> Iterator[Misfit]:  # noqa: ANN401 - plain value
        schema = self._resolved(schema)
        wrong = self._wrong_type(schema, value) or self._wrong_choice(schema, value)
        if wrong:
            yield Misfit(at, *wrong)
            return
        yield from (Misfit(at, *each) for each in self._out_of_range(schema, value))
        for key in ("anyOf", "oneOf"):
            yield from self._check_forms(self._said(schema, key, "array"), value, at)
        if isinstance(value, Mapping):
            yield from self._check_keys(schema, value, at)
        if isinstance(value, (list, tuple)):
            for number, each in enumerate(value):
                yield from self._check(schema.get("items", True), each, (*at, number))

    def _wrong_type(self, schema: Schema, value: object) -> tuple[str, str] | None:
        stated = schema.get("type")
        names = [stated] if isinstance(stated, str) else self._said(schema, "type", "array")
        unknown = [name for name in names if name not in _TYPES]
        if unknown:
            raise self._broken(f"the type {unknown[0]!r}")
        if not names or any(_is(value, name) for name in names):
            return None
        return f"is {describe(value)}", f"Write {' or '.join(map(_in_words, names))}"

    def _wrong_choice(self, schema: Schema, value: object) -> tuple[str, str] | None:
        choices = [schema["const"]] if "const" in schema else self._said(schema, "enum", "array")
        if not choices or any(_same(value, each) for each in choices):
            return None
        words = [str(each) for each in choices]
        near = get_close_matches(value, words, n=1, cutoff=0.5) if isinstance(value, str) else []
        hint = f"Did you mean {near[0]}? " if near else ""
        return "is not one of its values", f"{hint}Write {' or '.join(words)}"

    def _out_of_range(self, schema: Schema, value: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - plain value
        if _is(value, "number"):
            for key, words, fits in _BOUNDS:
                bound = self._said(schema, key, "number")
                if bound is not None and not fits(value, bound):
                    yield "is out of range", f"Write a number {words} {bound:g}"
        for types, least, most, what in _SIZES:
            if not isinstance(value, types):
                continue
            low = self._said(schema, least, "number")
            high = self._said(schema, most, "number")
            if low is not None and len(value) < low:
                yield f"has {len(value)} {what}", f"Write {low} {what} or more"
            if high is not None and len(value) > high:
                yield f"has {len(value)} {what}", f"Write {high} {what} or fewer"

    def _check_forms(self, forms: Sequence[object], value: object, at: Place) -> Iterator[Misfit]:
        """Find what is wrong in the form that comes closest, when none fits."""
        found = [list(self._check(form, value, at)) for form in forms]
        if found and all(found):
            # A form of another type says less than one whose inside is wrong.
            yield from min(found, key=lambda each: (each[0].place == at, len(each)))

    def _check_keys(self, schema: Schema, value: Mapping[str, Any], at: Place) -> Iterator[Misfit]:
        known = self._said(schema, "properties", "object")
        for key in map(str, self._said(schema, "required", "array")):
            if key not in value:
                yield Misfit(at, f"lacks {key!r}", f"Write {key}")
        more = schema.get("additionalProperties", not known)
        for key, each in value.items():
            if key in known:
                yield from self._check(known[key], each, (*at, key))
            elif more is False:
                near = get_close_matches(key, list(known), n=1, cutoff=0.5)
                hint = f"Did you mean {near[0]}? " if near else ""
                message = "is no key of this plugin's configuration"
                yield Misfit((*at, key), message, f"{hint}Known: {', '.join(sorted(known)) or '-'}")
            else:
                yield from self._check(more, each, (*at, key))

    # --- the schema itself ------------------------------------------------------------------

    def _resolved(self, schema: object) -> Schema:
        """Give a schema with what it refers to below what it says itself."""
        for _ in range(_MOST_REFERENCES):
            if isinstance(schema, bool):
                return {}
            if not isinstance(schema, Mapping):
                raise self._broken(f"{describe(schema)} in place of a schema")
            if "$ref" not in schema:
                return schema
            rest = {key: each for key, each in schema.items() if key != "$ref"}
            schema = {**self._referred(schema["$ref"]), **rest}
        raise self._broken("a $ref that comes back to itself")

    def _referred(self, reference: object) -> Schema:
        found: object = self._whole
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise self._broken(f"$ref {reference!r}, which is not a place in it")
        for part in filter(None, reference[1:].split("/")):
            key = part.replace("~1", "/").replace("~0", "~")
            found = found.get(key) if isinstance(found, Mapping) else None
        if not isinstance(found, Mapping):
            raise self._broken(f"$ref {reference!r}, which is not there")
        return found

    def _said(self, schema: Schema, key: str, kind: str) -> Any:  # noqa: ANN401 - of that kind
        """Give what a schema says under a key; nothing of that kind where it says nothing."""
        value = schema.get(key)
        if value is None:
            return _NOTHING[kind]
        if not _is(value, kind):
            raise self._broken(f"{key} that is {describe(value)}")
        return value

    def _broken(self, what: str) -> ContractError:
        return ContractError(
            f"the schema of its configuration has {what}",
            where=self._where,
            remedy="Correct Config or get_config_schema()",
        )


def _is(value: object, name: str) -> bool:
    is_flag = isinstance(value, bool)
    return isinstance(value, _TYPES[name]) and (not is_flag or name == "boolean")


def _in_words(name: str) -> str:
    return {"object": "a mapping", "array": "a list", "string": "text", "integer": "a whole number",
            "number": "a number", "boolean": "true or false", "null": "null"}[name]  # fmt: skip


def _same(value: object, other: object) -> bool:
    """Tell whether two values are the same; true is not 1."""
    return value == other and isinstance(value, bool) == isinstance(other, bool)
