"""Who the person is: one record."""

from gateway.end_users.records import Profile
from gateway.errors import UnavailableError
from storage.encryption import SealedValueError
from storage.end_users.binding import original_place
from storage.end_users.exports.subject import Scan, Source

_SEEN = """
select count(*), min(created_at), max(created_at) from inferences
where org_id = %(org)s and end_user_id = %(end_user)s and id > %(after)s and completed_at <= %(until)s
"""


async def read_profile(source: Source, after: str) -> Scan:
    if after:
        return Scan([], None)
    subject = source.subject
    try:
        name = await source.cipher.open(subject.org, original_place(subject.end_user), subject.original)
    except SealedValueError:
        raise UnavailableError("The stored name could not be opened.") from None
    ((inferences, first, last),) = await source.rows(_SEEN, after)
    record: Profile = {
        "id": subject.end_user,
        # A surrogate cannot come from JSON that was read, and cannot be written as JSON.
        "name": name.decode("utf-8", "replace"),
        "digest": subject.digest,
        "created_at": subject.created_at,
        "inferences": inferences,
        "first_inference_at": first,
        "last_inference_at": last,
    }
    return Scan([(subject.end_user, record)], None)
