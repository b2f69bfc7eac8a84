"""The provider's view of what is on record."""

import json

import pytest
from pydantic import JsonValue

from gateway.phi.recorded import without_values

VALUES = {"NAME_1": 'Maria "Mia" Lopez', "ADDRESS_1": "88 Harbor View Ave\nBoise", "AGE_1": "93", "NAME_2": "Maria"}


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        ('Maria "Mia" Lopez, not Maria', "[NAME_1], not [NAME_2]"),
        ({"text": json.dumps({"who": VALUES["NAME_1"]})}, {"text": '{"who": "[NAME_1]"}'}),
        ([json.dumps(VALUES["ADDRESS_1"])], ['"[ADDRESS_1]"']),
        ({"Maria": "aged 93, BP 193/93, 1993"}, {"[NAME_2]": "aged [AGE_1], BP 193/[AGE_1], 1993"}),
    ],
)
def test_values_are_taken_out_again_however_they_are_spelled(answer: JsonValue, seen: JsonValue) -> None:
    assert without_values(answer, VALUES) == seen
