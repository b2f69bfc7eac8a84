"""What we wrote down of a tenant's calls, read past our own code, and what the vendor would charge for them."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any, LiteralString

import psycopg
from psycopg.rows import dict_row
from sqlalchemy.engine import make_url

from gateway.catalog import shipped_catalog
from gateway.settings import Settings

Tokens = tuple[str, int, int, int, int]
"""Model, then tokens: input, output, read from a cache, written to one."""

_IDS = {model.upstream: model.id for model in shipped_catalog()}


@dataclass(frozen=True, slots=True)
class Books:
    """One organisation's rows."""

    owner_url: str
    """The database past row security: books are read as an auditor would."""
    org: str

    def usage(self, *, of_whole_answers: bool = False) -> Counter[Tokens]:
        """Of all answers, or without those that their caller left."""
        rows = self._rows(
            "select u.*, u.cache_write_5m_tokens + u.cache_write_1h_tokens as written, i.status"
            " from usage_records u join inferences i using (id) where u.org_id = %(org)s"
        )
        return Counter(
            (row["model"], row["input_tokens"], row["output_tokens"], row["cache_read_tokens"], row["written"])
            for row in rows
            if not of_whole_answers or row["status"] == "completed"
        )

    def inferences(self) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in self._rows("select * from inferences where org_id = %(org)s")}

    def audited(self) -> dict[str, dict[str, Any]]:
        """Each inference's one entry."""
        rows = self._rows(
            "select entity_id, action, metadata from audit_entries where org_id = %(org)s and entity_type = 'inference'"
        )
        assert len({row["entity_id"] for row in rows}) == len(rows), "an inference is audited twice"
        return {row["entity_id"]: row for row in rows}

    def charged(self) -> dict[str, dict[str, Any]]:
        """Each inference's line of usage, with the family of its key."""
        rows = self._rows(
            "select u.*, k.family from usage_records u left join api_keys k on k.id = u.key_id where u.org_id = %(org)s"
        )
        return {row["id"]: row for row in rows}

    def holds(self) -> dict[str, dict[str, Any]]:
        return {row["id"]: row for row in self._rows("select * from credit_holds where org_id = %(org)s")}

    def open_holds(self) -> int:
        return sum(hold["state"] == "open" for hold in self.holds().values())

    def entries(self) -> dict[str, Counter[str]]:
        """Credits moved, by what moved them and phase."""
        moved: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for row in self._rows("select id, phase, amount from credit_entries where org_id = %(org)s"):
            moved[row["id"]][row["phase"]] += row["amount"]
        return moved

    def accounts(self) -> list[dict[str, Any]]:
        """Of all holders and periods."""
        return self._rows("select * from credit_accounts where org_id = %(org)s")

    def account(self) -> dict[str, Any]:
        """The organisation's only one."""
        (row,) = self._rows(
            "select pending, posted from credit_accounts where org_id = %(org)s and holder = 'organization'"
        )
        return row

    def credits_used(self) -> int:
        return sum(row["credits"] for row in self._rows("select credits from usage_records where org_id = %(org)s"))

    def _rows(self, statement: LiteralString) -> list[dict[str, Any]]:
        with psycopg.connect(self.owner_url) as connection, connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, {"org": self.org}).fetchall()


def books_of(org: str, settings: Settings, owner_url: str) -> Books:
    """`org`'s, in the database of `settings`, read by the owner of the server at `owner_url`."""
    owner = make_url(owner_url).set(database=make_url(str(settings.database_url)).database)
    return Books(owner.render_as_string(hide_password=False), org)


def billed(charges: list[dict[str, Any]]) -> Counter[Tokens]:
    return Counter(
        (
            _IDS[charge["model"]],
            charge["input"],
            charge["output"],
            charge["cache_read"],
            charge["cache_write_5m"] + charge["cache_write_1h"],
        )
        for charge in charges
    )
