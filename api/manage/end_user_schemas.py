"""Bodies of `/v1/orgs/{organization}/end-users` (spec D32)."""

from typing import Literal

from api.content.schemas import Strict


class HoldRequest(Strict):
    reason: Literal["litigation", "investigation", "regulator", "other"]
