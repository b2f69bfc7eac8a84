"""Where routes about people are: `{organization}` is the caller's own, `{runtimeUser}` whom its calls name (spec B13).

Whatever is not there is one 404, whether it is another organisation's, a name that nobody was called by, or none.
"""

from typing import Annotated, Final

from fastapi import Path

from gateway.errors import NotFoundError
from gateway.tenancy import Access

END_USERS: Final = "/v1/orgs/{organization}/end-users"
NAMED: Final = f"{END_USERS}/{{runtimeUser:path}}"

RuntimeUser = Annotated[
    str,
    Path(
        alias="runtimeUser",
        description="The name as calls have it (`metadata.user_id`), percent-encoded; or the end user's id.",
    ),
]


def require_own(access: Access, organization: str) -> None:
    """Raises `NotFoundError` unless `organization` is the caller's."""
    if organization.upper() != access.principal.org:
        raise NotFoundError
