"""The commands that need a platform's URL and a token, each on top of `client`.

Results go to stdout and everything else to stderr, so that `$(dbyard url DB)` is the URL alone. Modules of a server,
the HTTP client and the table printer are imported when a command runs, never for its help.
"""
