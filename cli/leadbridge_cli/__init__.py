"""leadbridge, the operators' command: what the console does, in a terminal and for scripts."""
