"""A stand-in for Intel's package: it refuses what the real one refuses.

Lazy mode runs on the lazy device that ships with torch, which really collects and compiles
graphs; eager and compile mode run on the CPU. Names, arguments and rules are those of the
real package (releases 1.11 to 1.19), the code is not.
"""
