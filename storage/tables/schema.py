"""The declarative root: one metadata, one naming convention, one way to spell a column."""

from datetime import date, datetime
from typing import Annotated, ClassVar

from pydantic import JsonValue
from sqlalchemy import BigInteger, Date, DateTime, Integer, LargeBinary, MetaData, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, mapped_column

Ulid = Annotated[str, mapped_column(Text)]
UlidKey = Annotated[str, mapped_column(Text, primary_key=True)]
Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Day = Annotated[date, mapped_column(Date)]
Credits = Annotated[int, mapped_column(BigInteger)]
Counter = Annotated[int, mapped_column(BigInteger)]
Words = Annotated[list[str], mapped_column(ARRAY(Text))]
Percents = Annotated[list[int], mapped_column(ARRAY(Integer))]
Json = Annotated[dict[str, JsonValue], mapped_column(JSONB)]
JsonList = Annotated[list[dict[str, JsonValue]], mapped_column(JSONB)]
Sealed = Annotated[bytes, mapped_column(LargeBinary)]
"""Ciphertext of `storage.encryption`, never anything readable."""


class Row(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {str: Text}
