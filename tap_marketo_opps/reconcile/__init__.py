"""`find_by: reconcile`: what the warehouse has is looked up, and what it has wrong is emitted."""
