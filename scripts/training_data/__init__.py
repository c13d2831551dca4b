"""What only makes training data: no part of the package."""
