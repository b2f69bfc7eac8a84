"""What was said one after the other, as turns."""

from api.openai.turns import Said, spoken
from gateway.conversation import Role, Text, Turn


def _said(role: Role, *texts: str) -> Said:
    return Said(role, tuple(map(Text, texts)), tuple(f"at {text}" for text in texts))


def test_what_one_side_says_in_a_row_is_one_turn_in_its_order() -> None:
    items = [_said("system", "s"), _said("user", "a", "b"), _said("user", "c"), _said("assistant"), _said("user", "d")]
    found = spoken([Text("i")], [*items, _said("assistant", "e"), _said("system", "f")])

    assert found.system == (Text("i"), Text("s"))
    assert found.turns == (
        Turn("user", tuple(map(Text, "abcd"))),
        Turn("assistant", (Text("e"),)),
        Turn("system", (Text("f"),)),
    )
    assert found.places == (("at a", "at b", "at c", "at d"), ("at e",), ("at f",))
