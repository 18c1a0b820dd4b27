"""Forms whose text stands under a key or in a column: JSON, tables, Parquet, Arrow.

keys         which key holds the text, and a document from its values
json_values  values cut out of JSON of any size
json         arrays and pretty-printed objects (lines of objects: forms.jsonl)
csv          tables with a header
csv_rows     their rows, however a program quotes its fields
arrow        Parquet and Arrow files (arrow_tables reads them)
"""
