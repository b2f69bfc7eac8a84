"""The operator's side of an agreement, as the settings say it."""

from datetime import datetime, timedelta

from gateway.baa.evidence import Operator, as_printed
from gateway.baa.seal import SealError, SealFiles, files_beside
from gateway.errors import AgreementNotOfferedError, ValidationFailedError
from gateway.settings import Settings


def countersigner(settings: Settings) -> Operator:
    """The other party. Raises `AgreementNotOfferedError` while the settings do not name it, in words that print."""
    name, person = settings.baa_operator_name, settings.baa_countersigner
    if name is None or person is None:
        raise AgreementNotOfferedError
    try:
        return Operator(
            as_printed("HASP_BAA_OPERATOR_NAME", name),
            as_printed("HASP_BAA_COUNTERSIGNER", person),
            as_printed("HASP_BAA_COUNTERSIGNER_TITLE", settings.baa_countersigner_title),
        )
    except ValidationFailedError as failure:
        raise AgreementNotOfferedError(failure.text) from None


def agreed_end(settings: Settings, now: datetime) -> datetime | None:
    """The end of an agreement that is accepted `now`."""
    return None if settings.baa_term_days is None else now + timedelta(days=settings.baa_term_days)


def seal_files(settings: Settings) -> SealFiles:
    """Raises `SealError` for half a pair."""
    key, certificate = settings.baa_signing_key_file, settings.baa_signing_cert_file
    if key and certificate:
        return SealFiles(key, certificate, settings.baa_signing_passphrase_file)
    if key or certificate:
        raise SealError("HASP_BAA_SIGNING_KEY_FILE and HASP_BAA_SIGNING_CERT_FILE: set both, or neither")
    return files_beside(settings.keyring_file)
