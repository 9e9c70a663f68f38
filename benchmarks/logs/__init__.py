"""What becomes of the lines that children write."""
