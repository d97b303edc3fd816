"""The commands that need a platform's URL and a token; they use `client`.

Results go to stdout and everything else to stderr, so that `$(dbyard url DB)` is only the URL. The HTTP client and the
table printer are imported when a command runs, never for its help.
"""
