"""Settings: from defaults, files, environment and flags, with the origin of each.

config          dataclasses of settings, merged from layers
settings        fields that override inherited ones, and what a resume may change
setting_values  text as a value of the right type
option_groups   the groups in which help pages list options
"""
