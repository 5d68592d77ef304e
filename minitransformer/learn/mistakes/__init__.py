"""Wrong code that real implementations shipped: what is wrong with it, and which test of this project catches it."""
