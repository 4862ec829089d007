"""A shell command with curl that shows a user how to get a token and query an opportunity."""

from __future__ import annotations

import shlex
from urllib.parse import urlencode


def curl_line(endpoint: str, client_id: str, client_secret: str, opportunity_id: str) -> str:
    """Return a shell command that prints the response to a query for one opportunity."""
    grant = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": client_secret,
    }
    query = {"filterType": "dedupeFields", "filterValues": opportunity_id}
    token_url = shlex.quote(f"{endpoint}/identity/oauth/token?{urlencode(grant)}")
    query_url = shlex.quote(f"{endpoint}/rest/v1/opportunities.json?{urlencode(query)}")
    # The token is the value of the first member of the response, the fourth field between quotes.
    token = f"$(curl -s {token_url} | cut -d'\"' -f4)"
    return f'curl -s -H "Authorization: Bearer {token}" {query_url}'
