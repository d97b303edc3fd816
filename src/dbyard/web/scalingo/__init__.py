"""The facade of Scalingo's APIs: each database as an app with one addon, and the Database API under `/api`.

Scalingo's words are used here and nowhere else.
"""
