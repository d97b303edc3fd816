"""What can be done with a database: one module a concern."""
