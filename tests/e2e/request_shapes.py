"""Bodies that the API accepts, made from the JSON Schema it publishes, and every place in them where text can stand.

A field, a union member or a route that is added later is covered by itself: a
string whose schema asks for something that is not known here fails the test
until `_STRINGS` says what a valid one looks like.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

from sandbox.signing import sign

Json = Any
Object = dict[str, Any]
Path = tuple[str | int, ...]

PLAIN = "plain words"


class Fixed(str):
    """A string for which the schema lists what it may be."""

    __slots__ = ()


class Free(dict[str, Any]):
    """An object whose keys are the caller's own."""


class Member(dict[str, Any]):
    """One of several kinds of object, told apart by `type`."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One body of one route; no two hold the same fields. Routes of one `schema` read their bodies alike."""

    path: str
    body: Object
    schema: str


@dataclass(frozen=True, slots=True)
class Slot:
    """A string of `shape`'s body, or (`is_key`) room for one more key in an object of it.

    `name` is the same for the same place in another shape. A slot `is_fixed`
    when the schema lists what may stand there, and `is_free` inside an object
    that the schema says nothing more about.
    """

    shape: Shape
    steps: Path
    name: str
    is_key: bool
    is_fixed: bool
    is_free: bool

    def __str__(self) -> str:
        return f"{self.shape.path}{self.name}{' (a key)' if self.is_key else ''}"

    def filled(self, text: str, given: Object) -> Object:
        """The body with `text` there; `given` are its fields that are chosen for the request, not by its shape."""
        body = deepcopy({**self.shape.body, **given})
        holder: Any = body
        for step in self.steps if self.is_key else self.steps[:-1]:
            holder = holder[step]
        if self.is_key:
            # A schema among schemas, a value among values.
            holder[text] = Free() if holder and all(isinstance(value, dict) for value in holder.values()) else PLAIN
        else:
            holder[self.steps[-1]] = text
        return body


_STRINGS = {
    r"^[A-Za-z0-9+/]+={0,2}$": "iVBORw0KGgoAAAANSUhEUg==",
    r"^https?://": "https://example.com/plain",
    r"^[a-zA-Z0-9_-]{1,128}$": "find",
    r"^[a-z][a-z0-9-]{0,31}$": "us",
}
"""A valid string for each pattern that the schemas ask for."""

_NAMED = {
    "id": "toolu_1",
    "name": "find",
    "redacted_thinking.data": sign("redacted", ""),
    "signature": sign("thinking", PLAIN),
    "tool_use_id": "toolu_1",
}
"""A valid string for fields, or fields of one kind of object, whose strings refer to something."""

TOOL_INPUT = Free(note=PLAIN, rows=[PLAIN, Free(cell=PLAIN, more=[[PLAIN]])], count=3)
JSON_SCHEMA = Free(
    {
        "$schema": PLAIN,
        "$id": PLAIN,
        "$comment": PLAIN,
        "title": PLAIN,
        "description": PLAIN,
        "type": "object",
        "properties": Free(
            what=Free(
                {
                    "type": "string",
                    "title": PLAIN,
                    "description": PLAIN,
                    "default": PLAIN,
                    "const": PLAIN,
                    "enum": [PLAIN],
                    "examples": [PLAIN],
                    "pattern": PLAIN,
                    "format": PLAIN,
                    "contentMediaType": PLAIN,
                    "x-note": PLAIN,
                }
            ),
            list=Free(type="array", items=Free(description=PLAIN), prefixItems=[Free(title=PLAIN)]),
        ),
        "required": ["what"],
        "dependentRequired": Free(what=["list"]),
        "patternProperties": Free({"^plain$": Free(description=PLAIN)}),
        "additionalProperties": Free(description=PLAIN),
        "propertyNames": Free(pattern=PLAIN),
        "allOf": [Free(description=PLAIN)],
        "anyOf": [Free({"$ref": PLAIN})],
        "oneOf": [Free(enum=[PLAIN])],
        "not": Free({"const": PLAIN}),
        "if": Free(description=PLAIN),
        "then": Free(description=PLAIN),
        "else": Free(description=PLAIN),
        "$defs": Free(plain=Free(description=PLAIN)),
        "examples": [Free(what=PLAIN)],
        "default": Free(what=PLAIN),
    }
)
_DOCUMENT = {"cited_text": PLAIN, "document_title": PLAIN, "document_index": 0}
_BLOCKS = {"start_block_index": 0, "end_block_index": 1}
_CITATIONS = [
    Free(type="char_location", **_DOCUMENT, start_char_index=0, end_char_index=1, file_id=PLAIN),
    Free(type="page_location", **_DOCUMENT, start_page_number=1, end_page_number=2),
    Free(type="content_block_location", **_DOCUMENT, **_BLOCKS),
    Free(type="search_result_location", cited_text=PLAIN, source=PLAIN, title=PLAIN, search_result_index=0, **_BLOCKS),
    Free(type="web_search_result_location", cited_text=PLAIN, encrypted_index=PLAIN, title=PLAIN, url=PLAIN),
]
_OBJECTS = {
    "input": [TOOL_INPUT],
    "input_examples": [TOOL_INPUT],
    "input_schema": [JSON_SCHEMA],
    "schema": [JSON_SCHEMA],
    "citations": _CITATIONS,
}
"""What stands where the schema says no more than that it is an object."""


def shapes(openapi: Object) -> list[Shape]:
    """Bodies of every route whose tag says that it is inference: each field and each kind of block at least once.

    Those of OpenAI's form are in `openai_shapes`.
    """
    schemas = openapi["components"]["schemas"]
    made: list[Shape] = []
    for path, methods in openapi["paths"].items():
        operation: Object = {} if path.startswith("/v1/openai/") else methods.get("post", {})
        if any(tag.endswith("inference") for tag in operation.get("tags", ())) and "requestBody" in operation:
            schema = operation["requestBody"]["content"]["application/json"]["schema"]
            made += [
                Shape(path, body, schema["$ref"]) for each in _values(schema, schemas, "") for body in _completed(each)
            ]
    return made


def slots(made: Sequence[Shape]) -> list[Slot]:
    """Every place for text in `made`, each in the first shape that has it, those inside free-form JSON last.

    What a schema lists is told by the object around it alone, wherever that
    stands. Free-form JSON is read alike on every route, and all else on those
    of one schema: the routes take turns.
    """
    declared: dict[object, dict[str, Slot]] = {}
    free: dict[object, dict[str, Slot]] = {}
    for shape in made:
        for slot in _slots(shape, shape.body, (), "", is_free=False):
            name = ".".join(slot.name.split(".")[-2:]) if slot.is_fixed else slot.name
            if slot.is_free:
                free.setdefault((name, slot.is_key), {}).setdefault(shape.path, slot)
            else:
                declared.setdefault((shape.schema, name, slot.is_key), {}).setdefault(shape.path, slot)
    places = (*declared.values(), *free.values())
    return [list(routes.values())[number % len(routes)] for number, routes in enumerate(places)]


def _slots(shape: Shape, value: Json, steps: Path, name: str, *, is_free: bool) -> Iterator[Slot]:
    if isinstance(value, str):
        yield Slot(shape, steps, name, is_key=False, is_fixed=isinstance(value, Fixed), is_free=is_free)
    elif isinstance(value, dict):
        held = cast("Object", value)
        is_free = is_free or isinstance(held, Free)
        kind = held.get("role") or (isinstance(held, Member | Free) and held.get("type"))
        name = f"{name}<{kind}>" if kind else name
        yield Slot(shape, steps, name, is_key=True, is_fixed=not is_free, is_free=is_free)
        for key, item in held.items():
            yield from _slots(shape, item, (*steps, key), f"{name}.{key}", is_free=is_free)
    elif isinstance(value, list):
        for index, item in enumerate(cast("list[Json]", value)):
            yield from _slots(shape, item, (*steps, index), f"{name}[]", is_free=is_free)


def _values(schema: Object, schemas: Object, name: str) -> list[Json]:
    """Values that `schema` accepts; together they hold every field and every union member."""
    match schema:
        case {"$ref": str(reference)}:
            return _values(schemas[reference.rpartition("/")[2]], schemas, name)
        case {"anyOf": members}:
            return [value for member in members for value in _values(member, schemas, name)]
        case {"oneOf": members}:
            return [Member(value) for member in members for value in _values(member, schemas, name)]
        case {"type": "array", "items": items}:
            return [[value] for value in _values(items, schemas, name)]
        case {"type": "object", "properties": properties}:
            return _objects(schema, properties, schemas)
        case {"type": "object"}:
            return list(_OBJECTS.get(name, [Free(note=PLAIN)]))
        case _:
            return _scalars(schema, name)


def _scalars(schema: Object, name: str) -> list[Json]:
    match schema:
        case {"const": only}:
            return [Fixed(only) if isinstance(only, str) else only]
        case {"enum": choices}:
            return [Fixed(choice) for choice in choices]
        case {"type": "string"}:
            return [_NAMED.get(name) or (_STRINGS[schema["pattern"]] if "pattern" in schema else PLAIN)]
        case {"type": "null"}:
            return []
        case {"type": "boolean"}:
            return [True]
        case {"type": "integer"}:
            return [max(1024, schema.get("minimum", 0))]
        case {"type": "number", "maximum": most}:
            return [most]
        case _:
            raise ValueError(f"no value is known for {name}: {schema}")


def _objects(schema: Object, properties: Object, schemas: Object) -> list[Object]:
    """The least that is accepted, then that with each field in each of its forms."""
    kind = properties.get("type", {}).get("const", "")
    forms = {
        field: _values(each, schemas, field if f"{kind}.{field}" not in _NAMED else f"{kind}.{field}")
        for field, each in properties.items()
    }
    least = {field: forms[field][0] for field in schema.get("required", ())}
    return [least] + [
        least | {field: form}
        for field, values in forms.items()
        for form in values
        if field not in least or form is not least[field]
    ]


def _completed(body: Object) -> Iterator[Object]:
    """`body` with what belongs to it: something said, the call before a result, the result after a call."""
    if not body.get("message") and not body.get("messages"):
        body = body | {"messages": [_SAID]}
    if "tool_choice" in body:
        body = body | {"tools": [{"name": "find", "input_schema": Free()}]}
    if "messages" not in body:
        yield body
        return
    (turn,) = body["messages"]
    for role in _roles(turn):
        yield body | {"messages": list(_conversation({**turn, "role": Fixed(role)}))}


def _roles(turn: Object) -> tuple[str, ...]:
    """Who may say `turn`; text is said by everyone."""
    kinds = _kinds(turn) or {"text"}
    if kinds == {"text"}:
        return ("user", "assistant", "system")
    return ("assistant",) if kinds <= {"tool_use", "thinking", "redacted_thinking"} else ("user",)


def _kinds(turn: Object) -> set[str]:
    content: Json = turn["content"]
    return set() if isinstance(content, str) else {block["type"] for block in content}


def _conversation(turn: Object) -> Iterator[Object]:
    kinds = _kinds(turn)
    if "tool_result" in kinds:
        yield _SAID
        yield {"role": Fixed("assistant"), "content": [_CALL]}
    elif turn["role"] == "assistant":
        yield _SAID
    yield turn
    if "tool_use" in kinds:
        yield {"role": Fixed("user"), "content": [_RESULT]}
    elif turn["role"] != "user":
        yield _SAID


_SAID = {"role": Fixed("user"), "content": PLAIN}
_CALL = Member(type=Fixed("tool_use"), id="toolu_1", name="find", input=Free())
_RESULT = Member(type=Fixed("tool_result"), tool_use_id="toolu_1")
