import pytest
from django.conf import settings as django_settings


@pytest.fixture
def own_keys(tmp_path_factory, monkeypatch):
    """A signing key of this test run, quick to make: an elliptic curve."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from fengsui.warn.warnings import keys

    folder = tmp_path_factory.mktemp("cap-keys")
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (folder / "certificate.pem").write_text(keys._self_signed(key))
    monkeypatch.setattr(django_settings, "CAP_KEY", folder / "key.pem")
    monkeypatch.setattr(django_settings, "CAP_CERTIFICATE", folder / "certificate.pem")
    monkeypatch.setattr(django_settings, "CAP_KEY_IS_OURS", False)
    return folder


@pytest.fixture
def bureau(db, own_keys):
    from tests.warn.warnings.bureau import Bureau

    return Bureau()
