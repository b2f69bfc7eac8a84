"""Every kind of tampering."""

from tests.unit.audit.tampering import TAMPERS
from tests.unit.audit.tampers import entries, header, sealers, signers, text

__all__ = ["TAMPERS", "entries", "header", "sealers", "signers", "text"]
