"""Teacher, student, learn-to-weight and the model that joins them."""
