"""What a JSON schema says about the names of things; it may be wrong or incomplete."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from jobs.kit.schemas import in_order

MAX_STEPS = 10  # a reference may lead to itself


@dataclass(frozen=True)
class Shape:
    """A schema, and the whole it refers to."""

    node: Any
    root: Any = None

    def title(self, key: Any) -> str:
        """What to call a property: its title, or else its key."""
        title = _child(self._properties(), key).get("title")
        return title if isinstance(title, str) and title else str(key)

    def property(self, key: Any) -> "Shape":
        return self._of(_child(self._properties(), key))

    def in_order(self, keys: Iterable[Any]) -> list[Any]:
        """The keys of an object as the schema's author would list them."""
        return in_order(keys, self._resolved())

    def items(self) -> "Shape":
        return self._of(_child(self._resolved(), "items"))

    def _of(self, node: Mapping[str, Any]) -> "Shape":
        return Shape(node, self._root())

    def _root(self) -> Any:
        return self.node if self.root is None else self.root

    def _properties(self) -> Mapping[str, Any]:
        return _child(self._resolved(), "properties")

    def _resolved(self) -> Mapping[str, Any]:
        """The schema behind references and "this or null"."""
        node = self.node
        for _ in range(MAX_STEPS):
            if not isinstance(node, Mapping):
                return {}
            if isinstance(node.get("$ref"), str):
                node = self._target(node["$ref"])
            elif options := node.get("anyOf") or node.get("oneOf"):
                node = _first_not_null(options)
            else:
                return node
        return {}

    def _target(self, reference: str) -> Any:
        node = self._root()
        for step in reference.removeprefix("#").split("/")[1:]:
            node = _child(node, step)
        return node


def _child(node: Any, key: Any) -> Mapping[str, Any]:
    child = node.get(key) if isinstance(node, Mapping) else None
    return child if isinstance(child, Mapping) else {}


def _first_not_null(options: Any) -> Any:
    if not isinstance(options, list):
        return {}
    return next((o for o in options if o != {"type": "null"}), {})
