"""A Singer target for the opportunities of Adobe Marketo Engage."""
