"""What is known of one person, told or erased, wherever it is kept."""
