"""From keys to pages: how opportunities are found, for the API cannot list them."""
