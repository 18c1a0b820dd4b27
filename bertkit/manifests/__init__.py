"""Manifests: what an output folder holds, what it was made from, and what is finished.

manifest      reads and writes `manifest.json`
journal       finished files that it does not list yet
inputs        its inputs, few or millions
differences   how a run differs from the one that made a folder
output_state  what a run would find there, for dry runs
values        checks of what it holds
cache         parsed once for all files of a folder
listed_files  input files compared with what the manifests beside them list
"""
