"""Which extra of the installation brings a package that is missing."""

from __future__ import annotations

_PACKAGES = {
    "train": {"torch", "matplotlib", "onnx", "onnxscript"},
    "serve": {"anyio", "fastapi", "prometheus_client", "python_multipart", "starlette", "uvicorn"},
    "cluster": {"fsspec", "s3fs"},
    "users": {"argon2"},
    "oidc": {"authlib", "joserfc"},
    "codes": {"zxingcpp"},
    "excel": {"xlsxwriter"},
    "mqtt": {"paho"},
    "basler": {"pypylon"},
    "video": {"av"},
    "modbus": {"pymodbus"},
    "opcua": {"asyncua"},
}


def needed_extra(package: str | None) -> str | None:
    """Give the extra that brings a package; None where no extra does."""
    top = (package or "").partition(".")[0]
    return next((extra for extra, packages in _PACKAGES.items() if top in packages), None)
