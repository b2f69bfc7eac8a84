"""Prompts with their values: filled in once, bounded, and never read as prompts themselves."""

from typing import Any

import pytest

from gateway.apps.definition import (
    AppDefinition,
    Constant,
    PromptSection,
    Step,
    UserInput,
    VariableType,
    before,
    plan_of,
)
from gateway.apps.jobs import last_steps, tries_of
from gateway.apps.rendering import MOST_PROMPT_CHARS, read_inputs, rendered, require_sound
from gateway.errors import ValidationFailedError
from gateway.ids import JobId, day_of, new_ulid


def asks(name: str, *, required: bool = False, kind: VariableType = VariableType.SHORT_ANSWER) -> UserInput:
    return UserInput("o", name, name.title(), None, 0, required, kind)


def app(*bodies: str, inputs: tuple[UserInput, ...] = (), **fields: Any) -> AppDefinition:
    sections = tuple(PromptSection(place, body) for place, body in enumerate(bodies))
    return AppDefinition("auto", user_inputs=inputs, prompt_sections=sections, **fields)


def steps(*waits_for: tuple[str, ...], bodies: tuple[str, ...] = ()) -> AppDefinition:
    """Steps `s0`, `s1` and so on, each waiting for the named ones."""
    said = [*bodies, *["Hi"] * (len(waits_for) - len(bodies))]
    made = tuple(
        Step(f"s{place}", "", place, None, (PromptSection(0, said[place]),), names)
        for place, names in enumerate(waits_for)
    )
    return AppDefinition("auto", steps=made)


def filled(definition: AppDefinition, **given: Any) -> str:
    return rendered(definition.prompt_sections, read_inputs(definition, given).values)


def test_values_stand_where_the_prompt_names_them_and_sections_in_their_order() -> None:
    sections = (PromptSection(2, "of {{ inputs.who }}"), PromptSection(1, "{{inputs.what}},{{inputs.what}}"))
    definition = AppDefinition("auto", user_inputs=(asks("what"), asks("who")), prompt_sections=sections)

    assert filled(definition, what="a letter", who="Ann") == "a letter,a letter\n\nof Ann"


def test_a_value_that_looks_like_a_prompt_stays_what_it_is() -> None:
    definition = app("{{inputs.a}} {{inputs.b}}", inputs=(asks("a"), asks("b")))

    assert filled(definition, a="{{inputs.b}}{{steps.s0.output}}", b=r"\1\g<0>{}%s") == (
        r"{{inputs.b}}{{steps.s0.output}} \1\g<0>{}%s"
    )


def test_other_braces_stay_as_they_are() -> None:
    assert filled(app("{{ other }} {{inputs}} {x} {{inputs.}}")) == "{{ other }} {{inputs}} {x} {{inputs.}}"


@pytest.mark.parametrize(("value", "text"), [("x", "x"), (3, "3"), (2.5, "2.5"), (True, "true"), (None, ""), ("", "")])
def test_numbers_and_texts_are_values_and_nothing_is_empty(value: Any, text: str) -> None:
    assert filled(app("<{{inputs.a}}>", inputs=(asks("a"),)), a=value) == f"<{text}>"


def test_constants_are_values_that_nobody_sends() -> None:
    definition = app("{{inputs.tone}}", constants=(Constant("o", "tone", "Tone", None, "kind"),))

    assert filled(definition) == "kind"
    with pytest.raises(ValidationFailedError):
        filled(definition, tone="rude")


@pytest.mark.parametrize(
    ("given", "param"),
    [({}, "inputs.a"), ({"a": ""}, "inputs.a"), ({"a": ["x"]}, "inputs.a"), ({"a": "x", "Ann Lee": 1}, "inputs")],
)
def test_inputs_that_are_missing_or_unknown_are_refused_by_name(given: dict[str, Any], param: str) -> None:
    with pytest.raises(ValidationFailedError) as refused:
        read_inputs(app("Hi", inputs=(asks("a", required=True),)), given)

    assert refused.value.param == param
    assert "Ann Lee" not in refused.value.text


def test_a_file_is_named_in_the_prompt_and_goes_along() -> None:
    definition = app("Read {{inputs.scan}}", inputs=(asks("scan", kind=VariableType.FILE_UPLOAD),))

    inputs = read_inputs(definition, {"scan": "file-1"})

    assert (rendered(definition.prompt_sections, inputs.values), inputs.files) == ("Read Scan", {"scan": "file-1"})


def test_a_value_that_is_repeated_beyond_all_bounds_is_refused_before_it_is_joined() -> None:
    definition = app("{{inputs.a}}" * 5_000, inputs=(asks("a"),))

    with pytest.raises(ValidationFailedError):
        filled(definition, a="x" * (MOST_PROMPT_CHARS // 4_000))


@pytest.mark.parametrize(
    "definition",
    [
        app("{{inputs.unknown}}"),
        app("Hi", inputs=(asks("a"), asks("a"))),
        steps((), (), bodies=("Hi", "{{steps.s0.output}}")),
        steps((), ("s0",), bodies=("{{steps.s1.output}}", "Hi")),
        steps(("s0",)),
        steps(("s9",)),
        steps(("s1",), ("s2",), ("s0",)),
    ],
    ids=["unknown input", "name twice", "not waited for", "later step", "itself", "unknown step", "ring"],
)
def test_an_app_that_could_not_be_run_is_refused(definition: AppDefinition) -> None:
    with pytest.raises(ValidationFailedError):
        require_sound(definition)


def test_a_step_reads_what_it_waits_for_by_way_of_others() -> None:
    definition = steps((), ("s0",), ("s1",), bodies=("Hi", "Hi", "{{steps.s0.output}} {{steps.s1.output}}"))

    require_sound(definition)

    assert plan_of(definition) == ((), (0,), (1,))
    assert before(plan_of(definition))[2] == {0, 1}
    assert rendered(definition.steps[2].prompt_sections, {}, {"s0": "a", "s1": "{{steps.s0.output}}"}) == (
        "a {{steps.s0.output}}"
    )


def test_the_last_steps_are_those_that_no_other_waits_for() -> None:
    assert last_steps(steps((), ("s0",), ("s0",))) == ("s1", "s2")


def test_tries_of_a_step_are_the_same_whoever_asks_and_of_the_day_of_their_job() -> None:
    job = JobId(new_ulid())

    tries = {place: tries_of(job, place) for place in range(3)}

    assert tries_of(job, 1) == tries[1]
    assert len({each for some in tries.values() for each in some}) == 30
    assert {day_of(each) for each in tries[2]} == {day_of(job)}
