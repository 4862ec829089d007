"""From a Singer record to a Marketo record."""
