"""Who uses the platform: authentication, accounts, tokens, projects and their collaborators."""
