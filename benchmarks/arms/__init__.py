"""One arm of a benchmark each: a module that reads or loads once, in a process and an environment of its own."""
