"""Map Singer records to Marketo records, without a call."""
