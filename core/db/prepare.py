"""Makes roles, database and schemas on an empty cluster; what a superuser must do once before any migration."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg
from psycopg import sql

DATABASE = "registry"
OWNER, APP, DRILL = "registry_owner", "registry_app", "drill"
PROVINCE = "registry_province"
"""Nobody logs in as this; the application reads under it on behalf of a province's authority."""


@dataclass(frozen=True, slots=True)
class Passwords:
    """One password for each role that logs in; None where the server trusts the connection."""

    owner: str | None
    app: str | None
    drill: str | None


def prepare(admin_dsn: str, passwords: Passwords, *, database: str = DATABASE) -> None:
    """Create roles, database and schemas; doing it twice changes nothing.

    ``admin_dsn`` is a superuser's URI to the maintenance database. ``registry_app`` never owns a table, so
    that append-only holds by privilege; ``drill`` may touch its own schema and nothing else.
    """
    roles = ((OWNER, passwords.owner), (APP, passwords.app), (DRILL, passwords.drill))
    with psycopg.connect(admin_dsn, autocommit=True) as admin:
        for role, password in roles:
            if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (role,)).fetchone():
                admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
            if password is not None:
                change = sql.SQL("ALTER ROLE {} PASSWORD {}")
                admin.execute(change.format(sql.Identifier(role), sql.Literal(password)))
        if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (PROVINCE,)).fetchone():
            admin.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(PROVINCE)))
            lend = sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE")
            admin.execute(lend.format(sql.Identifier(PROVINCE), sql.Identifier(APP)))
        if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", (database,)).fetchone():
            create = sql.SQL("CREATE DATABASE {} OWNER {}")
            admin.execute(create.format(sql.Identifier(database), sql.Identifier(OWNER)))
    with psycopg.connect(admin_dsn, dbname=database, autocommit=True) as inside:
        for schema, owner in (("registry", OWNER), ("drill", DRILL)):
            create = sql.SQL("CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}")
            inside.execute(create.format(sql.Identifier(schema), sql.Identifier(owner)))
        inside.execute(sql.SQL("GRANT USAGE ON SCHEMA registry TO {}").format(sql.Identifier(APP)))
        inside.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")
        for role, schema in ((OWNER, "registry"), (APP, "registry"), (DRILL, "drill")):
            path = sql.SQL("ALTER ROLE {} IN DATABASE {} SET search_path = {}")
            inside.execute(path.format(sql.Identifier(role), sql.Identifier(database), sql.Identifier(schema)))
