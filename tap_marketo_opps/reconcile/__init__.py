"""`find_by: reconcile`, which looks up the warehouse's rows and emits what differs in Marketo."""
