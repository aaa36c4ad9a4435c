//! Roots, exponentials and logarithms of `numeric`, to the number of digits that PostgreSQL shows.
