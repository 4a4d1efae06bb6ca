"""A tracker of advertising traffic: it accepts postbacks and recognizes a repeated one by its event id."""
