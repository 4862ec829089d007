"""A Singer tap for the opportunities of Adobe Marketo Engage."""
