"""TLS to servers that are not ours."""

import ssl


def verified_tls() -> ssl.SSLContext:
    """TLS 1.2 or newer; chain and name are checked, by the authorities of the system or of `SSL_CERT_FILE`."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context
