"""Send records to Marketo in batches, and determine the outcome of every record."""
