"""The one way to the database: engine, transaction, errors, migrations."""
