"""Where the numbers of a run can be followed from elsewhere: one file per tracker, as accelerate has them."""
