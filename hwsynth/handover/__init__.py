"""What a hardware team gets: a folder with RTL, tests with vectors, constraints, and pages that explain them."""
