"""Edits features.yaml as a person would: the value that is meant changes, and no other byte.

The place of a value comes from the parser's own node positions. Each edit is parsed again before
it is written, and must say what it should and nothing else differently.
"""

import json
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from optifire.core.errors import ConfigError
from optifire.core.types import fold_id
from optifire.host.documents import compose_yaml, parse_document, parse_value

#: Is told a file and the text that it is about to have.
Sign = Callable[[Path, str], None]
INDENT = 2
_ABSENT = object()
_BARE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./+-]*")


@dataclass(frozen=True, slots=True)
class _Change:
    """Replace the characters from ``start`` to ``end``."""

    start: int
    end: int
    text: str

    def apply(self, text: str) -> str:
        return text[: self.start] + self.text + text[self.end :]


def set_value(text: str, plugin_id: str, keys: Sequence[str], value: object, name: str) -> str:
    """Give the text of features.yaml with one value of one plugin set.

    Parameters
    ----------
    text
        The file as it is.
    keys
        Where the value stands below the plugin, such as ``("budget", "cpu_ms")``. What is not
        there is added: a key to its entry, an entry at the end of ``plugins``.
    value
        A scalar, or a list of scalars.
    name
        The file, as errors name it.

    Raises
    ------
    ConfigError
        The file is not YAML, or its form does not allow the edit (anchors, an alias, one line).
    """
    before = parse_document(text, name).data
    plugins = before.get("plugins") or {}
    written = next((each for each in plugins if fold_id(each) == fold_id(plugin_id)), plugin_id)
    return set_path(text, ("plugins", written, *keys), value, name)


def set_path(text: str, path: tuple[str, ...], value: object, name: str) -> str:
    """Give the text with the value at any path set, as `set_value` does for one of a plugin."""
    before = parse_document(text, name).data
    if _at(before, path) == value and type(_at(before, path)) is type(value):
        return text
    edited = _edited(text, path, value, name)
    after = parse_document(edited, name).data
    if after != _with(before, path, value):
        raise _by_hand(name, path, value)
    return edited


def _edited(text: str, path: tuple[str, ...], value: object, name: str) -> str:
    root = compose_yaml(text, name)
    if root is None:
        lead = text if not text or text.endswith("\n") else f"{text}\n"
        return lead + _block(path, value, 0)
    node, depth = root, 0
    key_node: yaml.Node | None = None
    while depth < len(path) and isinstance(node, yaml.MappingNode):
        found = next((pair for pair in node.value if pair[0].value == path[depth]), None)
        if found is None:
            return _insert(text, node, path[depth:], value).apply(text)
        key_node, node = found
        depth += 1
    if key_node is None:
        raise _by_hand(name, path, value)
    return _replace(text, key_node, node, path[depth:], value).apply(text)


def _replace(
    text: str, key: yaml.Node, node: yaml.Node, rest: tuple[str, ...], value: object
) -> _Change:
    """Put a new value where another one (or nothing) stands; ``rest`` is what lies below it."""
    empty = node.start_mark.index == node.end_mark.index
    if rest and empty:
        indent = key.start_mark.column + INDENT
        end = _line_end(text, key.end_mark.index)
        return _Change(end, end, _line_break(text) + _block(rest, value, indent).rstrip("\n"))
    new = _flow(_nested(rest, value))
    if empty:
        colon = text.index(":", key.end_mark.index) + 1
        return _Change(colon, colon, f" {new}")
    end = node.end_mark.index
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        # A block list: its node ends where the next key begins.
        stop = _last_character(text, node)
        colon = text.index(":", key.end_mark.index) + 1
        return _Change(colon, stop, f" {new}")
    return _Change(node.start_mark.index, end, new)


def _insert(text: str, node: yaml.MappingNode, rest: tuple[str, ...], value: object) -> _Change:
    """Add a key to a mapping, after its last one."""
    if node.flow_style:
        inside = f"{_flow(rest[0])}: {_flow(_nested(rest[1:], value))}"
        end = node.end_mark.index - 1
        while text[end - 1].isspace():
            end -= 1
        lead = "" if not node.value else " " if text[end - 1] == "," else ", "
        return _Change(end, end, lead + inside)
    end = _line_end(text, _last_character(text, node))
    block = _block(rest, value, node.start_mark.column)
    return _Change(end, end, _line_break(text) + block.rstrip("\n"))


def _last_character(text: str, node: yaml.Node) -> int:
    """Give the end of the last scalar or flow collection in a node; comments lie behind it."""
    while isinstance(node, (yaml.MappingNode, yaml.SequenceNode)) and not node.flow_style:
        if not node.value:
            return int(node.end_mark.index)
        last = node.value[-1]
        key, node = last if isinstance(last, tuple) else (None, last)
        if key is not None and node.start_mark.index == node.end_mark.index:
            return text.index(":", key.end_mark.index) + 1
    if isinstance(node, yaml.ScalarNode) and node.style in {"|", ">"}:
        return len(text[: node.end_mark.index].rstrip())
    return int(node.end_mark.index)


def _line_end(text: str, index: int) -> int:
    """Give the index of the line break (or end of text) after an index."""
    end = text.find("\n", index)
    if end < 0:
        return len(text)
    return end - 1 if text[end - 1] == "\r" else end


def _line_break(text: str) -> str:
    """Give the line break that this file uses."""
    return "\r\n" if "\r\n" in text else "\n"


def _nested(keys: Sequence[str], value: object) -> object:
    for key in reversed(keys):
        value = {key: value}
    return value


def _block(keys: Sequence[str], value: object, indent: int) -> str:
    """Write nested keys one below the other."""
    lines = [f"{' ' * (indent + INDENT * level)}{_flow(key)}:" for level, key in enumerate(keys)]
    return "\n".join(lines) + f" {_flow(value)}\n"


def _flow(value: object) -> str:
    """Write a plain value on one line, with quotes only where they are needed."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    if isinstance(value, str):
        plain = _BARE.fullmatch(value) and parse_value(value) == value
        return value if plain else _quoted(value)
    return json.dumps(value)


def _quoted(text: str) -> str:
    """Write a text in double quotes; what cannot be seen is written as its number."""
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in quoted)


def _at(data: Any, path: Sequence[str]) -> Any:  # noqa: ANN401 - a plain value
    for key in path:
        if not isinstance(data, Mapping) or key not in data:
            return _ABSENT
        data = data[key]
    return data


def _with(data: Any, path: Sequence[str], value: object) -> Any:  # noqa: ANN401 - a plain value
    """Give plain values with one of them set."""
    if not path:
        return value
    inside = dict(data) if isinstance(data, Mapping) else {}
    inside[path[0]] = _with(inside.get(path[0]), path[1:], value)
    return inside


def _by_hand(name: str, path: Sequence[str], value: object) -> ConfigError:
    return ConfigError(
        "the form of the file does not allow this edit",
        where=f"{name}: {'.'.join(path)}",
        remedy=f"Set {path[-1]}: {_flow(value)} by hand",
    )


# --- files ------------------------------------------------------------------------------------


def unsigned(_: Path, __: str) -> None:
    """Say nothing of who writes."""


def edit_file(
    file: Path, plugin_id: str, keys: Sequence[str], value: object, sign: Sign = unsigned
) -> bool:
    """Set one value of one plugin in features.yaml; tell whether anything changed.

    ``sign`` is told the file and its text just before that is written.

    Raises
    ------
    ConfigError
        Another format than YAML, an edit that is not possible, or a file that cannot be written.
    """
    path = ("plugins", plugin_id, *keys)
    return _edit(
        file, path, value, lambda raw: set_value(raw, plugin_id, keys, value, str(file)), sign
    )


def edit_path(file: Path, path: tuple[str, ...], value: object, sign: Sign = unsigned) -> bool:
    """Set the value at any path of features.yaml, as `edit_file` does for one of a plugin."""
    return _edit(file, path, value, lambda raw: set_path(raw, path, value, str(file)), sign)


def preview(file: Path, values: Iterable[tuple[str, Sequence[str], object]]) -> tuple[str, str]:
    """Give the text of features.yaml before and after edits that are not written yet.

    ``values`` are (plugin id, keys, value), as `edit_file` takes one of them.
    """
    before = after = file.read_bytes().decode()
    for plugin_id, keys, value in values:
        _check_format(file, ("plugins", plugin_id, *keys), value)
        after = set_value(after, plugin_id, keys, value, str(file))
    return before, after


def _check_format(file: Path, path: tuple[str, ...], value: object) -> None:
    if file.suffix not in {".yaml", ".yml"}:
        raise _by_hand(str(file), path, value)


def _edit(
    file: Path, path: tuple[str, ...], value: object, change: Callable[[str], str], sign: Sign
) -> bool:
    _check_format(file, path, value)
    raw = file.read_bytes().decode()
    edited = change(raw)
    if edited == raw:
        return False
    sign(file, edited)
    write_atomically(file, edited)
    return True


def write_atomically(file: Path, text: str) -> None:
    """Replace a file as one step that survives a crash; owner and mode stay.

    Raises
    ------
    ConfigError
        The folder cannot be written; the file is then as it was.
    """
    target = file.resolve()  # a link stays a link
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        state = target.stat() if target.exists() else None
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            if state is not None:
                os.fchmod(stream.fileno(), state.st_mode & 0o7777)
                if (state.st_uid, state.st_gid) != (os.getuid(), os.getgid()):
                    os.fchown(stream.fileno(), state.st_uid, state.st_gid)
            os.fsync(stream.fileno())
        partial.replace(target)
        _sync_folder(target.parent)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise ConfigError(
            f"cannot be written: {error.strerror}",
            where=str(file),
            remedy="Check owner, mode and free space",
        ) from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
