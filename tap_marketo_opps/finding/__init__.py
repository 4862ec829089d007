"""Finding of records by keys, in pipelines of lookups: the API cannot list opportunities."""
