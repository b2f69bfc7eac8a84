"""`/docs`: the OpenAPI document as one plain page, made here so that reading it loads nothing from elsewhere."""

import json
from collections.abc import Iterator
from html import escape
from typing import Any

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
nav ul{columns:2;list-style:none;padding:0}a{color:#0b5cad;text-decoration:none}code,pre{font:13px/1.45 ui-monospace,
monospace}pre{background:#f4f6f8;padding:.8rem;overflow:auto;border-radius:4px}section{border-top:1px solid #d8dee6;
margin-top:2rem}summary{cursor:pointer}table{border-collapse:collapse}td,th{text-align:left;padding:.2rem .8rem .2rem 0;
vertical-align:top}.method{display:inline-block;min-width:4.5rem;font-weight:600}
@media(prefers-color-scheme:dark){body{color:#dde3ea;background:#14181d}pre{background:#1e242c}a{color:#7ab8f5}}
"""


def page(document: dict[str, Any]) -> str:
    """The whole document as HTML without scripts."""
    operations = list(_operations(document))
    contents = "".join(
        f'<li><a href="#{_anchor(method, path)}"><code><span class="method">{method}</span>{escape(path)}</code></a>'
        for method, path, _ in operations
    )
    sections = "".join(_operation(method, path, operation) for method, path, operation in operations)
    schemas: dict[str, Any] = document.get("components", {}).get("schemas", {})
    bodies = "".join(
        f'<section id="schema-{escape(name)}"><h3>{escape(name)}</h3>{_json(schema)}</section>'
        for name, schema in sorted(schemas.items())
    )
    info = document["info"]
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])} API</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(info['title'])} API <small>{escape(info['version'])}</small></h1>"
        f'<p>{_prose(info.get("description", ""))}<p>The same as data: <a href="/openapi.json">/openapi.json</a>'
        f"<nav><ul>{contents}</ul></nav>{sections}<h2>Schemas</h2>{bodies}</html>"
    )


def _operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def _operation(method: str, path: str, operation: dict[str, Any]) -> str:
    responses: dict[str, Any] = operation.get("responses", {})
    return (
        f'<section id="{_anchor(method, path)}"><h2>{escape(operation.get("summary", path))}</h2>'
        f'<p><code><span class="method">{method}</span>{escape(path)}</code>'
        f"<p>{_prose(operation.get('description', ''))}{_parameters(operation.get('parameters', []))}"
        f"{_body(operation.get('requestBody'))}"
        + "".join(_response(status, response) for status, response in sorted(responses.items()))
        + "</section>"
    )


def _parameters(parameters: list[dict[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code><td>{escape(each['in'])}"
        f"<td>{escape(each.get('schema', {}).get('description', ''))}<td><code>{escape(_type(each['schema']))}</code>"
        for each in parameters
    )
    return f"<h3>Parameters</h3><table>{rows}</table>"


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "anyOf" in schema:
        return " | ".join(_type(each) for each in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    return str(schema.get("format") or schema.get("type", "any"))


def _body(body: dict[str, Any] | None) -> str:
    if body is None:
        return ""
    ((media_type, content),) = body["content"].items()
    name = str(content["schema"].get("$ref", "")).rpartition("/")[2]
    examples = "".join(
        f"<p>{escape(title)}{_json(example['value'])}" for title, example in content.get("examples", {}).items()
    )
    if not name:
        return f"<h3>Body: <code>{escape(media_type)}</code></h3>{_json(content['schema'])}{examples}"
    return f'<h3>Body: <a href="#schema-{escape(name)}">{escape(name)}</a></h3>{examples}'


def _response(status: str, response: dict[str, Any]) -> str:
    content: dict[str, Any] = response.get("content", {})
    shown = ""
    for media_type, form in content.items():
        if "example" in form:
            example = form["example"]
            text = f"<pre>{escape(example)}</pre>" if isinstance(example, str) else _json(example)
            shown += f"<p><code>{escape(media_type)}</code>{text}"
        for code, example in form.get("examples", {}).items():
            shown += f"<p><code>{escape(code)}</code> {escape(example.get('summary', ''))}{_json(example['value'])}"
    opened = " open" if status.startswith("2") else ""
    return f"<details{opened}><summary><b>{status}</b> {escape(response['description'])}</summary>{shown}</details>"


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return f"<pre>{escape(json.dumps(value, indent=2, ensure_ascii=False))}</pre>"


def _prose(text: str) -> str:
    """Paragraphs, and `code` in backticks."""
    parts = escape(text.strip()).split("`")
    marked = "".join(f"<code>{part}</code>" if index % 2 else part for index, part in enumerate(parts))
    return marked.replace("\n\n", "<p>")


def _anchor(method: str, path: str) -> str:
    return escape(f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}".lower())
