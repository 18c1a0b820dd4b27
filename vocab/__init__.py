"""Vocabularies that ship with bertkit. Data only; `README.md` says how they were made."""
