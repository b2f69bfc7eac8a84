"""Where routes about people are: `{organization}` is the caller's own, `{runtimeUser}` whom its calls name (spec B13).

Whatever is not there is one 404, whether it is another organisation's, a name that nobody was called by, or none.
"""

from typing import Annotated, Final

from fastapi import Depends, Path, Request
from starlette.convertors import PathConvertor, register_url_convertor

from api.authentication import authenticate
from api.state import gateway_of
from gateway.errors import NotFoundError
from gateway.tenancy import Access, Scope


class _NameConvertor(PathConvertor):
    """Starlette's own stops at the end of a line, and would take a name that ends in one for another."""

    regex = "(?s:.*)"


register_url_convertor("name", _NameConvertor())

END_USERS: Final = "/v1/orgs/{organization}/end-users"
NAMED: Final = f"{END_USERS}/{{runtimeUser:name}}"

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


async def _reader(request: Request, organization: str) -> Access:
    access = await authenticate(request, Scope.END_USERS_READ)
    require_own(access, organization)
    gateway_of(request).pipeline.require_readable(access.policy)
    return access


PersonReader = Annotated[Access, Depends(_reader)]
"""Of an organisation with an agreement in force, or one whose grace is not over (spec D5): what is kept is content."""
