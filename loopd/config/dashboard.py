"""Owns the settings of the live page."""

from __future__ import annotations

from ipaddress import ip_address

from pydantic import Field, field_validator

from loopd.config.section import Section


class DashboardSection(Section):
    """The live page and the metrics for Prometheus."""

    enabled: bool = Field(True, description="Whether `loopd run` serves them.")
    host: str = Field(
        "127.0.0.1",
        description="Address of this machine to listen on; with any other than the default, "
        "everybody who can reach it can read the page, which has no password.",
    )
    port: int = Field(
        6901, ge=0, le=65535, description="Port; the next free one if it is taken; 0: any free one."
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        max_length=20,
        description="Host names under which browsers may ask for the page, in addition to "
        "`localhost` and IP addresses, such as that of a reverse proxy.",
    )

    @field_validator("host")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value == "localhost":
            return value
        try:
            ip_address(value)
        except ValueError:
            raise ValueError("must be `localhost` or an IP address of this machine") from None
        return value

    @property
    def is_local(self) -> bool:
        """Whether nobody but this machine can reach it."""
        return self.host == "localhost" or ip_address(self.host).is_loopback
