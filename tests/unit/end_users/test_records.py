"""Records of exports are documented field by field."""

import re
from pathlib import Path

import orjson
import pytest

from gateway.end_users.exports import Dataset
from gateway.end_users.records import schema

DOCUMENT = Path(__file__).parents[3] / "docs/end-user-export.md"


@pytest.mark.parametrize("dataset", Dataset)
def test_every_field_of_a_record_is_documented(dataset: Dataset) -> None:
    row = re.search(rf"^\| `{dataset}` \|.*$", DOCUMENT.read_text(), re.MULTILINE)

    assert row is not None
    named = set(re.findall(r"`(\w+)`", row.group()))
    assert orjson.loads(schema(dataset))["properties"].keys() <= named


@pytest.mark.parametrize("dataset", Dataset)
def test_a_schema_takes_no_other_fields(dataset: Dataset) -> None:
    assert orjson.loads(schema(dataset))["additionalProperties"] is False
