"""Identity: unified limits, which services may ask for. This cloud's own services count by their quotas."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from common.db.base import Base, Name


class RegisteredLimit(Base):
    """What a project may have of a service's resource unless it has a limit of its own. key: service, region, resource."""

    __tablename__ = "registered_limits"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(640), unique=True)
    service_id: Mapped[str] = mapped_column(sa.ForeignKey("catalog_services.id", ondelete="CASCADE"), index=True)
    region_id: Mapped[str | None] = mapped_column(sa.ForeignKey("regions.id", ondelete="CASCADE"), index=True)
    resource_name: Mapped[str] = mapped_column(Name)
    default_limit: Mapped[int]
    description: Mapped[str | None] = mapped_column(sa.Text)


class ProjectLimit(Base):
    """A project's or a domain's own limit. key: registered limit, project, domain."""

    __tablename__ = "project_limits"
    id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    key: Mapped[str] = mapped_column(sa.String(255), unique=True)
    registered_limit_id: Mapped[str] = mapped_column(
        sa.ForeignKey("registered_limits.id", ondelete="CASCADE"), index=True
    )
    project_id: Mapped[str | None] = mapped_column(sa.ForeignKey("projects.id", ondelete="CASCADE"), index=True)
    domain_id: Mapped[str | None] = mapped_column(sa.ForeignKey("domains.id", ondelete="CASCADE"), index=True)
    resource_limit: Mapped[int]
    description: Mapped[str | None] = mapped_column(sa.Text)
