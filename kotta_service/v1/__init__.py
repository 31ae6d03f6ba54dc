"""`/rest/v1`: what the clients of 2016 say, carried out on the same jobs by the same rules.

Only their language is here: how they write a request, and how they want to be told what came of it.
docs/first-clients.md is that language.
"""
