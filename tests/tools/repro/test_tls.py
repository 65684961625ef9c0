"""A scheduler with TLS, by Dask's own settings: it runs nothing for a client without the right certificate."""

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.tools.repro.conftest import Project, processes

pytestmark = pytest.mark.slow
SETTING = "DASK_DISTRIBUTED__COMM__{}"


def certificate(folder: Path, name: str) -> dict[str, str]:
    """Make a certificate that has signed itself; the settings of those who share it and trust nothing else.

    docs/cluster.md makes such a one by `openssl req -x509`.
    """
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "dask")])
    made = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    public, private = folder / f"{name}.pem", folder / f"{name}.key"
    public.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private.write_bytes(key.private_bytes(*form))
    return {SETTING.format("REQUIRE_ENCRYPTION"): "true", SETTING.format("TLS__CA_FILE"): str(public)} | {
        SETTING.format(f"TLS__{role}__{kind}"): str(path)
        for role in ("SCHEDULER", "WORKER", "CLIENT")
        for kind, path in (("CERT", public), ("KEY", private))
    }


def refused(project: Project, address: str, settings: dict[str, str]) -> str:
    """The one line that a client with these settings ends with."""
    before = dict(project.environment)
    project.environment |= settings
    plan, line = project.repro("--scheduler", address, status=1).splitlines()
    project.environment = before
    assert "stages to run" in plan and not project.locks()
    return line


def test_only_who_has_the_certificate_can_run_something(project, tmp_path, monkeypatch):
    project.run("dvc", "remote", "add", "--quiet", "--default", "store", str(tmp_path / "store"))
    own, stranger = certificate(tmp_path, "own"), certificate(tmp_path, "stranger")
    trust = SETTING.format("TLS__CA_FILE")
    with monkeypatch.context() as patched:
        for name, value in own.items():
            patched.setenv(name, value)
        with processes(tmp_path / "cluster", {}) as cluster:
            patched.undo()  # the cluster has read them
            assert cluster.address.startswith("tls://")
            says = f"the scheduler {cluster.address} does not answer: "
            assert refused(project, cluster.address, {}).startswith(f"{says}TLS expects a `ssl_context`")
            # the stranger trusts the cluster, but not the other way round
            assert refused(project, cluster.address, stranger | {trust: own[trust]}).startswith(says)
            assert "does not answer" in refused(project, cluster.address.replace("tls://", "tcp://"), {})
            project.environment |= own
            assert "6 ran" in project.repro("--scheduler", cluster.address)
