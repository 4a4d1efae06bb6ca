"""leadbridge: carries leads from web forms to the partners that can serve them."""

import gc

# What a start makes stays, and looking through it for garbage again and again takes a tenth of the start. What is made
# later goes by its count of references; cycles are rare, and wait for this many objects instead of 2,000.
gc.set_threshold(100_000, 10, 10)
