"""What was said one after the other, as the turns that vendors want: and where in the request each part stood."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.conversation import Block, Role, Text, Turn
from gateway.errors import GatewayError, ValidationFailedError

_PLACE = re.compile(r"messages\[(\d+)\](?:\.content\[(\d+)\])?")


@dataclass(frozen=True, slots=True)
class Said:
    """One item of a request. `places` names where each of `blocks` stands in it."""

    role: Role
    blocks: tuple[Block, ...]
    places: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spoken:
    """`places` has those of the blocks of each turn."""

    system: tuple[Text, ...]
    turns: tuple[Turn, ...]
    places: tuple[tuple[str, ...], ...]


def spoken(system: Sequence[Text], said: Iterable[Said]) -> Spoken:
    """Items of one side that follow one another are one turn; what is said to the system first, of its prompt."""
    prompt = [*system]
    turns: list[tuple[Role, list[Block], list[str]]] = []
    for each in said:
        if each.role == "system" and not turns:
            prompt += _texts(each)
        elif turns and turns[-1][0] == each.role:
            turns[-1][1].extend(each.blocks)
            turns[-1][2].extend(each.places)
        elif each.blocks:
            turns.append((each.role, [*each.blocks], [*each.places]))
    return Spoken(
        tuple(prompt),
        tuple(Turn(role, tuple(blocks)) for role, blocks, _ in turns),
        tuple(tuple(places) for *_, places in turns),
    )


def _texts(said: Said) -> Iterator[Text]:
    for block, place in zip(said.blocks, said.places, strict=True):
        if not isinstance(block, Text):
            raise ValidationFailedError("What is said to the system first is text.", param=place)
        yield block


def named_as_sent(error: GatewayError, places: Sequence[Sequence[str]], names: Mapping[str, str]) -> GatewayError:
    """`error` with the name that its parameter has in the request: the neutral ones are those of another dialect.

    `names` maps beginnings of neutral names, the longer ones first.
    """
    param = error.param
    if param is None:
        return error
    if found := _PLACE.match(param):
        error.param = _place(places, int(found[1]), int(found[2] or 0)) or names["messages"]
        return error
    for neutral, sent in names.items():
        if param == neutral or param.startswith((f"{neutral}.", f"{neutral}[")):
            error.param = sent
            return error
    return error


def _place(places: Sequence[Sequence[str]], turn: int, block: int) -> str | None:
    return places[turn][block] if turn < len(places) and block < len(places[turn]) else None
