"""Our own API under `/v1`: databases, projects, tokens and accounts; `platform` and `docs` stand beside it."""
