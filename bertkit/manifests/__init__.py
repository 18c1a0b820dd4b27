"""Manifests: what an output folder holds, what it was made from, and what is finished.

manifest      reads and writes `manifest.json`
journal       finished files that it does not list yet
inputs        its inputs, few or millions
values        checks of what it holds
cache         parsed once for all files of a folder
listed_files  input files compared with what the manifests beside them list
"""
